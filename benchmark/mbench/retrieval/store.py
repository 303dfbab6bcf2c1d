"""Embeddings that were computed once: append-only shards of (content key, vector), kept per model and role.

`<cache>/<model fingerprint>/<role>/<number>.safetensors` holds `keys` uint8 [n, length], `vectors` float32 [n, d] and a
checksum over both. A shard appears whole or not at all; one that is damaged is set aside and its contents are encoded
again. Several processes may add shards at the same time: their names never collide.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mbench.core.errors import OutputError
from mbench.core.files import write_atomically
from mbench.core.types import Role, Vectors

Keys = npt.NDArray[np.uint8]


class Store:
    """The stored vectors of one model in one role, in memory only when `cache` is None.

    `warn` is told of every shard that had to be set aside.
    """

    def __init__(self, cache: Path | None, fingerprint: str, role: Role, warn: Callable[[str], None]) -> None:
        self.folder = None if cache is None else cache / fingerprint / role
        self._warn = warn
        self._vectors: dict[bytes, Vectors] = {}
        self._read()

    def __contains__(self, key: bytes) -> bool:
        return key in self._vectors

    def __getitem__(self, key: bytes) -> Vectors:
        return self._vectors[key]

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Write one shard of new vectors and remember them. Raises OutputError when the cache cannot be written."""
        if self.folder is not None:
            _write_shard(self.folder, keys, vectors)
        self._vectors.update(zip(keys, vectors, strict=True))

    def _read(self) -> None:
        if self.folder is None or not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("*.safetensors")):
            loaded = _read_shard(path)
            if loaded is None:
                self._warn(f"{path}: damaged shard of embeddings, set aside; its items are encoded again.")
                _set_aside(path)
                continue
            keys, vectors = loaded
            self._vectors.update((key.tobytes(), vector) for key, vector in zip(keys, vectors, strict=True))


def _write_shard(folder: Path, keys: Sequence[bytes], vectors: Vectors) -> None:
    from safetensors.numpy import save_file

    packed: Keys = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1).copy()
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    tensors: dict[str, npt.NDArray[Any]] = {"keys": packed, "vectors": vectors}
    metadata = {"sha256": _checksum(packed, vectors)}
    path = folder / f"{uuid.uuid4().hex}.safetensors"
    try:
        write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata))
    except OutputError as error:
        raise OutputError(f"{error} Free space, choose another --cache, or use --no-cache.") from None


def _read_shard(path: Path) -> tuple[Keys, Vectors] | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            keys, vectors = file.get_tensor("keys"), file.get_tensor("vectors")
            declared = (file.metadata() or {}).get("sha256")
    except (SafetensorError, OSError, ValueError):
        return None
    return (keys, vectors) if declared == _checksum(keys, vectors) else None


def _checksum(keys: Keys, vectors: Vectors) -> str:
    digest = hashlib.sha256(keys.tobytes())
    digest.update(np.ascontiguousarray(vectors).tobytes())
    return digest.hexdigest()


def _set_aside(path: Path) -> None:
    try:
        path.rename(path.with_suffix(".damaged"))
    except OSError:
        return
