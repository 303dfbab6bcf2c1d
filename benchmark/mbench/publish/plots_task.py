"""The figures of a task: its slices, how queries and first candidates are spread, and what smaller embeddings keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mbench.core.results import RANKINGS
from mbench.core.types import Floats
from mbench.publish.board import Board, TaskKey
from mbench.publish.collect import Entry
from mbench.publish.names import model_label
from mbench.publish.plots import Figure
from mbench.publish.plots_bars import Series, slice_bars
from mbench.publish.plots_curves import Curve, curves_figure
from mbench.publish.plots_spread import (
    FirstScores,
    QueryValues,
    first_scores_figure,
    query_values_figure,
)

DRAWN = 6
"""So many of a task's best models are drawn."""
LISTED = 20
"""So many are in the tables below figures."""
AT_FIRST = ("hit@1", "recall@1")
"""Metrics that tell for a query whether its first candidate is right: above 0 where it is."""


def task_figures(board: Board, task: TaskKey, entries: Sequence[Entry]) -> tuple[Figure, ...]:
    """Return the figures of `task`; `entries` are its results that compare, best first."""
    return tuple(figure for figure in _figures(board, task, entries) if figure is not None)


def _figures(board: Board, task: TaskKey, entries: Sequence[Entry]) -> Iterator[Figure | None]:
    spec, primary = board.spec(task), board.primary(task)
    metric = spec.sliced if spec else primary
    names = dict.fromkeys(name for entry in entries for name in entry.result.slices)
    for place, name in enumerate(names):
        words = name.replace("_", " ")
        tags = _tags(entries, name)
        series = [_series(board, entry, name, tags, metric) for entry in entries[:LISTED]]
        yield slice_bars(f"slice-{place + 1}", f"{metric} by {words}", metric, tags, series)
    best = entries[:DRAWN]
    values = [QueryValues(*_named(board, one), _known(board, one, primary)) for one in best]
    yield query_values_figure("query-values", f"Queries by their {primary}", primary, values)
    yield first_scores_figure("first-scores", "Scores of the first candidates", list(_firsts(board, best)))
    curves = [Curve(*_named(board, one), tuple(one.result.curves)) for one in entries if one.result.curves]
    yield curves_figure("curves", f"{primary} of smaller embeddings", primary, curves)


def _named(board: Board, entry: Entry) -> tuple[str, str]:
    return model_label(board, entry.result.model), board.model_page(entry.result.model.id)


def _tags(entries: Sequence[Entry], name: str) -> list[str]:
    """Return the values of a slice, the most frequent first."""
    sizes: dict[str, int] = {}
    for entry in entries:
        for tag, metrics in entry.result.slices.get(name, {}).items():
            sizes[tag] = max(sizes.get(tag, 0), *(value.n for value in metrics.values()), 0)
    return sorted(sizes, key=lambda tag: (-sizes[tag], tag))


def _series(board: Board, entry: Entry, name: str, tags: Sequence[str], metric: str) -> Series:
    found = entry.result.slices.get(name, {})
    return Series(*_named(board, entry), tuple(found.get(tag, {}).get(metric) for tag in tags))


def _known(board: Board, entry: Entry, key: str) -> Floats:
    column = board.evidence.query_scores(entry, key)
    return np.zeros(0) if column is None else column.judged


def _firsts(board: Board, entries: Sequence[Entry]) -> Iterator[FirstScores]:
    board.evidence.expect(entries, RANKINGS)
    for entry in entries:
        first = board.evidence.first_scores(entry)
        if first is not None:
            known = ~np.isnan(first.values)
            right = _right(board, entry, first.ids)
            yield FirstScores(*_named(board, entry), first.values[known], None if right is None else right[known])


def _right(board: Board, entry: Entry, ids: Sequence[str]) -> Floats | None:
    """Return for each query whether its first candidate is right, from the metric that tells it."""
    key = next((key for key in AT_FIRST if key in entry.result.metrics), None)
    column = None if key is None else board.evidence.query_scores(entry, key)
    if column is None:
        return None
    values = dict(zip(column.ids, column.values.tolist(), strict=True))
    return np.array([values.get(name, np.nan) for name in ids])
