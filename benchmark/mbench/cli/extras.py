"""How extras look on a terminal: tables below the one of the scores, and notes on what could not be measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from mbench.cli.console import interval, percent
from mbench.core.extras import Variants
from mbench.core.results import TaskResult
from mbench.core.values import Difference

if TYPE_CHECKING:
    from mbench.run.suite import Outcome

COMPARED = ("score", "run - this", "95% interval", "p", "moved")


def extras_tables(outcomes: Sequence[Outcome], primary: Mapping[str, str]) -> Iterator[Table]:
    """Yield a table for each kind of extra that the results hold; `primary` has the metric of each task's curves."""
    results = _results(outcomes)
    tables = (_ablations(results), _control(results), _curves(results, primary), _stability(results))
    yield from (table for table in tables if table.row_count)


def extras_notes(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a line for each number that was asked for and that model or task cannot have."""
    for one in _results(outcomes):
        for extra in (one.ablations, one.control, one.stability):
            for name, why in extra.unavailable.items() if extra else ():
                yield f"{one.model.id} on {one.task.id}: no number for {name}: {why}"


def _results(outcomes: Sequence[Outcome]) -> list[TaskResult]:
    return [one.result for one in outcomes if isinstance(one.result, TaskResult)]


def _ablations(results: Sequence[TaskResult]) -> Table:
    table = _table("Composed queries without a part of them, in percent", ("query", "metric"), COMPARED)
    for one in results:
        _add_variants(table, one, one.ablations)
    return table


def _control(results: Sequence[TaskResult]) -> Table:
    table = _table("What instructions do, in percent", ("instructions", "metric"), COMPARED)
    for one in results:
        _add_variants(table, one, one.control)
        if one.control and one.control.paraphrase_spread:
            spread = one.control.paraphrase_spread
            ends = f"{100 * spread.lowest:.2f} to {100 * spread.highest:.2f}"
            what = f"spread of {spread.wordings} wordings"
            table.add_row(one.model.id, one.task.id, what, "", ends, f"{100 * spread.value:.2f}", "", "", "")
    return table


def _add_variants(table: Table, one: TaskResult, extra: Variants | None) -> None:
    for name, variant in extra.variants.items() if extra else ():
        moved = f"{variant.moved:.3f}"
        for key, difference in variant.differences.items():
            score = percent(variant.metrics[key])
            table.add_row(one.model.id, one.task.id, name, key, score, *_compared(difference), moved)


def _compared(difference: Difference) -> tuple[str, str, str]:
    low, high = difference.low, difference.high
    ends = "" if low is None or high is None else f"{100 * low:+.2f} to {100 * high:+.2f}"
    return f"{100 * difference.value:+.2f}", ends, f"{difference.p:.4f}"


def _curves(results: Sequence[TaskResult], primary: Mapping[str, str]) -> Table:
    numbers = ("dims", "bytes a candidate", "value", "95% interval", "tied at cut")
    table = _table("Quality against cost, in percent", ("metric", "stored as"), numbers)
    for one in results:
        for point in one.curves or ():
            key = primary[one.task.id]
            cost = (f"{point.dims:,}", f"{point.bytes_per_candidate:,}")
            score = (percent(point.metrics[key]), interval(point.metrics[key]), f"{100 * point.tied_at_cut:.2f}")
            table.add_row(one.model.id, one.task.id, key, point.precision, *cost, *score)
    return table


def _stability(results: Sequence[TaskResult]) -> Table:
    numbers = ("score", "change of the score", "largest cosine distance")
    table = _table("What the machine changes, on a sample; scores in percent", ("variation", "metric"), numbers)
    for one in results:
        if one.stability is None:
            continue
        for name, found in one.stability.variations.items():
            score = percent(one.stability.metrics[found.metric])
            moved = (f"{100 * found.score_change:+.2f}", f"{found.embedding_change:.1e}")
            table.add_row(one.model.id, one.task.id, name, found.metric, score, *moved)
    return table


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("model", "task", *names):
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
