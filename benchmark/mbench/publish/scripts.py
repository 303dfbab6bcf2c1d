"""Data for the pages' own scripts, as script files: they load from file:// too, where a page may not fetch.

Every value is JSON whose markup characters are escaped, so that no name or id can end a script or begin an element.
The name of a file holds the hash of what is in it: a browser never mixes an old file with a new page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mbench.core.types import Floats

FOLDER = "data"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%()*+,-./:;=?@[]^_{|}~"
"""The digits of codes: no quote, no backslash, no markup, no space."""
UNKNOWN = " "
_LETTERS = np.frombuffer(ALPHABET.encode("ascii"), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A file of the site that is no page: its address from the root and its bytes."""

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Coded:
    """A column in few characters: `codes` has `width` characters a row, the place of its value in `values`."""

    values: tuple[float, ...]
    codes: str
    width: int


def script_file(name: str, kind: str, value: Any) -> SiteFile:
    """Return a script that hands `value` to the page as `kind`, under the file's own name.

    `name` must be fit for a file; a hash of the content is added.
    """
    text = as_json(value)
    digest = hashlib.sha256(f"{kind}:{text}".encode()).hexdigest()[:10]
    path = f"{FOLDER}/{name}-{digest}.js"
    return SiteFile(path, f'mbenchData("{kind}","{path}",{text});\n'.encode())


def as_json(value: Any) -> str:
    """Return compact ASCII JSON without any character that means something to HTML. Raises ValueError for NaN."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def coded(column: Floats) -> Coded:
    """Return a column [n] in codes; NaN is a space."""
    known = ~np.isnan(column)
    values, places = np.unique(column[known], return_inverse=True)
    width = 1
    while len(ALPHABET) ** width < len(values):
        width += 1
    digits = np.full((len(column), width), ord(UNKNOWN), dtype=np.uint8)
    steps = len(ALPHABET) ** np.arange(width - 1, -1, -1)
    digits[known] = _LETTERS[places[:, None] // steps % len(ALPHABET)]
    return Coded(tuple(values.tolist()), digits.tobytes().decode("ascii"), width)


def numbered(places: Sequence[int]) -> str:
    """Return whole numbers as text of base 36, separated by spaces; -1 is empty."""
    return " ".join("" if place < 0 else np.base_repr(place, 36).lower() for place in places)
