"""Whether two results may be compared: the same task, asked in the same way, over the same queries and candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from mbench.core.results import TaskResult

Said = Callable[[TaskResult], JsonValue]

SAME: Mapping[str, Said] = {
    "protocols": lambda one: one.task.protocol,
    "versions of the task": lambda one: one.task.version,
    "data or settings of the task (fingerprints)": lambda one: one.task.fingerprint,
    "instructions or other variants": lambda one: one.variant or "the task's own",
    "extents": lambda one: "partial" if one.partial else "complete",
    "numbers of queries": lambda one: one.counts.queries,
    "numbers of candidates": lambda one: one.counts.candidates,
    "data files": lambda one: one.run.get("data", {}) or {},
}
"""What must agree, by its name in messages."""


def differences(a: TaskResult, b: TaskResult) -> list[str]:
    """Return in what two results of a task differ so that their numbers do not compare: "protocols: x and y"."""
    return [f"{name}: {said(a)} and {said(b)}" for name, said in SAME.items() if said(a) != said(b)]
