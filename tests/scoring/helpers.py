"""Small rankings and judgments for the tests of the scoring room."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mbench.core.specs import MetricSpec, TaskSpec
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


def task(metrics: Sequence[str], **keys: Any) -> TaskSpec:
    """Declare a task with `metrics`, the first of them primary; `keys` as in a task's file."""
    declared = {
        "id": "some-task",
        "version": 1,
        "protocol": "official",
        "description": "A task of the tests.",
        "kind": "retrieval",
        "source": {"loader": "none"},
        "query": {"modality": "text"},
        "candidates": {"modality": "text"},
        "metrics": list(metrics),
        "primary": metric(metrics[0]).key,
        "license": "MIT",
        "citation": "None.",
    }
    return TaskSpec.model_validate(declared | keys)
