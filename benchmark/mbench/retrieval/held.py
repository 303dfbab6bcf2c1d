"""Embeddings that are kept for one run only: in memory up to a limit, beyond it in one file without a name.

The file is gone when the run is, however that ends: nobody has to remove it.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from typing import IO

import numpy as np

from mbench.core.errors import OutputError
from mbench.core.types import Vectors
from mbench.retrieval.keys import Places
from mbench.retrieval.shards import ShardError
from mbench.retrieval.space import Space


@dataclass(frozen=True, slots=True)
class MemoryShard:
    """Vectors [n, d] in memory."""

    held: Vectors

    def vectors(self, rows: Places) -> Vectors:
        """Return the vectors of `rows`."""
        return self.held[rows]


@dataclass(frozen=True, slots=True)
class FileShard:
    """Vectors `shape` [n, d], float32, from the byte `start` on in a file without a name."""

    file: IO[bytes]
    start: int
    shape: tuple[int, int]

    def vectors(self, rows: Places) -> Vectors:
        """Read the shard and return the vectors of `rows`. Raises ShardError when it cannot be read."""
        whole = np.empty(self.shape, dtype=np.float32)
        try:
            self.file.seek(self.start)
            found = self.file.readinto(whole.data.cast("B"))  # type: ignore[attr-defined]
        except OSError as error:
            raise ShardError(f"cannot be read ({error.strerror})") from None
        if found != whole.nbytes:
            raise ShardError(f"{found} bytes instead of {whole.nbytes}")
        vectors: Vectors = whole[rows]
        return vectors


class Held:
    """Takes the vectors of one model in one role, as many in memory as one array of `space` may take."""

    def __init__(self, space: Space) -> None:
        self._space, self._left = space, space.limit
        self._file: IO[bytes] | None = None

    def keep(self, vectors: Vectors) -> MemoryShard | FileShard:
        """Keep vectors [n, d]. Raises OutputError when the disk has no room for what memory may not take."""
        if vectors.nbytes <= self._left:
            self._left -= vectors.nbytes
            return MemoryShard(np.ascontiguousarray(vectors))
        try:
            return self._written(np.ascontiguousarray(vectors, dtype=np.float32))
        except OSError as error:
            raise OutputError(
                f"{self._space.folder or tempfile.gettempdir()}: no room for the embeddings that memory may not take "
                f"({error.strerror}). Free space, {self._space.other}, or allow more --memory."
            ) from None

    def _written(self, vectors: Vectors) -> FileShard:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._space.folder, buffering=0)  # noqa: SIM115
        start = self._file.seek(0, io.SEEK_END)
        left = vectors.data.cast("B")
        while left:
            left = left[self._file.write(left) :]
        return FileShard(self._file, start, (vectors.shape[0], vectors.shape[1]))
