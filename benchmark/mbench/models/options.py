"""Typed `--model-args`: an adapter declares its arguments as the fields of a class, and anything else is refused.

A class `ClipArgs(Args)` with the fields `checkpoint: Text = "openai/..."` and `image_weight: Weight = 1.0` is read by
`ClipArgs.read(options, "clip")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mbench.core.errors import UserError, nearest
from mbench.core.types import LoadOptions


def _path(text: object) -> Path:
    if not str(text):
        raise ValueError("is empty; expected a path")
    return Path(str(text)).expanduser()


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"{path} is {'a folder, not a file' if path.is_dir() else 'no file that exists'}")
    return path


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"{path} is {'a file, not a folder' if path.is_file() else 'no folder that exists'}")
    return path


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


Text = Annotated[str, AfterValidator(_filled)]
ExistingFile = Annotated[Path, BeforeValidator(_path), AfterValidator(_file)]
ExistingFolder = Annotated[Path, BeforeValidator(_path), AfterValidator(_folder)]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class ArgHelp:
    """One argument for a help text: its name, type, default (None where it must be given) and meaning."""

    name: str
    type: str
    default: str | None
    help: str


class Args(BaseModel):
    """Base of an adapter's arguments. Values arrive as text; true/false, yes/no, on/off and 1/0 are flags."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=False)

    @classmethod
    def read(cls, options: LoadOptions, model: str) -> Self:
        """Parse `options.args`. Raises UserError that names each wrong key, with the nearest one, or wrong value."""
        try:
            return cls.model_validate(dict(options.args))
        except ValidationError as error:
            lines = "\n".join(f"  {_explained(one, cls.model_fields)}" for one in error.errors())
            raise UserError(f"--model-args of model {model!r}:\n{lines}") from None

    @classmethod
    def help(cls) -> list[ArgHelp]:
        """Describe the arguments in the order of their declaration."""
        schema = cls.model_json_schema()["properties"]
        return [
            ArgHelp(name, _type(schema[name]), None if one.is_required() else str(one.default), one.description or "")
            for name, one in cls.model_fields.items()
        ]


class NoArgs(Args):
    """For a model that takes no arguments."""


def refuse_revision(options: LoadOptions, model: str) -> None:
    """Raise UserError when a revision is asked of a model that has no revisions to choose from."""
    if options.revision is not None:
        raise UserError(f"Model {model!r} has no revisions to choose from; leave out --model-revision.")


def _explained(problem: Mapping[str, Any], known: Mapping[str, object]) -> str:
    said = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return said
    key = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        near = nearest(key, known)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        takes = f" It takes {', '.join(known)}." if known else " It takes none."
        return f"unknown argument {key!r}.{guess}{takes}"
    if problem["type"] == "missing":
        return f"{key} is missing; give --model-args {key}=..."
    return f"{key}={problem['input']}: {said[:1].lower()}{said[1:]}"


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    kinds = {"string": "text", "number": "number", "integer": "integer", "boolean": "true|false"}
    return "path" if schema.get("format") == "path" else kinds.get(str(schema.get("type")), "text")
