"""Which places of a ranking hold a candidate that is relevant to its query: the look-up under all metrics.

Where every query has few relevant candidates, each of them is compared with the whole ranking. Else query and candidate
make one key: a table of the relevant keys' last bits passes over nearly all places, the sorted keys decide on the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mbench.core.types import Rows, Sets

CELLS_AT_ONCE = 100_000
"""How many places of a ranking are looked up at a time: few enough to stay in the processor's cache."""
FEW = 16
"""Relevant candidates of a query up to which comparing is the faster way."""
TABLE = 1 << 23
"""Size of the table of relevant keys: 8 MB, mostly empty even for some hundred thousand of them."""
NOBODY = -2
"""No row of a ranking, where -1 stands for none."""


@dataclass(frozen=True, slots=True)
class Places:
    """Places that hold a relevant candidate, by query, then rank: `query` row, `rank` from 1, `relevant` position in
    the rows of the sets. All arrays have the same length.
    """

    query: Rows
    rank: Rows
    relevant: Rows


def look_up(ids: Rows, relevant: Sets) -> Places:
    """Return every place of `ids` [n_q, depth] that is relevant to its query; a row named twice counts as its first."""
    keys = _Keys(relevant, 2 + int(max(ids.max(initial=-1), relevant.rows.max(initial=-1))) | 1)
    step = max(1, CELLS_AT_ONCE // max(1, ids.shape[1]))
    found = [np.zeros((3, 0), dtype=np.int64)]
    for start in range(0, len(ids), step):
        part = slice(start, min(start + step, len(ids)))
        few = not keys.repeated and relevant.sizes()[part].max(initial=0) <= FEW
        query, column, place = _compare(ids[part], relevant, part) if few else keys.find(ids[part], part)
        found.append(np.stack([query + start, column + 1, place]))
    return Places(*np.concatenate(found, axis=1))


def _compare(ids: Rows, relevant: Sets, part: slice) -> npt.NDArray[np.int64]:
    """Return [3, found]: query (from 0), column and position, comparing the n-th relevant of all queries at once."""
    starts, sizes = relevant.starts[part], relevant.sizes()[part]
    cells, places = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for nth in range(sizes.max(initial=0)):
        place = np.where(sizes > nth, starts + nth, 0)
        wanted = np.where(sizes > nth, relevant.rows[place], NOBODY)
        cells.append(np.flatnonzero(ids == wanted[:, None]))
        places.append(place[cells[-1] // ids.shape[1]])
    cell = np.concatenate(cells)
    order = np.argsort(cell, kind="stable")
    return np.stack([*np.divmod(cell[order], max(1, ids.shape[1])), np.concatenate(places)[order]])


@dataclass(frozen=True)
class _Keys:
    """The relevant pairs as numbers, query * stride + row. The stride is odd, so that the last bits tell queries apart,
    and leaves room for -1.
    """

    relevant: Sets
    stride: int

    @cached_property
    def keys(self) -> Rows:
        """Return the keys in the order of the sets' rows."""
        queries = np.repeat(np.arange(len(self.relevant)), self.relevant.sizes())
        return queries * self.stride + self.relevant.rows

    @cached_property
    def order(self) -> Rows:
        """Return the positions in which the keys ascend."""
        return np.argsort(self.keys, kind="stable")

    @cached_property
    def ascending(self) -> Rows:
        """Return the sorted keys, and one that is larger than all."""
        return np.append(self.keys[self.order], np.iinfo(np.int64).max)

    @cached_property
    def repeated(self) -> bool:
        """Return whether a query names a row twice."""
        return bool((np.diff(self.ascending) == 0).any())

    @cached_property
    def likely(self) -> npt.NDArray[np.bool_]:
        """Return the table of the keys' last bits."""
        table = np.zeros(TABLE, dtype=np.bool_)
        table[self.keys & (TABLE - 1)] = True
        return table

    def find(self, ids: Rows, part: slice) -> npt.NDArray[np.int64]:
        """Return [3, found]: query (from 0), column and position."""
        asked = ids + np.arange(part.start, part.stop)[:, None] * self.stride
        query, column = np.nonzero(self.likely[asked & (TABLE - 1)])
        key = asked[query, column]
        place = np.searchsorted(self.ascending, key)
        right = self.ascending[place] == key
        return np.stack([query[right], column[right], self.order[place[right]]])
