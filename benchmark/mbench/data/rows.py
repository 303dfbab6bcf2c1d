"""Annotation files: lists of objects, whose values are read by key and type, or refused by file, row and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mbench.core.errors import DataError, listed
from mbench.core.files import read_json

T = TypeVar("T")
NAMES = {str: "text", int: "a whole number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Row:
    """One object of an annotation file; `where` is what messages call it. Every method raises DataError."""

    where: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """Return a text."""
        return self._value(key, str)

    def number(self, key: str) -> int:
        """Return a whole number."""
        return self._value(key, int)

    def number_or_text(self, key: str) -> str:
        """Return an id that is a whole number or a text, as text."""
        value = self._any(key)
        return str(value) if type(value) is int else self._checked(key, value, str)

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        return [self._checked(f"{key}[{place}]", one, str) for place, one in enumerate(self._value(key, list))]

    def numbers(self, key: str) -> list[int]:
        """Return a list of whole numbers."""
        return [self._checked(f"{key}[{place}]", one, int) for place, one in enumerate(self._value(key, list))]

    def floats(self, key: str) -> list[int | float]:
        """Return a list of numbers, whole ones as such."""
        values = self._value(key, list)
        for place, one in enumerate(values):
            if type(one) is not float:
                self._checked(f"{key}[{place}]", one, int)
        return list(values)

    def row(self, key: str) -> Row:
        """Return an object within this one."""
        return Row(f"{self.where}, {key}", self._value(key, dict))

    def rows(self, key: str) -> list[Row]:
        """Return a list of objects within this one."""
        return _rows(self._value(key, list), f"{self.where}, {key}")

    def _any(self, key: str) -> Any:
        if key not in self.values:
            raise DataError(f"{self.where}: the key {key!r} is missing; found {listed(map(repr, self.values), 12)}.")
        return self.values[key]

    def _value(self, key: str, kind: type[T]) -> T:
        return self._checked(key, self._any(key), kind)

    def _checked(self, key: str, value: object, kind: type[T]) -> T:
        if type(value) is not kind:
            raise DataError(f"{self.where}: {key} must be {NAMES[kind]}; found {str(value)[:80]!r}.")
        return value


def read_rows(path: Path) -> list[Row]:
    """Read a JSON file that holds a list of objects. Raises DataError."""
    value = read_json(path)
    if not isinstance(value, list) or not value:
        raise DataError(f"{path}: expected a list of objects; found {str(value)[:80]!r}.")
    return _rows(value, str(path))


def read_row(path: Path) -> Row:
    """Read a JSON file that holds one object. Raises DataError."""
    value = read_json(path)
    if not isinstance(value, dict) or not value:
        raise DataError(f"{path}: expected an object with values; found {str(value)[:80]!r}.")
    return Row(str(path), value)


def read_texts(path: Path) -> list[str]:
    """Read a JSON file that holds a list of texts. Raises DataError."""
    return Row(str(path), {"list": read_json(path)}).texts("list")


def _rows(values: list[Any], where: str) -> list[Row]:
    for place, one in enumerate(values):
        if not isinstance(one, dict):
            raise DataError(f"{where}: entry {place} must be an object; found {str(one)[:80]!r}.")
    return [Row(f"{where}, entry {place}", one) for place, one in enumerate(values)]
