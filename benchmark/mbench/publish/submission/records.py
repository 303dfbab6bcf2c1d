"""What looking at a submission gives: findings with a code each, the state of every task, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mbench.core.results import GroupResult, TaskResult
from mbench.core.specs import ModelCard

Severity = Literal["error", "warning", "info"]
Status = Literal["recomputed", "server", "not recomputed", "refused"]
Contamination = Literal["seen", "unseen", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: `code` is for programs, `message` for people, `file` is relative to the submission.

    `task` is the place of the result (`<revision>/<task>`) that it concerns, empty where it concerns the whole folder.
    """

    code: str
    severity: Severity
    file: str
    message: str
    task: str = ""


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The scores that a benchmark's own server gave, the text of its answer, and the file that holds it."""

    server: str
    date: str
    metrics: Mapping[str, float]
    said: str
    file: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """A result of a submission and the files beside it. Its card is the submission's.

    `result.metrics` are those of the server's `answer` where there is one. `rankings` are the paths of the ranking by
    pool ("" for a Parquet file that holds all pools).
    """

    result: TaskResult
    file: str
    path: Path
    rankings: Mapping[str, Path]
    per_query: Path | None = None
    answer: ServerAnswer | None = None

    @property
    def place(self) -> str:
        """What tells this result from the others of the submission: `<revision>/<task>`."""
        return f"{self.result.model.revision}/{self.result.task.id}"


@dataclass(frozen=True, slots=True)
class Averaged:
    """A group's result of a submission and its file."""

    result: GroupResult
    file: str


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What can be said of a model's number on one task. `reason` says why it is refused or not recomputed.

    `contamination`: whether the model's training data hold the task's.
    """

    task: str
    protocol: str
    revision: str
    status: Status
    reason: str
    file: str
    contamination: Contamination = "unknown"

    @property
    def place(self) -> str:
        """`<revision>/<task>`, as in findings."""
        return f"{self.revision}/{self.task}"


@dataclass(frozen=True, slots=True)
class Inspected:
    """A submission as it was read, with nothing recomputed.

    `card` is None when it cannot be read. `results` are those that follow the schema and their catalogue entry; `marks`
    tell of each what is known without computing: "server", "not recomputed" or "refused".
    """

    folder: Path
    name: str
    card: ModelCard | None
    results: tuple[Submitted, ...] = ()
    groups: tuple[Averaged, ...] = ()
    marks: tuple[TaskReport, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The errors: a submission with any of them is refused as a whole."""
        return tuple(one for one in self.findings if one.severity == "error")


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check. `results` are those that could be read; `tasks` says what can be said of each."""

    name: str
    folder: Path
    card: ModelCard | None
    tasks: tuple[TaskReport, ...]
    findings: tuple[Finding, ...]
    results: tuple[Submitted, ...] = ()

    @property
    def good(self) -> bool:
        """Whether nothing was refused."""
        return not self.problems

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The errors among the findings."""
        return tuple(one for one in self.findings if one.severity == "error")
