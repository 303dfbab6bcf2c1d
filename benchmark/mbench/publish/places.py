"""The place of each model in a column of scores, as a range: what the numbers do not tell apart shares its places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mbench.core.errors import DataError
from mbench.core.results import Value
from mbench.publish.aligned import Aligned, ranked
from mbench.publish.board import Board, ModelKey
from mbench.scoring.ranks import rank_ranges


@dataclass(frozen=True, slots=True)
class Range:
    """The places that a model may have, counted from 1."""

    best: int
    worst: int


@dataclass(frozen=True, slots=True)
class Places:
    """Where each model of a column stands, and what its range rests on.

    `by` is "test" (every pair tested query by query) or "intervals" (two models are apart where their intervals are,
    which tells fewer of them apart).
    """

    by: Literal["test", "intervals"]
    of: Mapping[ModelKey, Range]


def task_places(board: Board, found: Aligned) -> Places:
    """Return the places on a task: by tests where all results that count have sound scores of the same queries."""
    key = board.primary(found.key)
    entries = ranked(board, found.key)
    values = {ModelKey(one.result.model.id, one.result.model.revision): one.result.metrics[key] for one in entries}
    tested = _by_tests(list(values), found) if values.keys() <= found.columns.keys() else []
    places = tested or _by_intervals(list(values.values()))
    return Places("test" if tested else "intervals", dict(zip(values, places, strict=True)))


def mean_places(scores: Mapping[ModelKey, Value]) -> Places:
    """Return the places in a column of means over tasks, by their intervals."""
    return Places("intervals", dict(zip(scores, _by_intervals(list(scores.values())), strict=True)))


def _by_tests(models: Sequence[ModelKey], found: Aligned) -> list[Range]:
    """Return the places of `models`, or nothing where they cannot be tested: other queries judged, or fewer than 2."""
    if not models:
        return []
    try:
        ranks = rank_ranges(np.array([found.columns[model] for model in models]), found.clusters)
    except DataError:
        return []
    return [Range(one.best, one.worst) for one in ranks]


def _by_intervals(values: Sequence[Value]) -> list[Range]:
    low = np.array([one.value if one.low is None else one.low for one in values])
    high = np.array([one.value if one.high is None else one.high for one in values])
    better = low[:, None] > high[None, :]
    best = 1 + better.sum(axis=0)
    worst = len(values) - better.sum(axis=1)
    return [Range(int(first), int(last)) for first, last in zip(best, worst, strict=True)]
