"""How a declaration in a file becomes a record: strictly, with every problem named by file, line and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from mbench.core.errors import SpecError, nearest
from mbench.core.specs import ModelCard

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


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
        told = _problems(error, cls.model_fields, lines or {})
        raise SpecError(f"{where} does not follow the schema of {cls.__name__}:\n{told}") from None


def cause(error: BaseException) -> str:
    """Return what went wrong in code that is not ours: the kind of error and its words; of a card, each wrong key."""
    if isinstance(error, ValidationError) and error.title == ModelCard.__name__:
        return f"its {error.title} is wrong:\n{_problems(error, ModelCard.model_fields, {})}"
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _problems(error: ValidationError, known: Iterable[str], lines: Mapping[tuple[str | int, ...], int]) -> str:
    """Return a line a problem: the key, what was expected, what was found, and for an unknown key the nearest one."""
    return "\n".join(f"  {_line(one['loc'], lines)}{_problem(one, known)}" for one in error.errors())


def _problem(one: ErrorDetails, known: Iterable[str]) -> str:
    said = one["msg"].removeprefix("Value error, ")
    if one["type"] == "extra_forbidden":
        near = nearest(str(one["loc"][-1]), known)
        said = "unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    found = "" if one["type"] in ("missing", "extra_forbidden", "value_error") else f" (found {one['input']!r})"
    return f"{'.'.join(str(part) for part in one['loc']) or '(top)'}: {said}{found}"


def _line(place: tuple[str | int, ...], lines: Mapping[tuple[str | int, ...], int]) -> str:
    """Say where the innermost known key on the way to `place` stands."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return f"line {lines[place[:length]]}: "
    return ""
