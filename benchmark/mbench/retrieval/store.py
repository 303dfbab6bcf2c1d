"""Embeddings that were computed once: append-only shards, found by content key, kept per model and role.

    <cache>/<model fingerprint>/model.json               which model that is
    <cache>/<model fingerprint>/<role>/<name>.safetensors   a shard (retrieval/shards.py)
    <cache>/<model fingerprint>/<role>/used               its time of change tells when vectors were last asked for

Only the keys are held in memory. A shard that is damaged or gone is set aside and its contents are encoded again.
Several processes may add shards at the same time: their names never collide, and each sees what the others finished.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from mbench.core.files import write_json
from mbench.core.types import Keys, Role, Rows, Vectors
from mbench.retrieval.held import FileShard, Held, MemoryShard
from mbench.retrieval.keys import KeyIndex, Located
from mbench.retrieval.shards import ENDING, Shard, ShardError, write_shard
from mbench.retrieval.space import Space

MODEL, USED, DAMAGED = "model.json", "used", ".damaged"


class Store:
    """The stored vectors of one model in one role, for this run only when `cache` is None.

    Of a cache that cannot be written what it holds is used, and new vectors are kept for this run only.

    `warn` is told of every shard that had to be set aside; `model` is what `mbench cache ls` shows of the model.
    `memory` bounds the run, in bytes (default: the machine's): what is kept for this run only stays within its share.
    """

    def __init__(
        self,
        cache: Path | None,
        fingerprint: str,
        role: Role,
        warn: Callable[[str], None],
        model: Mapping[str, JsonValue] | None = None,
        memory: int | None = None,
    ) -> None:
        self.folder = None if cache is None else cache / fingerprint / role
        self.writable = self.folder is not None and _may_write(self.folder)
        self.cache = cache if self.writable else None
        self._warn, self._model = warn, model
        self._held = Held(Space(memory))
        self._shards: list[Shard | MemoryShard | FileShard] = []
        self._names: set[str] = set()
        self._new: list[tuple[int, Keys]] = []
        self._index = KeyIndex()

    def find(self, keys: Keys) -> Located:
        """Return where the vectors of `keys` [n, length] lie, those that other processes stored meanwhile included."""
        self._look_again()
        if self._new:
            numbers, added = zip(*self._new, strict=True)
            self._index.add(list(numbers), list(added))
            self._new = []
        found = self._index.find(keys)
        if (found.shards >= 0).any():
            self._touch()
        return found

    def read(self, found: Located) -> Iterator[tuple[Rows, Vectors]]:
        """Yield positions in `found` and their vectors, shard by shard; those of damaged shards are left out."""
        order = np.argsort(found.shards, kind="stable")
        numbers, starts = np.unique(found.shards[order], return_index=True)
        for number, places in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            if number < 0:
                continue
            shard = self._shards[number]
            try:
                yield places, shard.vectors(found.rows[places])
            except ShardError as error:
                self._index.drop(number)
                if isinstance(shard, Shard):
                    self._set_aside(shard.path, error)

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Keep new vectors [n, d] as one shard. Raises OutputError when there is no room for them."""
        if self.folder is None or not self.writable:
            shard: Shard | MemoryShard | FileShard = self._held.keep(vectors)
        else:
            self._describe(self.folder.parent / MODEL)
            shard = Shard.open(write_shard(self.folder, keys, vectors))
            self._names.add(shard.path.name)
            self._touch()
        self._new.append((len(self._shards), keys))
        self._shards.append(shard)

    def _look_again(self) -> None:
        """Take up the shards that appeared since the last look."""
        if self.folder is None or not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob(f"*{ENDING}")):
            if path.name in self._names or path.name.startswith(".") or path.is_dir():
                continue
            self._names.add(path.name)
            try:
                shard = Shard.open(path)
                keys = shard.keys()
            except ShardError as error:
                self._set_aside(path, error)
                continue
            self._new.append((len(self._shards), keys))
            self._shards.append(shard)

    def _set_aside(self, path: Path, error: ShardError) -> None:
        self._warn(f"{path}: damaged shard of embeddings, set aside: {error}. Its items are encoded again.")
        with suppress(OSError):
            path.rename(path.with_suffix(DAMAGED))

    def _describe(self, path: Path) -> None:
        if self._model is not None and not path.exists():
            write_json(path, dict(self._model))

    def _touch(self) -> None:
        if self.folder is not None:
            with suppress(OSError):
                (self.folder / USED).touch()


def holds_shards(cache: Path) -> bool:
    """Tell whether embeddings are stored below a cache's folder, of whatever model."""
    return any(cache.glob(f"*/*/*{ENDING}"))


def _may_write(folder: Path) -> bool:
    """Tell whether files can be made in `folder`, or in what it would be made in."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)
