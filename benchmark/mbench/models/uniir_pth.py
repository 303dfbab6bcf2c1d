"""The weights in files of `torch.save`, read without running anything that the file holds beside them.

UniIR saves `{"model": weights, "optimizer": ..., "config": an OmegaConf object, ...}`. torch's own restricted reader
refuses such a file, and its other one executes it. Here the pickle is only looked at (`uniir_pickle`): each tensor of
"model" is a call of known form that names a record of plain numbers, and the rest is left alone. Both layouts are read:
the zip archive that torch writes since 1.6, and the stream before it.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbench.core.errors import CheckpointError, listed
from mbench.models.uniir_pickle import LONGEST, Pickle, call_of, read_pickle
from mbench.models.uniir_stored import Stored, storage_of, stored_tensor
from mbench.models.weights_io import Checkpoint

if TYPE_CHECKING:
    from torch import Tensor

ZIP_START = b"PK\x03\x04"
STREAM_START = 0x1950A86A20F9469CFC6C
"""The number that the older layout begins with, pickled."""
DAMAGED = (ValueError, IndexError, KeyError, TypeError, EOFError, OSError, OverflowError, MemoryError, struct.error,
           zipfile.BadZipFile, NotImplementedError, RuntimeError)  # fmt: skip
"""What reading a file that is not what it seems may raise."""

Record = Callable[[str], bytearray]


@dataclass(frozen=True, slots=True)
class Archive:
    """A file of `torch.save`: the pickle that describes its content, and its records of plain bytes."""

    pickle: Pickle
    record: Record


def read_pth(path: Path, part: str = "model") -> Checkpoint:
    """Return the tensors under the key `part` of the file; each is read when it is asked for.

    Raises CheckpointError for a file that is damaged or of another kind, for a missing key, and for an entry under it
    that is no plain tensor. Nothing in the file is executed, whatever it holds.
    """
    start = b""
    try:
        with path.open("rb") as file:
            start = file.read(64)
        archive = (_zipped if start.startswith(ZIP_START) else _streamed)(path)
    except DAMAGED as error:
        raise CheckpointError(f"{path}: {_kind(start)}: {str(error) or type(error).__name__}") from None
    tensors = _tensors(path, _part(path, archive.pickle.root, part))
    return Checkpoint(
        f"{path}", {name: one.shape for name, one in tensors.items()}, lambda name: _read(path, archive, tensors[name])
    )


def _kind(start: bytes) -> str:
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer instead of the weights; `git lfs pull` fetches them"
    return "damaged, truncated or no file of torch.save"


def _zipped(path: Path) -> Archive:
    archive = zipfile.ZipFile(path)
    names = [info.filename for info in archive.infolist()]
    if len(set(names)) < len(names):
        raise ValueError("two of its records have the same name")
    roots = [name.removesuffix("data.pkl") for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ValueError(f"{len(roots)} descriptions of its content (data.pkl) instead of one")
    root, most = roots[0], path.stat().st_size
    if f"{root}byteorder" in names and _unpacked(archive, f"{root}byteorder", 16) != b"little":
        raise ValueError("its numbers are stored with the other byte order")
    described = read_pickle(io.BytesIO(_unpacked(archive, f"{root}data.pkl", min(most, LONGEST))))
    return Archive(described, lambda key: _unpacked(archive, f"{root}data/{key}", most))


def _unpacked(archive: zipfile.ZipFile, name: str, most: int) -> bytearray:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > most:
        raise ValueError(f"the record {name} is compressed or longer than {most} bytes")
    content = bytearray(archive.read(info))
    if len(content) != info.file_size:
        raise ValueError(f"the record {name} is not as long as it says")
    return content


def _streamed(path: Path) -> Archive:
    with path.open("rb") as file:
        # The magic number, the layout's version, the writer's machine, the content, the keys of the records.
        if read_pickle(file).root != STREAM_START:
            raise ValueError("it does not begin as such files do")
        _, _, described, keys = (read_pickle(file) for _ in range(4))
        if not isinstance(keys.root, list):
            raise TypeError("it has no list of records")
        storages = {one.key: one for one in map(storage_of, described.references)}
        places, position, end = {}, file.tell(), path.stat().st_size
        for key in keys.root:
            places[key] = position + 8
            position += 8 + storages[key].size
        if position > end:
            raise EOFError(f"it ends after {end} bytes of {position}")
    return Archive(described, lambda key: _slice(path, places[key], storages[key].size))


def _slice(path: Path, start: int, size: int) -> bytearray:
    content = bytearray(size)
    with path.open("rb") as file:
        file.seek(start)
        if file.readinto(content) != size:
            raise EOFError("it is truncated")
    return content


def _part(path: Path, root: object, part: str) -> Mapping[Any, object]:
    entries = _mapping(root)
    if entries is None or _mapping(entries.get(part)) is None:
        found = f"a mapping with {listed(map(repr, entries)) or 'nothing'}" if entries is not None else "something else"
        raise CheckpointError(f"{path}: expected a mapping whose key {part!r} holds the weights; found {found}.")
    return _mapping(entries[part]) or {}


def _mapping(value: object) -> Mapping[Any, object] | None:
    if call_of(value, "collections", "OrderedDict"):
        return value.entries
    return value if isinstance(value, dict) else None


def _tensors(path: Path, entries: Mapping[Any, object]) -> dict[str, Stored]:
    tensors = {}
    for name, value in entries.items():
        try:
            tensors[str(name)] = stored_tensor(value)
        except (ValueError, TypeError) as error:
            raise CheckpointError(
                f"{path}: {name!r} is no tensor that can be read without running code: {error}."
            ) from None
    return tensors


def _read(path: Path, archive: Archive, stored: Stored) -> Tensor:
    import torch

    storage = stored.storage
    try:
        content = archive.record(storage.key)
        if len(content) != storage.size:
            raise ValueError(f"the record {storage.key} has {len(content)} bytes instead of {storage.size}")
    except DAMAGED as error:
        raise CheckpointError(f"{path}: damaged or truncated: {error}") from None
    if not math.prod(stored.shape):
        return torch.empty(stored.shape, dtype=storage.dtype)
    return torch.frombuffer(content, dtype=storage.dtype).as_strided(stored.shape, stored.strides, stored.offset)
