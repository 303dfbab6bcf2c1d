"""The place of each model in a column of scores, as a range: what the numbers do not tell apart shares its places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from mbench.core.errors import DataError
from mbench.core.results import Value
from mbench.core.types import Floats, Rows
from mbench.publish.board import Board, ModelKey, TaskKey
from mbench.publish.evidence import QueryScores, query_scores
from mbench.publish.openings import Openings
from mbench.scoring.ranks import Ranked, rank_ranges


@dataclass(frozen=True, slots=True)
class Places:
    """Where each model of a column stands, and what its range rests on.

    `by` is "test" (every pair tested query by query) or "intervals" (two models are apart where their intervals are,
    which tells fewer of them apart).
    """

    by: Literal["test", "intervals"]
    of: Mapping[ModelKey, Ranked] = field(default_factory=dict)


def task_places(board: Board, task: TaskKey, openings: Openings) -> Places:
    """Return the places on `task`: by tests where every result that counts has its queries' scores beside it."""
    key = board.primary(task)
    entries = [one for one in board.on_task(task) if key in one.result.metrics and not board.outdated(one)]
    models = [ModelKey(one.result.model.id, one.result.model.revision) for one in entries]
    if not models:
        return Places("test")
    columns = [column for one in entries if (column := query_scores(one, key)) is not None]
    if len(columns) == len(models):
        try:
            ids = columns[0].ids
            found = rank_ranges(_aligned(columns), _clusters(board, task, ids, openings))
            return Places("test", dict(zip(models, found, strict=True)))
        except DataError:  # other queries than the others have, or too few of them
            pass
    values = [one.result.metrics[key] for one in entries]
    return Places("intervals", dict(zip(models, _by_intervals(values), strict=True)))


def mean_places(scores: Mapping[ModelKey, Value]) -> Places:
    """Return the places in a column of means over tasks, by their intervals."""
    return Places("intervals", dict(zip(scores, _by_intervals(list(scores.values())), strict=True)))


def _aligned(columns: Sequence[QueryScores]) -> Floats:
    """Return [n_models, n_q] in the order of the first model's queries. Raises DataError where they differ."""
    first = columns[0].ids
    place = {name: at for at, name in enumerate(first)}
    rows = []
    for one in columns:
        if set(one.ids) != set(first) or len(one.ids) != len(first):
            raise DataError("The models were not asked the same queries.")
        values = np.empty(len(first))
        values[[place[name] for name in one.ids]] = one.values
        rows.append(values)
    return np.array(rows)


def _clusters(board: Board, task: TaskKey, ids: Sequence[str], openings: Openings) -> Rows | None:
    data = openings.data(task.id) if board.spec(task) else None
    if data is None or data.judgments.groups is None:
        return None
    known = dict(zip(data.queries.ids(), data.judgments.groups.tolist(), strict=True))
    return np.array([known.get(name, -1) for name in ids], dtype=np.int64)


def _by_intervals(values: Sequence[Value]) -> list[Ranked]:
    means = np.array([one.value for one in values])
    low = np.array([one.value if one.low is None else one.low for one in values])
    high = np.array([one.value if one.high is None else one.high for one in values])
    above = low[:, None] > high[None, :]  # row clearly better than column
    best = 1 + above.sum(axis=0)
    worst = len(values) - above.sum(axis=1)
    ranks = 1 + (means[:, None] > means[None, :]).sum(axis=0)
    groups = _groups(means, above.astype(np.bool_))
    return [
        Ranked(int(rank), int(first), int(last), int(group))
        for rank, first, last, group in zip(ranks, best, worst, groups, strict=True)
    ]


def _groups(means: Floats, above: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Rows:
    groups = np.zeros(len(means), dtype=np.int64)
    for leader in np.argsort(-means, kind="stable"):
        if groups[leader] == 0:
            groups[(groups == 0) & ~above[leader]] = groups.max() + 1
    return groups
