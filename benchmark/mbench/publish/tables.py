"""The one kind of table that all pages are made of: heads, rows that begin with a model, and cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mbench.core.results import Value
from mbench.publish.text import NONE, interval, percent, whole

ONE_LINE = 32
"""Characters that a cell of text shows in one line."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A short word at a number or name that limits what it says, and why."""

    word: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with what stands small below it. `sort` is the number to sort by; `url` makes it a link if it is safe.

    A `stale` number does not compare with the others of its column.
    """

    text: str
    below: str = ""
    sort: str = ""
    numeric: bool = False
    best: bool = False
    stale: bool = False
    marks: tuple[Mark, ...] = ()
    url: str = ""

    @property
    def long(self) -> bool:
        """Tell whether the text needs more than one line."""
        return max(len(self.text), len(self.below)) > ONE_LINE


@dataclass(frozen=True, slots=True)
class Head:
    """A column's title, what stands small below it (`n` last), an explanation, and the page that tells more."""

    title: str
    below: str = ""
    n: str = ""
    explained: str = ""
    href: str = ""
    numeric: bool = False
    sorted_down: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """The first cell of a row: what the row is about, and its page. `again` says that the row above has the same."""

    title: str
    below: str = ""
    href: str = ""
    marks: tuple[Mark, ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row; `search` is the text by which the page filters it."""

    name: Name
    cells: tuple[Cell, ...]
    search: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under heads; `first` heads the column of names, `title` stands above where the page has no own words."""

    first: str
    heads: tuple[Head, ...]
    rows: tuple[Row, ...]
    title: str = ""


EMPTY = Cell(NONE, numeric=True)


def score(
    value: Value | None, *, usual_n: int | None = None, stale: bool = False, marks: tuple[Mark, ...] = ()
) -> Cell:
    """Return a score in percent with its interval below; n is added where it is not the column's usual one."""
    if value is None:
        return replace(EMPTY, marks=marks)
    odd_n = f"n {whole(value.n)}" if usual_n is not None and value.n != usual_n else ""
    below = " · ".join(part for part in (interval(value.low, value.high), odd_n) if part)
    return Cell(percent(value.value), below, f"{value.value:.9g}", numeric=True, stale=stale, marks=marks)


def mark_best(rows: Sequence[Row], among: range) -> tuple[Row, ...]:
    """Mark the highest number of each column in `among`, all of them on a tie; stale numbers do not compete."""
    tops = {column: _highest([row.cells[column] for row in rows]) for column in among}

    def marked(column: int, cell: Cell) -> Cell:
        wins = column in tops and bool(cell.sort) and not cell.stale and float(cell.sort) == tops[column]
        return replace(cell, best=True) if wins else cell

    def best(row: Row) -> Row:
        cells = tuple(marked(i, cell) for i, cell in enumerate(row.cells))
        return row if cells == row.cells else replace(row, cells=cells)

    return tuple(map(best, rows))


def _highest(cells: Sequence[Cell]) -> float | None:
    numbers = [float(cell.sort) for cell in cells if cell.sort and not cell.stale]
    return max(numbers) if len(numbers) > 1 else None
