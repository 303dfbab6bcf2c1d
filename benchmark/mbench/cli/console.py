"""How results look: one table at the end of a run, or of its estimate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from mbench.cli.progress import ConsoleReporter
from mbench.core.results import GroupResult, TaskResult, Value

if TYPE_CHECKING:
    from mbench.run.dry import Estimate
    from mbench.run.suite import Outcome

__all__ = ["ConsoleReporter", "PipedConsole", "estimates_table", "interval", "percent", "print_table", "results_table"]


def percent(value: Value) -> str:
    """Return a fraction as percent with two decimals."""
    return f"{100 * value.value:.2f}"


def interval(value: Value) -> str:
    """Return the 95% interval as percent, empty where there is none."""
    if value.low is None or value.high is None:
        return ""
    return f"{100 * value.low:.2f} - {100 * value.high:.2f}"


def results_table(outcomes: Sequence[Outcome]) -> Table:
    """Return one row a metric: model, task, metric, value, interval, n, seconds; ablated scores beside the value."""
    ablated = _ablated(outcomes)
    table = Table(title="Scores in percent, with 95% intervals", title_justify="left")
    for name in ("model", "task", "metric"):
        table.add_column(name, overflow="fold")
    for name in ("value", "95% interval", *ablated, "n", "seconds"):
        table.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        result = outcome.result
        if result is None:
            continue
        if not result.metrics:
            blank = [""] * (len(ablated) + 3)
            table.add_row(outcome.model, _titled(outcome, result), "labels withheld", *blank, _seconds(result))
        for i, (key, value) in enumerate(result.metrics.items()):
            head = (outcome.model, _titled(outcome, result)) if i == 0 else ("", "")
            seconds = _seconds(result) if i == 0 else ""
            parts = [_without(result, name, key) for name in ablated]
            table.add_row(*head, key, percent(value), interval(value), *parts, f"{value.n:,}", seconds)
        table.add_section()
    return table


def _ablated(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the names of the ablations that any result has a score of."""
    found = [one.result.ablations for one in outcomes if isinstance(one.result, TaskResult)]
    return list(dict.fromkeys(name for one in found if one for name in one.variants))


def _without(result: TaskResult | GroupResult, ablation: str, key: str) -> str:
    found = result.ablations if isinstance(result, TaskResult) else None
    return percent(found.variants[ablation].metrics[key]) if found and ablation in found.variants else ""


def _titled(outcome: Outcome, result: TaskResult | GroupResult) -> str:
    marks = ["partial"] if result.partial else []
    marks += [result.variant] if result.variant else []
    return outcome.task + (f" ({', '.join(marks)})" if marks else "")


def _seconds(result: TaskResult | GroupResult) -> str:
    seconds = result.run.get("seconds") if isinstance(result, TaskResult) else None
    if not isinstance(seconds, dict):
        return ""
    return f"{sum(float(str(v)) for v in seconds.values()):.1f}"


def estimates_table(estimates: Sequence[Estimate]) -> Table:
    """Return one row a model and task: what would be encoded, and about how long it would take."""
    table = Table(title="What would be encoded (nothing was written)", title_justify="left")
    for name in ("model", "task"):
        table.add_column(name)
    for name in ("queries", "candidates", "vectors to compute", "from the cache", "MB in memory", "seconds, about"):
        table.add_column(name, justify="right")
    for e in estimates:
        numbers = (f"{e.queries:,}", f"{e.candidates:,}", f"{e.vectors:,}", f"{e.reused:,}")
        table.add_row(e.model, e.task, *numbers, f"{e.bytes / 1e6:.1f}", f"{e.seconds:.1f}")
    return table


class PipedConsole(Console):
    """A console that leaves it to the command line what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError again."""
        raise BrokenPipeError


def print_table(table: Table) -> None:
    """Print a table on standard output, as wide as it needs to be where there is no terminal."""
    console = PipedConsole(width=None if sys.stdout.isatty() else 160, highlight=False)
    console.print(table, markup=False)
