"""A look in int8 before the float32 product: on processors without bfloat16 units it costs half of that, or a quarter.

Candidates and queries become small whole numbers times a unit: c' with one unit for each few neighbours, q' with one
for each query. In the terms of the filters' proof (retrieval/filters.py)

    |q.(c - m) - q'.c'|  <=  |q| |c - m - c'| + |q - q'| |c'|  <=  |q| R + |q - q'| (N + R)

where R is the largest |c - m - c'| of these neighbours, and |c'| <= N + R. Cauchy-Schwarz takes rounding errors for
aligned that hardly ever are, so some percent of random candidates survive, where a few in a thousand survive other
filters. The survivors are multiplied in float32, pair by pair, in rows that are still in the processor's cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Floats, Vectors
from mbench.retrieval.filters import FP32, Filter
from mbench.retrieval.int8 import EXCLUDED, LARGEST, Counts, largest_pairs, most_of_pair, padded
from mbench.retrieval.search_loops import rounded_blocks
from mbench.retrieval.survivors import BLOCK
from mbench.retrieval.tiles import Tile, widened
from mbench.retrieval.workers import Room

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 2.0**-100
"""A unit of candidates, at least: a smaller one might have no reciprocal."""
MEASURING = 2.0**-22
"""What measuring a residual in float32 may hide, times the norm."""


@dataclass(frozen=True, slots=True)
class RoundedTile:
    """A float32 tile in int8: `vectors` [n, padded d], and `units` and `residuals` (R) of each BLOCK neighbours."""

    vectors: Tensor
    units: Floats
    residuals: Floats
    norm: float

    @staticmethod
    def of(tile: Tile, room: Room) -> RoundedTile:
        """Round the rows of `tile`, a multiple of BLOCK, in the memory of `room`."""
        import torch

        n, dimension = tile.vectors.shape
        vectors = room.take("tile in int8", (n, padded(dimension)), torch.int8)
        vectors[:, dimension:] = 0
        units, residuals = (np.empty(n // BLOCK, dtype=np.float32) for _ in range(2))
        if room.loops:
            smallest = np.float32(SMALLEST)
            rounded_blocks(tile.vectors.numpy(), np.float32(LARGEST), smallest, vectors.numpy(), units, residuals)
        else:
            _round_blocks(tile.vectors, vectors[:, :dimension], units, residuals, room)
        most = widened(residuals.astype(np.float64), dimension, FP32) + MEASURING * tile.norm
        return RoundedTile(vectors, units.astype(np.float64), most, tile.norm)


def _round_blocks(rows: Tensor, found: Tensor, units: Vectors, residuals: Vectors, room: Room) -> None:
    """Do what `rounded_blocks` does where nothing can be compiled."""
    import torch

    n, dimension = rows.shape
    wide = room.take("wide", (room.rows, dimension), torch.float32)
    for start in range(0, n, room.rows):
        part = slice(start, min(start + room.rows, n))
        blocks = slice(start // BLOCK, part.stop // BLOCK)
        some, lost = rows[part], wide[: part.stop - start]
        largest = torch.abs(some, out=lost).view(-1, BLOCK * dimension).amax(1)
        unit = largest.div_(LARGEST).clamp_(min=SMALLEST)
        units[blocks] = unit.numpy()
        unit = unit.repeat_interleave(BLOCK)[:, None]
        found[part].copy_(torch.mul(some, 1 / unit, out=lost).round_())
        torch.addcmul(some, lost, unit, value=-1, out=lost)
        residuals[blocks] = torch.linalg.vector_norm(lost, dim=1).view(-1, BLOCK).amax(1).numpy()


@dataclass(frozen=True, slots=True)
class RoundedQueries:
    """Queries of a float32 filter in int8: `vectors` [n_q, padded d]; `units`, `norms` and `residuals` [n_q].

    The latter are |q| and |q - q'|.
    """

    vectors: Tensor
    units: Floats
    norms: Floats
    residuals: Floats

    @staticmethod
    def of(chosen: Filter) -> RoundedQueries:
        """Round the queries of `chosen` and measure what that loses."""
        import torch

        exact = chosen.queries.double().numpy()
        dimension = exact.shape[1]
        most = most_of_pair(padded(dimension))
        units = np.maximum(np.abs(exact).max(axis=1) / LARGEST, largest_pairs(exact) / (most - 1))
        units[units == 0] = 1.0
        rounded = np.rint(exact / units[:, None])
        residuals = chosen.residuals + np.linalg.norm(exact - rounded * units[:, None], axis=1)
        vectors = np.pad(rounded.astype(np.int8), ((0, 0), (0, padded(dimension) - dimension)))
        return RoundedQueries(torch.from_numpy(vectors), units, chosen.norms, residuals)

    def select(self, part: slice) -> RoundedQueries:
        """Return some of the queries."""
        return RoundedQueries(self.vectors[part], self.units[part], self.norms[part], self.residuals[part])

    def limits(self, tile: RoundedTile, limits: Floats) -> Counts:
        """Return [blocks, n_q]: below these products a candidate is below the float32 filter's `limits`."""
        fixed = (limits - self.residuals * tile.norm) / self.units
        growing = (self.norms + self.residuals) / self.units
        found = np.outer(1 / tile.units, fixed)
        found -= np.outer(tile.residuals / tile.units, growing)
        # One less than the arithmetic says, for its own rounding; and none as low as what marks excluded pairs.
        np.floor(found, out=found)
        found -= 1
        np.clip(found, EXCLUDED + 1, -(EXCLUDED + 1), out=found)
        return found.astype(np.int32)


@dataclass
class Trial:
    """Whether looking in int8, or in blocks, pays: how often few enough pairs survived, and how often too many."""

    won: int = 0
    lost: int = 0

    def note(self, few: bool) -> None:
        """Take notice of one look. (Threads may miss one another's; nothing but time depends on it.)"""
        self.won += few
        self.lost += not few

    @property
    def pays(self) -> bool:
        """Tell whether to go on: a look in vain costs as much as two others save."""
        return self.lost <= 2 + self.won // 2


@dataclass(frozen=True, slots=True)
class Rounded:
    """Queries and a tile in int8, and the trial that a look at them belongs to."""

    queries: RoundedQueries
    tile: RoundedTile
    trial: Trial

    def select(self, part: slice) -> Rounded:
        """Return some of the queries and the tile."""
        return Rounded(self.queries.select(part), self.tile, self.trial)
