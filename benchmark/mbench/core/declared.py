"""How a declaration in a file becomes a record: strictly, with every problem named by file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from mbench.core.errors import SpecError, nearest


def spec_from(
    cls: type[BaseModel], data: Any, where: str, lines: Mapping[tuple[str | int, ...], int] | None = None
) -> Any:
    """Validate `data` as `cls`; every problem is named by file and key path in one SpecError.

    `lines` gives the line of each key path, where the file's reader knows it.
    """
    if not isinstance(data, dict):
        raise SpecError(f"{where}: expected a mapping of keys, found {type(data).__name__}")
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        problems = []
        for one in error.errors():
            path = _line(one["loc"], lines or {}) + (".".join(str(p) for p in one["loc"]) or "(top)")
            said = one["msg"].removeprefix("Value error, ")
            if one["type"] == "extra_forbidden":
                near = nearest(str(one["loc"][-1]), cls.model_fields)
                said = "unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
            found = "" if one["type"] in ("missing", "extra_forbidden", "value_error") else f" (found {one['input']!r})"
            problems.append(f"  {path}: {said}{found}")
        raise SpecError(f"{where} does not follow the schema of {cls.__name__}:\n" + "\n".join(problems)) from None


def _line(place: tuple[str | int, ...], lines: Mapping[tuple[str | int, ...], int]) -> str:
    """Say where the innermost known key on the way to `place` stands."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return f"line {lines[place[:length]]}: "
    return ""
