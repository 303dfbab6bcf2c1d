"""How a run looks: a progress bar on a terminal, plain lines elsewhere, one table at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mbench.core.results import GroupResult, TaskResult, Value

if TYPE_CHECKING:
    from mbench.run.dry import Estimate
    from mbench.run.suite import Outcome


class SpeedColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """Return the speed, nothing while it is not known."""
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class ConsoleReporter:
    """Tells on standard error what a run does. On a terminal a bar shows items, speed and the time that remains."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
        )
        shown = not quiet and self._console.is_terminal
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not shown)
        self._phase = self._bar.add_task("", visible=False)
        self._what = ""

    def __enter__(self) -> ConsoleReporter:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, model: str, task: str) -> None:
        """A model starts on a task."""
        self._what = f"{model} on {task}"

    def start(self, phase: str, total: int) -> None:
        """A phase of `total` items begins."""
        self._bar.reset(self._phase, total=total, description=f"{self._what}: {phase}", visible=total > 0)

    def advance(self, items: int) -> None:
        """So many items of the phase are done."""
        self._bar.advance(self._phase, items)

    def end(self, outcome: Outcome) -> None:
        """One task is done, or failed."""
        self._bar.update(self._phase, visible=False)
        if outcome.error is not None:
            what = outcome.model if outcome.task == "*" else f"{outcome.model} on {outcome.task}"
            self._say(f"Error: {what}: {outcome.error}")
        elif not self._quiet and isinstance(outcome.result, TaskResult):
            state = "already there" if outcome.kept else "done"
            self._say(f"{outcome.model} on {outcome.task}: {state}: {outcome.path}")

    def note(self, message: str) -> None:
        """Something that the user should know."""
        self._say(f"Note: {message}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)


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
