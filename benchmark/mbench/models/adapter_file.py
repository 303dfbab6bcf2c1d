"""Adapters in a file of the user's: `path/to/adapter.py:Class`. Loading one executes the file."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mbench.core.declared import cause
from mbench.core.errors import ModelError, UserError, nearest
from mbench.core.files import file_sha256
from mbench.core.specs import ModelCard
from mbench.core.staged import Reducing, Staged, reducer, staged
from mbench.core.types import Encoder, EncoderFactory, Item, LoadOptions, Role, Vectors
from mbench.models.identity import extended

if TYPE_CHECKING:
    from PIL.Image import Image


def names_a_file(name: str) -> bool:
    """Tell whether a model's name looks like a path to a Python file, with or without a class behind it."""
    return name.endswith(".py") or ".py:" in name


def factory_in_file(name: str) -> EncoderFactory:
    """Execute the file of `path.py:Class` and return the class.

    Raises UserError when the file or the class is not there, ModelError with cause and line when the file raises.
    """
    path, attribute = _split(name)
    if not attribute:
        raise UserError(f"{path}: which class is the adapter? Write {path}:CLASS.")
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; --model takes a name of `mbench models` or path/to/adapter.py:Class.")
    module = _executed(Path(path))
    if not hasattr(module, attribute):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        near = nearest(attribute, classes)
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(f"{path} defines no {attribute!r}.{guess}")
    factory: EncoderFactory = getattr(module, attribute)
    return factory


class FileEncoder:
    """An encoder from a file, as the adapter made it, but an edited file is another model.

    The file's hash enters the identity and, where the card tells no revision, is the revision. So do the options that
    it was loaded with, which an identity that was written by hand easily lacks.
    """

    def __init__(self, encoder: Encoder, digest: str, options: LoadOptions) -> None:
        self.encoder = encoder
        unversioned = encoder.card.revision == ModelCard.model_fields["revision"].default
        self.card = encoder.card.model_copy(update={"revision": digest[:12]} if unversioned else {})
        self.identity = extended(
            encoder,
            adapter_sha256=digest,
            adapter_options={
                "args": dict(options.args),
                "revision": options.revision,
                "dtype": options.dtype,
                "seed": options.seed,
            },
        )
        self.source_sha256 = digest

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return what the adapter returns."""
        return self.encoder.encode(items, role=role)

    def __getattr__(self, name: str) -> Any:
        if name == "encoder":
            raise AttributeError(name)
        return getattr(self.encoder, name)


class StagedFileEncoder(FileEncoder):
    """An encoder from a file that works in two stages (core/staged.py)."""

    encoder: Staged

    def prepare(self, items: Sequence[Item], *, role: Role) -> object:
        """Return what the adapter prepares."""
        return self.encoder.prepare(items, role=role)

    def encode_prepared(self, prepared: Any) -> Vectors:
        """Return what the adapter makes of it."""
        return self.encoder.encode_prepared(prepared)


class ReducingFileEncoder(FileEncoder):
    """An encoder from a file that makes pictures as small as it sees them (core/staged.py)."""

    encoder: Reducing

    def reduced(self, picture: Image) -> Image:
        """Return what the adapter makes of the picture."""
        return self.encoder.reduced(picture)


class StagedReducingFileEncoder(ReducingFileEncoder, StagedFileEncoder):
    """An encoder from a file that does both."""

    encoder: Any


KINDS = {
    (False, False): FileEncoder,
    (True, False): StagedFileEncoder,
    (False, True): ReducingFileEncoder,
    (True, True): StagedReducingFileEncoder,
}
"""By whether an adapter works in two stages, and whether it reduces pictures."""


def with_file_hash(encoder: Encoder, name: str, options: LoadOptions) -> Encoder:
    """Return `encoder`, whose identity now covers the file that it comes from and its options."""
    kind = KINDS[staged(encoder) is not None, reducer(encoder) is not None]
    return kind(encoder, file_sha256(Path(_split(name)[0])), options)


def _split(name: str) -> tuple[str, str]:
    if name.endswith(".py"):
        return name, ""
    path, _, attribute = name.rpartition(":")
    return path, attribute


def _executed(path: Path) -> ModuleType:
    title = "mbench_adapter_" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(title, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[title]
        raise ModelError(f"{path}{_line(error, path)} cannot be imported: {cause(error)}") from error
    return module


def _line(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}," if error.lineno else ""
    # The frames know the file by its absolute path, however it was named.
    steps = traceback.extract_tb(error.__traceback__)
    lines = [one.lineno for one in steps if Path(one.filename).resolve() == path.resolve()]
    return f", line {lines[-1]}," if lines else ""
