"""The primary metric of a task for each query, of all models that answered the same queries: what tests are made on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mbench.core.types import Floats, Rows
from mbench.publish.board import Board, ModelKey, TaskKey
from mbench.publish.collect import Entry
from mbench.publish.evidence import QueryScores
from mbench.publish.openings import Openings

MOST_FILES = 4000
"""So many files of queries' scores are read, those of each task's best models first: some 6 seconds of a build."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """A task's queries in one order, the cluster of each where queries belong together, and a column [n_q] a model.

    Without sound evidence for any model all of it is empty.
    """

    key: TaskKey
    ids: tuple[str, ...]
    clusters: Rows | None
    columns: Mapping[ModelKey, Floats]


@dataclass(frozen=True, slots=True)
class QueryColumns:
    """The columns of all tasks of a site, each read once."""

    board: Board
    openings: Openings
    _read: dict[TaskKey, Aligned] = field(default_factory=dict, repr=False, compare=False)

    def of(self, task: TaskKey) -> Aligned:
        """Return the columns of `task`, of its best models where a site has too many results to read all."""
        if task not in self._read:
            measured = sum(bool(self.board.on_task(one)) for one in self.board.tasks)
            self._read[task] = _aligned(self.board, task, self.openings, MOST_FILES // max(measured, 1))
        return self._read[task]


def _aligned(board: Board, task: TaskKey, openings: Openings, most: int) -> Aligned:
    """Return the primary metric of the best models for the same queries in the same order."""
    found: dict[ModelKey, QueryScores] = {}
    best = ranked(board, task)[:most]
    board.evidence.expect(best)
    for entry in best:
        column = board.evidence.query_scores(entry, board.primary(task))
        if column is not None:
            found[ModelKey(entry.result.model.id, entry.result.model.revision)] = column
    if not found:
        return Aligned(task, (), None, {})
    ids = _usual(list(found.values())).ids
    places = {name: place for place, name in enumerate(ids)}
    alike = {model: one for model, one in found.items() if len(one.ids) == len(ids) and set(one.ids) == set(ids)}
    columns = {model: _in_order(one, places) for model, one in alike.items()}
    return Aligned(task, ids, _clusters(board, task, ids, openings), columns)


def _usual(columns: Sequence[QueryScores]) -> QueryScores:
    """Return the first column with the queries that most columns have, so that no single result decides for all."""
    asked = [frozenset(one.ids) for one in columns]
    times = Counter(asked)
    return columns[max(range(len(columns)), key=lambda place: (times[asked[place]], -place))]


def ranked(board: Board, task: TaskKey) -> list[Entry]:
    """Return the results on `task` that compare, best first by its primary metric."""
    key = board.primary(task)
    sound = [one for one in board.on_task(task) if key in one.result.metrics and not board.outdated(one)]
    return sorted(
        sound, key=lambda one: (-one.result.metrics[key].value, one.result.model.id, one.result.model.revision)
    )


def _in_order(column: QueryScores, places: Mapping[str, int]) -> Floats:
    values = np.empty(len(places))
    values[[places[name] for name in column.ids]] = column.values
    return values


def _clusters(board: Board, task: TaskKey, ids: Sequence[str], openings: Openings) -> Rows | None:
    data = openings.data(task.id) if board.spec(task) else None
    if data is None or data.judgments.groups is None:
        return None
    known = dict(zip(data.queries.ids(), data.judgments.groups.tolist(), strict=True))
    return np.array([known.get(name, -1) for name in ids], dtype=np.int64)
