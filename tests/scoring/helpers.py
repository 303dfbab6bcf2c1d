"""Small rankings and judgments for the tests of the scoring room."""

from collections.abc import Sequence

import numpy as np

from mbench.core.specs import MetricSpec
from mbench.core.types import Floats, Rankings, Sets


def metric(text: str) -> MetricSpec:
    return MetricSpec.model_validate(text)


def rankings(rows: Sequence[Sequence[int]]) -> Rankings:
    """Rows of candidates, best first, filled up with -1."""
    depth = max((len(row) for row in rows), default=0)
    ids = np.full((len(rows), depth), -1, dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    scores = np.where(ids >= 0, -np.arange(depth, dtype=np.float64), -np.inf)
    return Rankings(ids, scores)


def labels(rows: Sequence[Sequence[int]], grades: Sequence[Sequence[float]] | None = None) -> Sets:
    sets = Sets.of(rows)
    if grades is None:
        return sets
    return Sets(sets.starts, sets.rows, np.array([g for row in grades for g in row], dtype=np.float64))


def floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
