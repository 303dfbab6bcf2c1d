"""The scan of the whole corpus for one block of queries: tile after tile, from the cheap filter to the sharp ones.

A tile is multiplied with all queries in the cheapest format. Where too many candidates of some queries survive, the
limit is first raised from the tile itself (the k-th best of a tile is a lower bound too), and what is still too much
goes to the next, sharper format. What the sharpest leaves is scored exactly by the pool. A tile of copies of a few
vectors is not filtered: the few are scored, and of each group only the k that win ties are pooled.

What a sample of the corpus proves about the k-th best score is far below what it tells: `guess` is where that score
probably is, and what lies below it is dropped as well. At the end k candidates of a query must reach its guess, for
then nothing below it mattered. The few queries that were guessed too high are searched once more, without a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Floats, Rows, Vectors
from mbench.retrieval.copies import groups_of_copies, winners
from mbench.retrieval.excluded import Excluded
from mbench.retrieval.filters import Filter, Precision
from mbench.retrieval.pairs import Scored, TieOrder
from mbench.retrieval.path import RUN, Path
from mbench.retrieval.plan import FIRST, Plan, bearable
from mbench.retrieval.pool import Found, Pool, Scorer
from mbench.retrieval.survivors import kth_largest, survivors
from mbench.retrieval.tiles import Tile, Tiles
from mbench.retrieval.workers import Room, give_back, run_all

if TYPE_CHECKING:
    from torch import Tensor

SAMPLED = 128
"""Candidates, times k, that make the first tile."""


def parts(whole: slice, size: int) -> list[slice]:
    """Cut `whole` into slices of about the same size and at most `size`, or 1 where that is 0."""
    n = whole.stop - whole.start
    even = -(-n // max(-(-n // max(size, 1)), 1))
    return [slice(a, min(a + even, whole.stop)) for a in range(whole.start, whole.stop, max(even, 1))]


@dataclass
class Scan:
    """One block of queries against the corpus. `levels` are the formats to try, from cheap to sharp."""

    queries: Vectors
    tiles: Tiles
    k: int
    ties: TieOrder
    excluded: Excluded
    levels: tuple[Precision, ...]
    plan: Plan
    scorer: Scorer
    guessing: bool = True
    pool: Pool = field(init=False)
    filters: dict[int, Filter] = field(init=False, default_factory=dict)
    room: Room = field(init=False)
    guess: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.pool = Pool(len(self.queries), self.k, self.ties, self.scorer)
        self.guess = np.full(len(self.queries), -np.inf)
        self.room = Room(self.plan.workers, self.tiles.device)

    def run(self) -> Scored:
        """Return the first k pairs of each query."""
        width = self._width(0)
        path = Path(len(self.tiles.corpus), min(max(SAMPLED * self.k, width), FIRST * width))
        self._first(path.sample(), path.guess_rank(self.k) if self.guessing else 0)
        run_all(
            lambda tile: self._filter(
                0, self._everyone, np.concatenate([np.arange(piece.start, piece.stop) for piece in tile])
            ),
            path.tiles(width),
            self.plan.workers,
        )
        best = self.pool.finish()
        missed = np.flatnonzero(self.pool.low < self.guess)
        return best if not len(missed) else self._again(best, missed)

    def _again(self, best: Scored, missed: Rows) -> Scored:
        """Replace what was found for the queries `missed`, whose guess was too high, by what they have without one.

        Some memory of the first scan is still held, so the second takes less than its share.
        """
        self.filters.clear()
        give_back()
        scan = replace(
            self,
            queries=self.queries[missed],
            excluded=self.excluded.of(missed),
            plan=replace(self.plan, look=self.plan.look // 2),
            scorer=lambda queries, candidates: self.scorer(missed[queries], candidates),
            guessing=False,
        )
        scan.room = self.room
        found, right = scan.run(), ~np.isin(best.queries, missed)
        give_back()
        queries = np.concatenate([best.queries[right], missed[found.queries]])
        order = np.argsort(queries, kind="stable")
        candidates = np.concatenate([best.candidates[right], found.candidates])
        return Scored(queries[order], candidates[order], np.concatenate([best.scores[right], found.scores])[order])

    @property
    def _everyone(self) -> slice:
        return slice(0, len(self.queries))

    def _first(self, candidates: Rows, rank: int) -> None:
        """Look at candidates from all over the corpus, each thread for other queries: all later limits build on it.

        The guess is the score of rank `rank` among them; 0 to make none.
        """
        dense = self._first_look(candidates, rank)
        run_all(lambda part: self._sharper(0, part, candidates), dense, self.plan.workers)

    def _first_look(self, candidates: Rows, rank: int) -> list[slice]:
        """Return the queries of which too much survives; the large tile is let go before sharper ones are loaded."""
        tile = self.tiles.load(candidates, self._at(0), Room(device=self.tiles.device))
        dense: list[slice] = []
        shares = parts(self._everyone, -(-len(self.queries) // self.plan.workers))
        if np.isinf(tile.norm):
            return shares

        def look(part: slice) -> None:
            dense.extend(self._look(0, part, candidates, tile, rank))

        run_all(look, shares, self.plan.workers)
        return dense

    def _at(self, level: int) -> Filter:
        """Return the filter of a level; the sharp ones are seldom needed."""
        if level not in self.filters:
            self.filters[level] = Filter.of(self.queries, self.levels[level], self.tiles.centre, self.tiles.device)
        return self.filters[level]

    def _width(self, level: int) -> int:
        """Return how many rows of the corpus fill a tile."""
        return self.plan.width(self.levels[level])

    def _filter(self, level: int, part: slice, candidates: Rows) -> None:
        """Pool the survivors among `candidates` of the queries in `part`."""
        chosen, width = self._at(level), self._width(level)
        for left in range(0, len(candidates), width):
            some = candidates[left : left + width]
            tile = self.tiles.load(some, chosen, self.room)
            if np.isinf(tile.norm):
                self._filter(level + 1, part, some)
                continue
            for dense in self._look(level, part, some, tile):
                self._sharper(level, dense, some)

    def _look(self, level: int, part: slice, candidates: Rows, tile: Tile, rank: int = 0) -> list[slice]:
        """Multiply and pool what survives, some queries at a time; return the queries of which too much does."""
        dense: list[slice] = []
        for queries in parts(part, self.plan.looked(self.levels[level]) // len(candidates)):
            found = self._found(level, queries, candidates, tile, bearable(self.k, len(candidates)), rank)
            if found is not None:
                self.pool.add(found)
            elif dense and dense[-1].stop == queries.start:
                dense[-1] = slice(dense[-1].start, queries.stop)
            else:
                dense.append(queries)
        return dense

    def _found(self, level: int, part: slice, candidates: Rows, tile: Tile, most: int, rank: int = 0) -> Found | None:
        """Return the survivors, None if more than `most` a query; limits are raised from the products where that pays.

        How many survive is only known after looking, so a first look gives up early.
        """
        chosen = self._at(level).select(part)
        products, error = self._products(chosen.queries, tile.vectors, part, candidates), chosen.error(tile)
        most *= products.shape[1]
        few = None
        if (self._low(part) > -np.inf).any():
            few = survivors(products, chosen.limits(self._low(part), error), most // 2)
        if few is None:
            self._learn(chosen, part, products, error, rank)
            few = survivors(products, chosen.limits(self._low(part), error), most)
        if few is None:
            return None
        lower, upper = chosen.bounds(few.values, error, few.queries)
        return Found(few.queries + part.start, candidates[few.candidates], lower, upper)

    def _products(self, queries: Tensor, vectors: Tensor, part: slice, candidates: Rows) -> Tensor:
        """Return [candidates, queries], with -inf for the excluded pairs. (This way round the factors need no copy.)"""
        import torch

        out = self.room.take("products", (len(vectors), len(queries)), vectors.dtype, self.tiles.device)
        products = torch.mm(vectors, queries.T, out=out)
        rows, columns = self.excluded.within(part, candidates)
        if len(rows):
            products[torch.from_numpy(columns), torch.from_numpy(rows)] = -torch.inf
        return products

    def _low(self, part: slice) -> Floats:
        """Return the scores below which candidates of the queries in `part` are dropped."""
        low: Floats = np.maximum(self.pool.low[part], self.guess[part])
        return low

    def _learn(self, chosen: Filter, part: slice, products: Tensor, error: Floats, rank: int) -> None:
        """Raise the limits to the k-th best of these products, and the guess to the best of a run of rank `rank`."""
        every = np.arange(products.shape[1])
        if len(products) >= self.k:
            self.pool.raise_low(part, chosen.bounds(kth_largest(products, self.k), error, every)[0])
        runs = len(products) // RUN
        if 0 < 2 * rank <= runs:
            best = kth_largest(products[: runs * RUN].view(runs, RUN, -1).amax(1), rank)
            self.guess[part] = chosen.bounds(best, error, every)[0]

    def _sharper(self, level: int, part: slice, candidates: Rows) -> None:
        """Where most candidates are copies of a few vectors, score those few exactly; else go to the next format."""
        groups = groups_of_copies(self.tiles.corpus, candidates)
        if groups is not None:
            kept = winners(groups, candidates, self.ties, self.k + self.excluded.most)
            for queries in parts(part, self.plan.dense // len(kept)):
                self._score_copies(queries, candidates[kept], groups[kept])
        elif level + 1 < len(self.levels):
            self._filter(level + 1, part, candidates)
        else:
            self._accept(level, part, candidates)

    def _accept(self, level: int, part: slice, candidates: Rows) -> None:
        """Pool what survives even the sharpest filter, however much it is."""
        tile = self.tiles.load(candidates, self._at(level), self.room)
        for queries in parts(part, self.plan.dense // len(candidates)):
            found = self._found(level, queries, candidates, tile, most=2 * len(candidates))
            if found is not None:
                self.pool.add(found)

    def _score_copies(self, part: slice, candidates: Rows, groups: Rows) -> None:
        """Pool candidates with exact scores, of which only one of each group is computed."""
        _, firsts, groups = np.unique(groups, return_index=True, return_inverse=True)
        queries = np.arange(part.start, part.stop)
        scores = self.scorer(queries.repeat(len(firsts)), np.tile(candidates[firsts], len(queries)))
        every = scores.reshape(len(queries), -1)[:, groups]
        every[self.excluded.within(part, candidates)] = -np.inf
        rows, columns = np.nonzero((every >= self.pool.low[part, None]) & (every > -np.inf))
        found = every[rows, columns]
        self.pool.add(Found(queries[rows], candidates[columns], found, found))
