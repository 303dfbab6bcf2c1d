"""The reproduction ledger as a table of text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mbench.publish.ledger import EXPLAINED, Line
from mbench.publish.plain import Sheet, points

HEADS = ("task", "metric", "published model", "published", "ours", "measured", "95% interval", "difference", "status",
         "reason or source")  # fmt: skip
NUMBERS = frozenset({"published", "measured", "95% interval", "difference"})


def sheets(lines: Sequence[Line]) -> list[Sheet]:
    """Return a table of what was measured, and one of what was not, in percent."""
    measured = tuple(_row(line) for line in lines if line.measured is not None)
    rest = tuple(_open_row(line) for line in lines if line.measured is None)
    heads = ("task", "metric", "published model", "published", "ours", "status", "source")
    return [
        Sheet(f"Measured ({len(measured)}), in percent", HEADS, measured, NUMBERS),
        Sheet(f"Not measured ({len(rest)}), in percent", heads, rest, NUMBERS),
    ]


def notes(lines: Sequence[Line]) -> list[str]:
    """Return how many lines have each status, and what it means."""
    counts = Counter(line.status for line in lines)
    return [f"{status} ({counts[status]}): {meaning}" for status, meaning in EXPLAINED.items() if counts[status]]


def as_json(lines: Sequence[Line]) -> dict[str, Any]:
    """Return the ledger as one list of records, fractions throughout; null for what was not measured."""
    counts = Counter(line.status for line in lines)
    return {"counts": {status: counts[status] for status in EXPLAINED}, "lines": [_record(line) for line in lines]}


def _row(line: Line) -> tuple[str, ...]:
    value = line.measured
    spread = "" if value is None or value.low is None or value.high is None else f"{_p(value.low)} - {_p(value.high)}"
    ours = f"{line.model} {line.revision}"
    found = ("" if value is None else _p(value.value), spread, points(line.difference))
    return (*_head(line), ours, *found, line.status, line.reason or line.published.source)


def _open_row(line: Line) -> tuple[str, ...]:
    return (*_head(line), line.model, line.status, line.published.source)


def _head(line: Line) -> tuple[str, str, str, str]:
    return line.task, line.published.metric, line.published.model, _p(line.published.value)


def _p(value: float) -> str:
    return f"{100 * value:.2f}"


def _record(line: Line) -> dict[str, Any]:
    value = line.measured
    return {
        "task": line.task,
        "metric": line.published.metric,
        "published_model": line.published.model,
        "published": line.published.value,
        "source": line.published.source,
        "model": line.model,
        "revision": line.revision,
        "measured": None if value is None else value.value,
        "low": None if value is None else value.low,
        "high": None if value is None else value.high,
        "difference": line.difference,
        "tolerance": line.tolerance,
        "reason": line.reason,
        "status": line.status,
    }
