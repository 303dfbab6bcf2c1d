"""Reading YAML strictly: plain values, every key once, and the line of each key kept for messages.

Built on the parser's events, so that nothing is ever constructed from a tag and an alias cannot multiply anything.
Plain scalars follow the core schema of YAML 1.2: `no`, `on` and dates are text; so are numbers with leading zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml import events

from mbench.core.errors import SpecError

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40
MAX_DIGITS = 400
"""Python refuses to make numbers of thousands of digits; no declaration has one."""

Place = tuple[str | int, ...]

_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Document:
    """The value of a YAML file, and for each key path in it the line where its value begins (counted from 1)."""

    value: Any
    lines: Mapping[Place, int]


def read_yaml(path: Path) -> Document:
    """Parse a YAML file. Raises SpecError that names the file and the line of what is not allowed."""
    text = _read(path)
    reader = _Reader(path, iter(yaml.parse(text, Loader=_PARSER)))
    try:
        return Document(reader.document(), reader.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SpecError(f"{path}, line {mark.line + 1 if mark else 1}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{path}: not valid YAML: {error}") from None


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(f"{path}: larger than {MAX_BYTES} bytes, which no declaration is.")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}).") from None


class _Reader:
    """Builds plain values from the events of one file."""

    def __init__(self, path: Path, stream: Iterator[Any]) -> None:
        self.path = path
        self.stream = stream
        self.lines: dict[Place, int] = {}

    def document(self) -> Any:
        next(self.stream)
        first = next(self.stream)
        if isinstance(first, events.StreamEndEvent):
            raise SpecError(f"{self.path}: empty; expected a mapping of keys.")
        value = self.value(next(self.stream), ())
        next(self.stream)
        after = next(self.stream)
        if not isinstance(after, events.StreamEndEvent):
            self.refuse(after, "a second document begins; one file holds one declaration")
        return value

    def value(self, event: Any, place: Place) -> Any:
        self.lines[place] = event.start_mark.line + 1
        if isinstance(event, events.AliasEvent) or event.anchor is not None:
            self.refuse(event, "anchors and aliases are not allowed; write the value out")
        if event.tag is not None:
            self.refuse(event, f"the tag {event.tag!r} is not allowed; write a plain value")
        if len(place) > MAX_DEPTH:
            self.refuse(event, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, events.ScalarEvent):
            return self.scalar(event) if event.implicit[0] else event.value
        if isinstance(event, events.SequenceStartEvent):
            return self.sequence(place)
        return self.mapping(place)

    def scalar(self, event: Any) -> str | int | float | bool | None:
        if len(event.value) > MAX_DIGITS and _FLOAT.fullmatch(event.value):
            self.refuse(event, f"a number of {len(event.value)} characters")
        return _scalar(event.value)

    def sequence(self, place: Place) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self.stream), events.SequenceEndEvent):
            values.append(self.value(event, (*place, len(values))))
        return values

    def mapping(self, place: Place) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self.stream), events.MappingEndEvent):
            if not isinstance(event, events.ScalarEvent):
                self.refuse(event, "a key must be plain text")
            key = str(event.value)
            if key in values:
                self.refuse(event, f"the key {key!r} stands twice (first in line {self.lines[*place, key]})")
            values[key] = self.value(next(self.stream), (*place, key))
        return values

    def refuse(self, event: Any, why: str) -> NoReturn:
        raise SpecError(f"{self.path}, line {event.start_mark.line + 1}: {why}.")


def _scalar(text: str) -> str | int | float | bool | None:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
