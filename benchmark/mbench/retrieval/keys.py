"""Content keys in bulk: which rows of millions hold the same content, and in which shard a content's vector lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mbench.core.types import Keys, Rows

Places = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Distinct:
    """`first` [n_u] the first row of each content, ascending; `place` [n] each row's content among them."""

    first: Rows
    place: Rows


@dataclass(frozen=True, slots=True)
class Located:
    """Where vectors lie: `shards` [n] numbers of shards, -1 for what is not stored; `rows` [n] rows in them."""

    shards: Places
    rows: Places

    @staticmethod
    def nowhere(count: int) -> Located:
        """Return `count` places of which none is known."""
        return Located(np.full(count, -1, dtype=np.int32), np.zeros(count, dtype=np.int32))


def distinct(keys: Keys) -> Distinct:
    """Find equal keys [n, length]. Where all differ, both arrays of the answer are one and the same."""
    words = _words(keys)
    order = np.argsort(words, kind="stable")
    new = np.ones(len(words), dtype=bool)
    new[1:] = words[order[1:]] != words[order[:-1]]
    if new.all():
        rows = np.arange(len(words), dtype=np.int64)
        return Distinct(rows, rows)
    first = order[new]
    appearance = np.argsort(first)
    number = np.empty(len(first), dtype=np.int64)
    number[appearance] = np.arange(len(first))
    place = np.empty(len(words), dtype=np.int64)
    place[order] = np.repeat(number, np.diff(np.append(np.flatnonzero(new), len(words))))
    return Distinct(first[appearance], place)


class KeyIndex:
    """Sorted keys and where their vectors lie: 24 bytes a vector for keys of 16 bytes."""

    def __init__(self) -> None:
        self._words = np.zeros(0, dtype="S1")
        self._at = Located.nowhere(0)

    def __len__(self) -> int:
        return len(self._words)

    def add(self, shards: list[int], keys: list[Keys]) -> None:
        """Add whole shards by number, each with its keys in the order of its rows."""
        sizes = [len(one) for one in keys]
        words = np.concatenate([self._words, *map(_words, keys)])
        numbers = np.concatenate([self._at.shards, np.repeat(np.array(shards, dtype=np.int32), sizes)])
        rows = np.concatenate([self._at.rows, *(np.arange(size, dtype=np.int32) for size in sizes)])
        order = np.argsort(words, kind="stable")
        self._words, self._at = words[order], Located(numbers[order], rows[order])

    def drop(self, shard: int) -> None:
        """Forget what lies in one shard."""
        kept = self._at.shards != shard
        self._words, self._at = self._words[kept], Located(self._at.shards[kept], self._at.rows[kept])

    def find(self, keys: Keys) -> Located:
        """Return where the vectors of `keys` [n, length] lie; of a key that stands twice the shard that came first."""
        if not len(self):
            return Located.nowhere(len(keys))
        words = _words(keys)
        order = np.argsort(words)  # looking up in ascending order is several times faster than sorting takes
        places = np.empty(len(words), dtype=np.int64)
        places[order] = np.minimum(np.searchsorted(self._words, words[order]), len(self) - 1)
        found = self._words[places] == words
        shards = np.where(found, self._at.shards[places], np.int32(-1))
        return Located(shards, np.where(found, self._at.rows[places], np.int32(0)))


def _words(keys: Keys) -> npt.NDArray[np.bytes_]:
    """Return [n] fixed-width bytes, which numpy sorts and compares whole: zero bytes at their end count."""
    return np.ascontiguousarray(keys).view(f"S{keys.shape[1]}")[:, 0]
