"""Reading the products of one tile: the limits that they teach, and the pairs that no filter may drop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Floats, Rows
from mbench.retrieval.blocks import Panels, survivors_of_blocks
from mbench.retrieval.excluded import Excluded
from mbench.retrieval.filters import Filter
from mbench.retrieval.int8 import EXCLUDED, pair_products, products, reaching
from mbench.retrieval.path import run_length
from mbench.retrieval.pool import Found, Pool
from mbench.retrieval.rounded import Rounded
from mbench.retrieval.survivors import Survivors, kth_largest, survivors
from mbench.retrieval.workers import Room

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mbench.retrieval.tiles import Tile

LIKELY = 0.25
"""Where between its bounds a guess lies: rounding hardly ever moves a score half as far from their middle as it may.

At their middle, half of the queries would be guessed too high where many candidates are equal.
"""


@dataclass(frozen=True, slots=True)
class Look:
    """Some queries, `part` of their block, and the tile of `candidates` that they look at.

    `rounded` are both in int8, where a look in it comes first. A look with a `rank` makes the guess: it is the score of
    that rank in the tile.
    """

    part: slice
    candidates: Rows
    tile: Tile
    chosen: Filter
    rounded: Rounded | None = None
    rank: int = 0


@dataclass
class Looking:
    """What the looks of one block of queries share: `guess` [n_q] is where the k-th best score of a query may be."""

    pool: Pool
    k: int
    excluded: Excluded
    room: Room
    guess: Floats

    def found(self, look: Look, most: int) -> Found | None:
        """Return the survivors, None if more than `most` a query; limits are raised from the products where that pays.

        How many survive is only known after looking, so a first look gives up early.
        """
        error = look.chosen.error(look.tile)
        few = None if look.rounded is None else self._coarsely(look, look.rounded, error)
        if few is None:
            few = self._finely(look, error, most * len(look.chosen.queries))
        return None if few is None else self._bounded(look, few, error)

    def found_in_blocks(self, look: Look, panels: Panels, most: int) -> Found | None:
        """Return what survives of a look of all queries, in compiled blocks; None if that is more than `most` pairs."""
        error = look.chosen.error(look.tile)
        limits = look.chosen.limits(self._low(look.part), error)
        few = None if np.isinf(look.tile.norm) else survivors_of_blocks(look.tile, panels, limits, most, self.room)
        panels.trial.note(few is not None)
        if few is None:
            return None
        rows, columns = self.excluded.within(look.part, look.candidates)
        if len(rows):
            n = len(look.chosen.queries)
            few = few.take(~np.isin(few.candidates * n + few.queries, columns * n + rows))
        return self._bounded(look, few, error)

    @staticmethod
    def _bounded(look: Look, few: Survivors, error: Floats) -> Found:
        lower, upper = look.chosen.bounds(few.values, error, few.queries)
        return Found(few.queries + look.part.start, look.candidates[few.candidates], lower, upper)

    def raise_guess(self, rank: int, seen: int) -> None:
        """Guess anew, from all that survived in the samples so far, of `seen` rows."""
        length = run_length(rank, seen)
        if length:
            np.maximum(self.guess, self.pool.best_of_runs(length, rank), out=self.guess)

    def _coarsely(self, look: Look, rounded: Rounded, error: Floats) -> Survivors | None:
        """Return what survives a look in int8 and then float32 products of single pairs; None if the former is much."""
        import torch

        out = self._room(look, torch.int32)
        products(rounded.tile.vectors, rounded.queries.vectors, out)
        self._exclude(look, out, EXCLUDED)
        # A limit of NaN would drop everything; it becomes one that keeps everything.
        limits = np.fmax(look.chosen.limits(self._low(look.part), error), -np.inf)
        pairs = reaching(out, rounded.queries.limits(rounded.tile, limits), self.room)
        rounded.trial.note(pairs is not None)
        if pairs is None:
            return None
        rows, columns = pairs
        values = pair_products(look.tile.vectors, look.chosen.queries, rows, columns)
        kept = np.flatnonzero(values >= limits[columns])
        return Survivors(rows[kept], columns[kept], values[kept])

    def _finely(self, look: Look, error: Floats, most: int) -> Survivors | None:
        products, few = self._products(look), None
        if (self._low(look.part) > -np.inf).any():
            few = survivors(products, look.chosen.limits(self._low(look.part), error), most // 2)
        if few is None:
            self._learn(look, products, error)
            few = survivors(products, look.chosen.limits(self._low(look.part), error), most)
        return few

    def _products(self, look: Look) -> Tensor:
        """Return [candidates, queries], with -inf for the excluded pairs. (This way round the factors need no copy.)"""
        import torch

        out = self._room(look, look.tile.vectors.dtype)
        torch.mm(look.tile.vectors, look.chosen.queries.T, out=out)
        self._exclude(look, out, -torch.inf)
        return out

    def _room(self, look: Look, dtype: torch.dtype) -> Tensor:
        vectors = look.tile.vectors
        return self.room.take("products", (len(vectors), len(look.chosen.queries)), dtype, str(vectors.device))

    def _exclude(self, look: Look, products: Tensor, lowest: float) -> None:
        import torch

        rows, columns = self.excluded.within(look.part, look.candidates)
        if len(rows):
            products[torch.from_numpy(columns), torch.from_numpy(rows)] = lowest

    def _low(self, part: slice) -> Floats:
        """Return the scores below which candidates of the queries in `part` are dropped."""
        low: Floats = np.maximum(self.pool.low[part], self.guess[part])
        return low

    def _learn(self, look: Look, products: Tensor, error: Floats) -> None:
        """Raise the limits to the k-th best of these products, and the guess to the best of a run of this rank."""
        every = np.arange(products.shape[1])
        if len(products) >= self.k:
            self.pool.raise_low(look.part, look.chosen.bounds(kth_largest(products, self.k), error, every)[0])
        length = run_length(look.rank, len(products))
        if length:
            runs = len(products) // length
            best = kth_largest(products[: runs * length].view(runs, length, -1).amax(1), look.rank)
            lower, upper = look.chosen.bounds(best, error, every)
            self.guess[look.part] = lower + LIKELY * (upper - lower)
