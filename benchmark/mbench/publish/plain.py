"""Small tables of text: what the command line prints, and the same as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of text: `numeric` columns are set to the right; every row has as many cells as there are heads."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[str] = frozenset()


def markdown(sheets: Sequence[Sheet], notes: Sequence[str] = ()) -> str:
    """Return the tables that have rows, then the notes, as Markdown; nothing in a cell is read as markup."""
    parts = [_table(sheet) for sheet in sheets if sheet.rows]
    parts += ["\n".join(f"- {_escaped(note)}" for note in notes)] if notes else []
    return "\n\n".join(parts) + "\n"


def points(value: float | None) -> str:
    """Return a difference of fractions in percentage points, with its sign; empty for none."""
    return "" if value is None else f"{100 * value:+.2f}"


def spanned(low: float | None, high: float | None) -> str:
    """Return the ends of an interval of a difference in percentage points; empty for none."""
    return "" if low is None or high is None else f"{points(low)} to {points(high)}"


def probability(p: float | None) -> str:
    """Return a p-value with four decimals, or as being smaller than they show; empty for none."""
    if p is None:
        return ""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _table(sheet: Sheet) -> str:
    rule = ["---:" if head in sheet.numeric else "---" for head in sheet.heads]
    rows = [[_escaped(cell) for cell in row] for row in (sheet.heads, *sheet.rows)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (rows[0], rule, *rows[1:])]
    return "\n".join([f"**{_escaped(sheet.title)}**", "", *lines])


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", " ".join(text.split()))
