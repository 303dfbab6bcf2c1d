"""The model columns of the tables: declared in leaderboard/columns.yaml, so that one is added without code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from mbench.core.declared import spec_from
from mbench.core.errors import UnknownNameError
from mbench.core.specs import ModelCard, Strict
from mbench.data.yaml import read_yaml
from mbench.publish.tables import Cell, Head
from mbench.publish.text import NONE, magnitude, plain, whole

Format = Literal["text", "list", "number", "count", "yesno"]


class Column(Strict):
    """A fact about a model: `key` in its card, the column's title, how it is written, and what it means.

    One that is not `shown` waits among the columns that a reader may add.
    """

    key: str
    title: str
    format: Format = "text"
    note: str = ""
    shown: bool = True

    @property
    def head(self) -> Head:
        """The column's head in a table."""
        return Head(self.title, explained=self.note, numeric=self.format in ("number", "count"))


class Columns(Strict):
    """The whole file."""

    columns: list[Column]


def read_columns(path: Path) -> tuple[Column, ...]:
    """Read the declared columns. Raises SpecError, and UnknownNameError for a key that no card has."""
    document = read_yaml(path)
    file: Columns = spec_from(Columns, document.value, str(path), document.lines)
    for column in file.columns:
        if column.key not in ModelCard.model_fields:
            raise UnknownNameError("key of a model card", column.key, ModelCard.model_fields, f"({path})")
    return tuple(file.columns)


def fact(card: ModelCard, column: Column) -> Cell:
    """Return what `card` says in `column`; a dash where it says nothing."""
    value: JsonValue = getattr(card, column.key)
    if value in (None, "", []):
        return Cell(NONE)
    return Cell(FORMATS[column.format](value), sort=_sort_key(value), numeric=column.head.numeric)


def _sort_key(value: JsonValue) -> str:
    return repr(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _number(value: JsonValue) -> str:
    return whole(value) if isinstance(value, int) else plain(value)


def _count(value: JsonValue) -> str:
    return magnitude(value) if isinstance(value, int) else plain(value)


FORMATS: Mapping[Format, Callable[[JsonValue], str]] = {
    "text": plain,
    "list": plain,
    "yesno": plain,
    "number": _number,
    "count": _count,
}
