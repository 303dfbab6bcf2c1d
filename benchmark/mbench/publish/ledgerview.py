"""What the page of the reproduction ledger shows: every published number, and what was measured here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbench.publish.ledger import Line
from mbench.publish.ledger_text import notes, sheets
from mbench.publish.plain import Sheet
from mbench.publish.tables import Cell, Head, Name, Row, Table


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Tables of what was measured and of what was not, in percent, and how many lines have each status."""

    measured: Table
    rest: Table
    statuses: tuple[str, ...]


def ledger_view(lines: Sequence[Line]) -> LedgerView:
    """Return the view of a ledger."""
    measured, rest = (_table(sheet) for sheet in sheets(lines))
    return LedgerView(measured, rest, tuple(notes(lines)))


def _table(sheet: Sheet) -> Table:
    first, *others = sheet.heads
    heads = tuple(Head(title.capitalize(), numeric=title in sheet.numeric) for title in others)
    return Table(first.capitalize(), heads, tuple(_row(sheet, row) for row in sheet.rows), sheet.title)


def _row(sheet: Sheet, row: Sequence[str]) -> Row:
    cells = zip(sheet.heads[1:], row[1:], strict=True)
    return Row(Name(row[0]), tuple(Cell(text, numeric=head in sheet.numeric) for head, text in cells))
