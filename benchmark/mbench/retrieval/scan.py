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

from mbench.core.types import Rows, Vectors
from mbench.retrieval.filters import Filter, Precision, kth_largest, load_tile, survivors
from mbench.retrieval.pairs import Corpus, Scored, TieOrder, place_in_query, read_rows
from mbench.retrieval.plan import Plan
from mbench.retrieval.pool import Found, Pool, Scorer
from mbench.retrieval.workers import run_all

if TYPE_CHECKING:
    from torch import Tensor


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
    device: str
    scorer: Scorer
    pool: Pool = field(init=False)
    filters: list[Filter] = field(init=False)

    def __post_init__(self) -> None:
        self.pool = Pool(len(self.queries), self.k, self.ties, self.scorer)
        self.filters = [Filter.of(self.queries, level, self.device) for level in self.levels]

    def run(self) -> Scored:
        """Return the first k pairs of each query."""
        run_all(self._tile, range(0, len(self.corpus), self.plan.tile), self.plan.workers)
        return self.pool.finish()

    def _tile(self, start: int) -> None:
        candidates = np.arange(start, min(start + self.plan.tile, len(self.corpus)))
        self._filter(0, slice(0, len(self.queries)), candidates)

    def _filter(self, level: int, part: slice, candidates: Rows) -> None:
        """Pool the survivors among `candidates` of the queries in `part`."""
        width = max(1, self.plan.tile * self.levels[0].bytes // self.levels[level].bytes)
        for left in range(0, len(candidates), width):
            some = candidates[left : left + width]
            tile = load_tile(self.corpus, some, self.levels[level], self.device)
            if not tile.safe and level + 1 < len(self.levels):
                self._filter(level + 1, part, some)
                continue
            products = self._products(self.filters[level].queries[part], tile.vectors, part, some)
            for dense in self._look(level, part, some, products, tile.norm):
                self._sharper(level, dense, some)

    def _products(self, queries: Tensor, vectors: Tensor, part: slice, candidates: Rows) -> Tensor:
        """Multiply, and set the excluded pairs to -inf."""
        import torch

        products = queries @ vectors.T
        rows, columns = self.excluded.within(part, candidates)
        if len(rows):
            products[torch.from_numpy(rows), torch.from_numpy(columns)] = -torch.inf
        return products

    def _look(self, level: int, part: slice, candidates: Rows, products: Tensor, norm: float) -> list[slice]:
        """Pool what survives, some queries at a time; return the queries of which too much does."""
        dense: list[slice] = []
        step = max(1, self.plan.scanned // products.shape[1])
        for first in range(0, len(products), step):
            queries = slice(part.start + first, min(part.start + first + step, part.stop))
            found = self._found(level, queries, candidates, products[first : first + step], norm)
            crowded = len(found.queries) > self._bearable(products[first : first + step])
            if crowded and (level + 1 < len(self.levels)):
                joins = dense and dense[-1].stop == queries.start
                dense[-1:] = [slice(dense[-1].start, queries.stop)] if joins else [*dense[-1:], queries]
            else:
                self.pool.add(found)
        return dense

    def _bearable(self, products: Tensor) -> int:
        """Return how many survivors are few enough to be pooled: twice the result, or a sixteenth of all."""
        return max(2 * self.k * len(products), products.numel() // 16)

    def _found(self, level: int, part: slice, candidates: Rows, products: Tensor, norm: float) -> Found:
        """Return the survivors; the limits are raised from these very products where that is worth it."""
        chosen = self.filters[level].select(part)
        error = chosen.error(norm)
        rows, columns, values = survivors(products, self.pool.low[part] / chosen.scale - error)
        if len(rows) > self._bearable(products) // 2 and products.shape[1] >= self.k:
            self.pool.raise_low(part, chosen.bounds(kth_largest(products, self.k), error)[0])
            rows, columns, values = survivors(products, self.pool.low[part] / chosen.scale - error)
        lower, upper = chosen.select(rows).bounds(values, error[rows])
        return Found(rows + part.start, candidates[columns], lower, upper)

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
