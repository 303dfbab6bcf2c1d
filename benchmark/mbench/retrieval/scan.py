"""The scan of the whole corpus for one block of queries: tile after tile, from the cheap filter to the sharp ones.

A tile is multiplied with all queries in the cheapest format. Where too many candidates of some queries survive, the
limit is first raised from the tile itself (the k-th best of a tile is a lower bound too), then surplus copies of
identical rows are left out (of equal rows only the k that win ties can be among the k best), and what is still too
much goes to the next, sharper format. What the sharpest leaves is scored exactly by the pool.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Floats, Rows, Vectors
from mbench.retrieval.filters import Filter, Precision, Tile, load_tile
from mbench.retrieval.pairs import Scored, TieOrder, place_in_query
from mbench.retrieval.plan import Plan
from mbench.retrieval.pool import Found, Pool, Scorer
from mbench.retrieval.survivors import kth_largest, survivors
from mbench.retrieval.vectors import Corpus, read_rows, spread
from mbench.retrieval.workers import run_all

if TYPE_CHECKING:
    from torch import Tensor

SAMPLED = 128
"""Candidates, times k, from which limits are learnt before the scan,"""
SAMPLED_SHARE = 8
"""or this part of the corpus where that is less; in any case four tiles at most."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """Pairs that must not be ranked, sorted by candidate; `most` is the largest number that a query has."""

    queries: Rows
    candidates: Rows
    most: int

    def within(self, part: slice, candidates: Rows) -> tuple[Rows, Rows]:
        """Return the pairs among the queries of `part` and the sorted `candidates`, as positions in both."""
        low, high = np.searchsorted(self.candidates, [candidates[0], candidates[-1] + 1])
        queries, excluded = self.queries[low:high], self.candidates[low:high]
        columns = np.searchsorted(candidates, excluded)
        mine = (queries >= part.start) & (queries < part.stop) & (candidates[columns] == excluded)
        return queries[mine] - part.start, columns[mine]


@dataclass
class Scan:
    """One block of queries against the corpus. `levels` are the formats to try, from cheap to sharp."""

    queries: Vectors
    corpus: Corpus
    k: int
    ties: TieOrder
    excluded: Excluded
    levels: tuple[Precision, ...]
    plan: Plan
    centre: Vectors | None
    device: str
    scorer: Scorer
    pool: Pool = field(init=False)
    filters: list[Filter] = field(init=False)

    def __post_init__(self) -> None:
        self.pool = Pool(len(self.queries), self.k, self.ties, self.scorer)
        self.filters = [Filter.of(self.queries, level, self.centre, self.device) for level in self.levels]

    def run(self) -> Scored:
        """Return the first k pairs of each query."""
        self._sample()
        run_all(self._tile, range(0, len(self.corpus), self.plan.tile), self.plan.workers)
        return self.pool.finish()

    def _sample(self) -> None:
        """Learn limits from candidates all over the corpus, so that the first tiles need not be pooled whole."""
        size = min(SAMPLED * self.k, len(self.corpus) // SAMPLED_SHARE, 4 * self.plan.tile)
        if size < self.k:
            return
        candidates = spread(len(self.corpus), size)
        first = self.filters[0]
        tile = load_tile(self.corpus, candidates, self.levels[0], first.centre, self.device)

        def learn(start: int) -> None:
            part = slice(start, min(start + step, len(self.queries)))
            chosen = first.select(part)
            products = self._products(chosen.queries, tile.vectors, part, candidates)
            self._learn(chosen, part, products, chosen.error(tile))

        step = max(1, self.plan.scanned // size)
        if not np.isinf(tile.norm):
            run_all(learn, range(0, len(self.queries), step), self.plan.workers)

    def _tile(self, start: int) -> None:
        candidates = np.arange(start, min(start + self.plan.tile, len(self.corpus)))
        self._filter(0, slice(0, len(self.queries)), candidates)

    def _filter(self, level: int, part: slice, candidates: Rows) -> None:
        """Pool the survivors among `candidates` of the queries in `part`."""
        width = max(1, self.plan.tile * self.levels[0].bytes // self.levels[level].bytes)
        for left in range(0, len(candidates), width):
            some = candidates[left : left + width]
            tile = load_tile(self.corpus, some, self.levels[level], self.filters[level].centre, self.device)
            if np.isinf(tile.norm):
                self._filter(level + 1, part, some)
                continue
            products = self._products(self.filters[level].queries[part], tile.vectors, part, some)
            for dense in self._look(level, part, some, products, tile):
                self._sharper(level, dense, some)

    def _products(self, queries: Tensor, vectors: Tensor, part: slice, candidates: Rows) -> Tensor:
        """Return [candidates, queries], with -inf for the excluded pairs. (This way round the factors need no copy.)"""
        import torch

        products = vectors @ queries.T
        rows, columns = self.excluded.within(part, candidates)
        if len(rows):
            products[torch.from_numpy(columns), torch.from_numpy(rows)] = -torch.inf
        return products

    def _look(self, level: int, part: slice, candidates: Rows, products: Tensor, tile: Tile) -> list[slice]:
        """Pool what survives, some queries at a time; return the queries of which too much does."""
        dense: list[slice] = []
        last = level + 1 == len(self.levels)
        step = max(1, self.plan.scanned // len(products) // (16 if last else 1))
        for first in range(0, products.shape[1], step):
            queries = slice(part.start + first, min(part.start + first + step, part.stop))
            found = self._found(level, queries, candidates, products[:, first : first + step], tile)
            if found is not None:
                self.pool.add(found)
            elif dense and dense[-1].stop == queries.start:
                dense[-1] = slice(dense[-1].start, queries.stop)
            else:
                dense.append(queries)
        return dense

    def _found(self, level: int, part: slice, candidates: Rows, products: Tensor, tile: Tile) -> Found | None:
        """Return the survivors, None if they are too many; limits are raised from these products where that pays."""
        chosen = self.filters[level].select(part)
        error = chosen.error(tile)
        bearable = max(2 * self.k * products.shape[1], products.numel() // 16)
        few = survivors(products, chosen.limits(self.pool.low[part], error), bearable // 2)
        if few is None:
            self._learn(chosen, part, products, error)
            most = products.numel() if level + 1 == len(self.levels) else bearable
            few = survivors(products, chosen.limits(self.pool.low[part], error), most)
        if few is None:
            return None
        lower, upper = chosen.bounds(few.values, error, few.queries)
        return Found(few.queries + part.start, candidates[few.candidates], lower, upper)

    def _learn(self, chosen: Filter, part: slice, products: Tensor, error: Floats) -> None:
        """Raise the limits to the k-th best of these products."""
        if len(products) >= self.k:
            best = kth_largest(products, self.k)
            self.pool.raise_low(part, chosen.bounds(best, error, np.arange(len(best)))[0])

    def _sharper(self, level: int, part: slice, candidates: Rows) -> None:
        """Leave out surplus copies and try again; without any, go to the next format."""
        kept = self._without_surplus(candidates)
        self._filter(level if len(kept) < len(candidates) else level + 1, part, kept)

    def _without_surplus(self, candidates: Rows) -> Rows:
        """Return `candidates` without those that k unexcluded copies of the same row beat by tie rank."""
        vectors = np.empty((len(candidates), self.corpus.shape[1]), dtype=self.corpus.dtype)
        read_rows(self.corpus, candidates, vectors)
        names: dict[bytes, int] = {}
        groups = np.array([names.setdefault(row.tobytes(), len(names)) for row in vectors])
        order = np.lexsort((-self.ties.of(candidates), groups))
        return np.sort(candidates[order[place_in_query(groups[order]) < self.k + self.excluded.most]])
