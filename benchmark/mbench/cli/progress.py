"""What a run tells while it goes on: a progress bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from mbench.core.results import TaskResult

if TYPE_CHECKING:
    from mbench.run.suite import Outcome

SECONDS_A_LINE = 10.0


class SpeedColumn(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        """Return the speed, nothing while it is not known."""
        return Text(speed(task.speed) if task.speed else "")


class Lines:
    """A phase's progress in whole lines, at most one in `SECONDS_A_LINE`: what logs and pipes can hold."""

    def __init__(self) -> None:
        self._what, self._total, self._done = "", 0, 0
        self._since = self._told = time.monotonic()

    def start(self, what: str, total: int) -> None:
        """A phase of `total` items begins."""
        self._what, self._total, self._done = what, total, 0
        self._since = self._told = time.monotonic()

    def advance(self, items: int) -> str | None:
        """So many items are done; return the line that is due, if any."""
        self._done += items
        now = time.monotonic()
        if now - self._told < SECONDS_A_LINE or not self._total:
            return None
        self._told = now
        rate = self._done / (now - self._since)
        left = timedelta(seconds=round((self._total - self._done) / rate)) if rate else "unknown"
        return f"{self._what}: {self._done:,} of {self._total:,}, {speed(rate)}, {left} left"


class ConsoleReporter:
    """Tells on standard error what a run does: phase, batch size, what the cache gave, items, speed, the time left.

    `quiet` leaves errors.
    """

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
        self._drawn = not quiet and self._console.is_terminal
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._drawn)
        self._phase = self._bar.add_task("", visible=False)
        self._lines = Lines()
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
        what = f"{self._what}: {phase}"
        self._bar.reset(self._phase, total=total, description=what, visible=total > 0)
        self._lines.start(what, total)

    def advance(self, items: int) -> None:
        """So many items of the phase are done."""
        self._bar.advance(self._phase, items)
        line = self._lines.advance(items)
        if line and not self._quiet and not self._drawn:
            self._say(line)

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
        if not self._quiet:
            self._say(f"Note: {message}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False)


def speed(rate: float) -> str:
    """Return items a second, with decimals where there are few."""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s"
