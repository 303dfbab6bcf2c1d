"""The pairs of a block of queries that must not be ranked, found again by query and candidate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mbench.core.types import Rows, Sets
from mbench.retrieval.exact import pair_keys


@dataclass(frozen=True, slots=True)
class Excluded:
    """Pairs that must not be ranked, sorted by candidate; `most` is the largest number that a query has."""

    queries: Rows
    candidates: Rows
    most: int

    @staticmethod
    def among(sets: Sets | None, part: slice, n: int) -> Excluded:
        """Return the distinct pairs that `sets` holds for the queries of `part`; the corpus has `n` rows."""
        keys = np.zeros(0, dtype=np.int64) if sets is None else pair_keys(sets, part, n)
        queries, candidates = np.divmod(keys, n)
        order = np.argsort(candidates, kind="stable")
        return Excluded(queries[order], candidates[order], int(np.bincount(queries).max(initial=0)))

    def within(self, part: slice, candidates: Rows) -> tuple[Rows, Rows]:
        """Return the pairs among the queries of `part` and the sorted `candidates`, as positions in both."""
        if not len(self.candidates):
            return self.queries, self.candidates
        low, high = np.searchsorted(self.candidates, [candidates[0], candidates[-1] + 1])
        queries, excluded = self.queries[low:high], self.candidates[low:high]
        columns = np.searchsorted(candidates, excluded)
        mine = (queries >= part.start) & (queries < part.stop) & (candidates[columns] == excluded)
        return queries[mine] - part.start, columns[mine]

    def of(self, queries: Rows) -> Excluded:
        """Return the pairs of the ascending `queries` alone, which are counted anew."""
        mine = np.isin(self.queries, queries)
        return Excluded(np.searchsorted(queries, self.queries[mine]), self.candidates[mine], self.most)
