"""JSON files of hundreds of megabytes that are one list of objects: read one object at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mbench.core.errors import DataError

CHUNK = 1 << 16
LONGEST = 16 << 20
"""Characters of one object. Without a limit a slip early in a file would be sought for in all of the rest."""
BLANK = " \t\r\n"


def stream_objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file that is one JSON list of them, in memory that does not grow with the file.

    Raises DataError that names the file and the entry: not a list, not an object, not JSON, or cut off.
    """
    try:
        with path.open(encoding="utf-8") as file:
            yield from _objects(file, path)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None


def _objects(file: IO[str], path: Path) -> Iterator[dict[str, Any]]:
    text, expected, number = "", "[", 0
    while True:
        text = _visible(text, file)
        if text[:1] == "]" and (expected == "," or (number == 0 and expected == "{")):
            return
        if text[:1] != expected:
            raise DataError(f"{path}, entry {number}: expected {expected!r} of a list of objects; found {text[:40]!r}.")
        if expected != "{":
            text, expected = text[1:], "{"
            continue
        value, text = _value(text, file, f"{path}, entry {number}")
        number, expected = number + 1, ","
        yield value


def _value(text: str, file: IO[str], where: str) -> tuple[dict[str, Any], str]:
    decoder = json.JSONDecoder()
    while True:
        try:
            value, end = decoder.raw_decode(text)
            return value, text[end:]
        except (ValueError, RecursionError) as error:
            more = file.read(CHUNK) if len(text) < LONGEST else ""
            if not more:
                raise DataError(f"{where}: not valid JSON, or cut off: {error}") from None
            text += more


def _visible(text: str, file: IO[str]) -> str:
    """Return the text from its first character that is not blank, read on where needed; empty at the end."""
    text = text.lstrip(BLANK)
    while not text and (more := file.read(CHUNK)):
        text = more.lstrip(BLANK)
    return text
