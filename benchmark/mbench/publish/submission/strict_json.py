"""JSON of strangers: bounded in size, depth and number of values, every key once, every number finite."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from mbench.publish.submission import limits

_STRING = re.compile(rb'"[^"\\]*(?:\\(?:.|\Z)[^"\\]*)*(?:"|\Z)', re.DOTALL)
"""A string, or what is left of one at the end: it always matches, so that no input is looked at twice."""
_BRACKET = re.compile(rb"[\[\]{}]")


class JsonError(Exception):
    """JSON that is not read, and why; `code` names the kind of reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse(data: bytes) -> Any:
    """Return the value of UTF-8 JSON.

    Raises JsonError: "json" for what is no JSON, "json-depth", "json-size", "json-number" (NaN, infinity, endless
    digits), "json-key" (a key twice in one object).
    """
    _check_shape(data)
    try:
        text = data.decode("utf-8")
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_number, parse_int=_whole, parse_float=_float
        )
    except UnicodeDecodeError as error:
        raise JsonError("json", f"not UTF-8 ({error.reason} at byte {error.start})") from None
    except (ValueError, RecursionError) as error:
        raise JsonError("json", f"not valid JSON: {error}") from None


def _check_shape(data: bytes) -> None:
    """Bound nesting and the number of values before a parser runs: both are counted outside of strings."""
    bare = _STRING.sub(b"", data)
    depth = deepest = 0
    for one in _BRACKET.finditer(bare):
        depth += 1 if one.group() in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > limits.JSON_DEPTH:
        raise JsonError("json-depth", f"nested {deepest} deep; results are nested at most {limits.JSON_DEPTH}")
    if (values := bare.count(b",")) > limits.JSON_NODES:
        raise JsonError("json-size", f"{values} values; at most {limits.JSON_NODES} are read")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError("json-key", f"the key {twice[:40]!r} stands twice in one object")
    return values


def _no_number(constant: str) -> float:
    raise JsonError("json-number", f"{constant} is not a JSON number")


def _whole(digits: str) -> int:
    if len(digits) > limits.NUMBER_DIGITS:
        raise JsonError("json-number", f"a number of {len(digits)} digits")
    return int(digits)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError("json-number", f"{text[:40]} is not finite")
    return value
