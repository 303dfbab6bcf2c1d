"""Vectors on their way to the search: put together in one array, and kept in shards as they are made."""

from __future__ import annotations

import time

import numpy as np

from mbench.core.errors import EncodingError
from mbench.core.mapped import forget
from mbench.core.types import Keys, Rows, Vectors
from mbench.retrieval.space import Space
from mbench.retrieval.store import Store

SHARD_ROWS = 4096
SHARD_SECONDS = 60.0
"""A shard is written after so much time, however few its rows: it is what an interruption can cost."""
ROWS_AT_ONCE = 1 << 14


class Assembly:
    """The vectors [n, d] of a table's distinct contents, filled in any order; the first ones decide d."""

    def __init__(self, count: int, space: Space, name: str) -> None:
        self._count, self._space, self._name = count, space, name
        self._vectors: Vectors | None = None

    @property
    def width(self) -> int | None:
        """The dimension, once it is known."""
        return None if self._vectors is None else int(self._vectors.shape[1])

    def put(self, places: Rows, vectors: Vectors) -> None:
        """Fill in vectors. Raises EncodingError for another dimension than that of the first ones."""
        width = vectors.shape[1]
        if self._vectors is None:
            self._vectors = self._space.array((self._count, width), np.float32)
        if width != self._vectors.shape[1]:
            widths = sorted((width, self._vectors.shape[1]))
            raise EncodingError(
                f"Model {self._name!r} returned vectors of different dimensions: {', '.join(map(str, widths))}; "
                "all embeddings of one model must have the same."
            )
        self._vectors[places] = vectors
        forget(self._vectors)

    def rows(self, place: Rows) -> Vectors:
        """Return [len(place), d], the vectors of `place`; no copy is made where that is all of them in order."""
        if self._vectors is None:
            return np.zeros((len(place), 0), dtype=np.float32)
        if len(place) == self._count and (place == np.arange(self._count)).all():
            return self._vectors
        gathered: Vectors = self._space.array((len(place), self._vectors.shape[1]), np.float32)
        for start in range(0, len(place), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            gathered[part] = self._vectors[place[part]]
            forget(gathered)
        return gathered


class Pending:
    """Fresh vectors that wait until they fill a shard of `store`. `keys` [n_u] belong to the contents by place."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store, self._keys = store, keys
        self._parts: list[tuple[Rows, Vectors]] = []
        self._since = time.monotonic()

    def add(self, places: Rows, vectors: Vectors) -> None:
        """Take a batch; write a shard when there is enough for one. Raises OutputError."""
        self._parts.append((places, vectors))
        rows = sum(len(one) for one, _ in self._parts)
        if rows >= SHARD_ROWS or time.monotonic() - self._since >= SHARD_SECONDS:
            self.save()

    def save(self) -> None:
        """Write what waits as one shard. Raises OutputError."""
        parts, self._parts = self._parts, []
        self._since = time.monotonic()
        if parts:
            places = np.concatenate([one for one, _ in parts])
            self._store.add(self._keys[places], np.concatenate([vectors for _, vectors in parts]))
