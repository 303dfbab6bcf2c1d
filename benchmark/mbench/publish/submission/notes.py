"""Collecting findings while a submission is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mbench.publish.submission.records import Finding, Severity
from mbench.publish.text import clean

LONGEST_MESSAGE = 500
MOST = 200
"""Findings that are kept: a hostile submission cannot make an endless report."""


@dataclass(slots=True)
class Notes:
    """The findings so far. Messages are cleaned: they quote what others wrote."""

    found: list[Finding] = field(default_factory=list)

    def add(self, code: str, file: str, message: str, *, task: str = "", severity: Severity = "error") -> None:
        """Keep a finding, once."""
        said = clean(message).replace("\n", " ")
        said = said if len(said) <= LONGEST_MESSAGE else said[: LONGEST_MESSAGE - 1] + "…"
        one = Finding(code, severity, clean(file)[:LONGEST_MESSAGE], said, clean(task))
        if one not in self.found and len(self.found) < MOST:
            self.found.append(one)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Keep findings that were made elsewhere."""
        for one in findings:
            if one not in self.found and len(self.found) < MOST:
                self.found.append(one)

    def errors(self, task: str | None = None) -> list[Finding]:
        """Return the errors: all, or those of one result."""
        return [one for one in self.found if one.severity == "error" and task in (None, one.task)]
