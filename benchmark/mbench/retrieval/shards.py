"""One shard of embeddings: a safetensors file with `keys` uint8 [n, length] and `vectors` float32 [n, d].

A sha256 of each of the two stands in its header. A shard appears whole or not at all; what became of it afterwards is
found out when it is read: keys when the shard is opened, vectors every time. It is read, not mapped into memory,
because a mapped file that shrinks ends the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mbench.core.errors import DataError, OutputError
from mbench.core.files import write_atomically
from mbench.core.types import Keys, Vectors
from mbench.retrieval.keys import Places

ENDING = ".safetensors"
FORMAT = "mbench-shard-2"
TYPES: dict[str, np.dtype[Any]] = {"U8": np.dtype(np.uint8), "F32": np.dtype("<f4")}
LARGEST_HEADER = 1 << 20


class ShardError(DataError):
    """A file that is no shard, or no longer the one that was written."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where an array lies in a file, and the sha256 of its bytes in hex."""

    dtype: np.dtype[Any]
    shape: tuple[int, int]
    start: int
    sha256: str

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard on disk, of which only the header has been read."""

    path: Path
    stored_keys: Tensor
    stored_vectors: Tensor

    @staticmethod
    def open(path: Path) -> Shard:
        """Read and check the header of a file. Raises ShardError when it is no shard or is cut short."""
        if not path.is_file():
            raise ShardError("not a file")  # opening a pipe would wait for ever
        try:
            with path.open("rb") as file:
                shard = Shard(path, *_tensors(file))
                size = os.fstat(file.fileno()).st_size
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise ShardError(f"not a shard of this version of mbench ({error})") from None
        end = shard.stored_keys.start + shard.stored_keys.nbytes
        if size != end or len(shard) != shard.stored_vectors.shape[0]:
            raise ShardError(f"{size} bytes instead of {end}")
        return shard

    def __len__(self) -> int:
        return self.stored_keys.shape[0]

    def keys(self) -> Keys:
        """Read the keys [n, length]. Raises ShardError when they are not those that were written."""
        return self._read(self.stored_keys, "keys")

    def vectors(self, rows: Places | None = None) -> Vectors:
        """Read the vectors of `rows`, or all. Raises ShardError when one of the shard is not what was written."""
        vectors: Vectors = self._read(self.stored_vectors, "vectors")
        return vectors if rows is None else vectors[rows]

    def _read(self, tensor: Tensor, what: str) -> npt.NDArray[Any]:
        array = np.empty(tensor.shape, dtype=tensor.dtype)
        try:
            with self.path.open("rb") as file:
                file.seek(tensor.start)
                file.readinto(array.data.cast("B") if array.size else bytearray())
        except OSError as error:
            raise ShardError(f"cannot be read ({error.strerror})") from None
        if hashlib.sha256(array.data).hexdigest() != tensor.sha256:
            raise ShardError(f"the {what} are not those that were written")
        return array


def write_shard(folder: Path, keys: Keys, vectors: Vectors) -> Path:
    """Write a shard under a name that no other process takes; return its path. Raises OutputError."""
    path = folder / f"{uuid.uuid4().hex}{ENDING}"
    arrays = (np.ascontiguousarray(vectors, dtype="<f4"), np.ascontiguousarray(keys, dtype=np.uint8))
    header = _header(*arrays)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(header)
            for array in arrays:
                file.write(array.data)

    try:
        write_atomically(path, write)
    except OutputError as error:
        raise OutputError(f"{error} Free space, choose another --cache, or use --no-cache.") from None
    return path


def _header(vectors: Vectors, keys: Keys) -> bytes:
    """Return the header of a safetensors file, padded to 8 bytes: the arrays follow one after the other."""
    digests = {"keys": hashlib.sha256(keys.data), "vectors": hashlib.sha256(vectors.data)}
    value: dict[str, Any] = {
        "__metadata__": {"format": FORMAT} | {name: one.hexdigest() for name, one in digests.items()}
    }
    start = 0
    for name, kind, array in (("vectors", "F32", vectors), ("keys", "U8", keys)):
        value[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [start, start + array.nbytes]}
        start += array.nbytes
    text = json.dumps(value).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _tensors(file: BinaryIO) -> tuple[Tensor, Tensor]:
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= LARGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    value = json.loads(file.read(length))
    metadata = value["__metadata__"]
    if metadata.get("format") != FORMAT:
        raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT!r}")
    keys, vectors = (_tensor(value[name], metadata[name], 8 + length) for name in ("keys", "vectors"))
    return keys, vectors


def _tensor(entry: dict[str, Any], sha256: str, base: int) -> Tensor:
    rows, width = entry["shape"]
    start, end = entry["data_offsets"]
    tensor = Tensor(TYPES[entry["dtype"]], (int(rows), int(width)), base + int(start), sha256)
    if tensor.nbytes != end - start or min(tensor.shape) < 0 or start < 0:
        raise ValueError(f"{entry['shape']} in {end - start} bytes")
    return tensor
