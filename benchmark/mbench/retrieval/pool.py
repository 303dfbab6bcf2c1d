"""The candidates that may still be among the k best of their query, with bounds of their scores.

Invariant: whatever was added and is no longer here cannot be among the k best, because k candidates of the same query
beat it for certain: their lower bounds exceed its upper bound, or their exact scores and tie ranks win. `low` is the
k-th largest lower bound of a query; a candidate whose upper bound is below it may be dropped, or never be added.
When the bounds alone leave too many (dense ties), all that is left is scored exactly and cut to k a query by score
and tie rank, so the pool never outgrows its limit for long, whatever the data.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mbench.core.types import Floats, Rows
from mbench.retrieval.pairs import Scored, TieOrder, by_query, first_k

SMALLEST = 4096
"""Fewer new entries than this are not worth settling."""
AT_ONCE = 1 << 18
"""Pairs that the scorer is given at a time, whose rows are widened for it."""
CROWDED = 3
"""When bounds alone leave more than so many times the result, all that is left is scored exactly."""

Scorer = Callable[[Rows, Rows], Floats]
"""Canonical scores of pairs: (query rows, candidate rows) -> float64 [m]."""


@dataclass(frozen=True, slots=True)
class Found:
    """Pairs that a filter could not drop, with lower <= canonical score <= upper. All arrays have the same length.

    Row numbers are of any type.
    """

    queries: Rows
    candidates: Rows
    lower: Floats
    upper: Floats

    def take(self, chosen: Rows) -> Found:
        """Return the chosen entries (positions)."""
        return Found(self.queries[chosen], self.candidates[chosen], self.lower[chosen], self.upper[chosen])

    def narrow(self) -> Found:
        """Return the same with row numbers in few bytes, since millions of pairs may be held."""
        return Found(_narrow(self.queries), _narrow(self.candidates), self.lower, self.upper)

    @staticmethod
    def joined(parts: list[Found]) -> Found:
        """Return all entries of all parts."""
        columns = zip(*[(p.queries, p.candidates, p.lower, p.upper) for p in parts], strict=True)
        return Found(*(np.concatenate(column) for column in columns))

    @staticmethod
    def exactly(scored: Scored) -> Found:
        """Return scored pairs, whose bounds are their scores."""
        return Found(scored.queries, scored.candidates, scored.scores, scored.scores)


class Pool:
    """Collects what the filters leave for a block of queries; safe to add to from several threads."""

    def __init__(self, n_queries: int, k: int, ties: TieOrder, scorer: Scorer) -> None:
        self.low = np.full(n_queries, -np.inf)
        self._k, self._ties, self._scorer = k, ties, scorer
        self._result = max(k * n_queries, SMALLEST)
        self._size, self._full = 0, CROWDED * self._result
        nothing = np.zeros(0, dtype=np.int64)
        self._parts = [Found(nothing, nothing, np.zeros(0), np.zeros(0)).narrow()]
        self._lock = threading.Lock()

    def raise_low(self, queries: slice, values: Floats) -> None:
        """Take notice that k candidates of each of `queries` score at least `values`."""
        with self._lock:
            np.maximum(self.low[queries], values, out=self.low[queries])

    def add(self, found: Found) -> None:
        """Add pairs; settles when as many are new as the result holds."""
        with self._lock:
            self._parts.append(found.narrow())
            self._size += len(found.queries)
            if self._size > self._full:
                self._settle()

    def best_of_runs(self, length: int, rank: int) -> Floats:
        """Return [n_q] the lower bound of this rank among the best of each run of `length` rows; -inf if fewer."""
        with self._lock:
            found = self._drop(self._taken())
            self._parts, self._size = [found], len(found.queries)
        if not len(found.queries):
            return np.full(len(self.low), -np.inf)
        n_runs = int(found.candidates.max()) // length + 1
        runs = found.queries.astype(np.int64) * n_runs + found.candidates // length
        order = np.argsort(runs, kind="stable")
        starts = np.flatnonzero(np.diff(runs[order], prepend=-1))
        best = np.maximum.reduceat(found.lower[order], starts)
        return nth_largest(best, runs[order[starts]] // n_runs, len(self.low), rank)

    def finish(self) -> Scored:
        """Return the first k pairs of each query by canonical score and tie rank; the pool is then done with."""
        with self._lock:
            best = self._exact(self._drop(self._sharpen(self._drop(self._taken()))))
            return Scored(best.queries.astype(np.int64), best.candidates.astype(np.int64), best.scores)

    def _taken(self) -> Found:
        """Take everything out, so that nothing is held twice for long."""
        parts, self._parts = self._parts, []
        return Found.joined(parts)

    def _settle(self) -> None:
        rest = self._drop(self._taken())
        if len(rest.queries) > CROWDED * self._result:
            rest = Found.exactly(self._exact(rest))
        self._parts, self._size = [rest], len(rest.queries)
        self._full = self._size + self._result

    def _drop(self, found: Found) -> Found:
        """Raise `low` to the k-th largest lower bounds and drop what lies below; the rest is sorted by query."""
        order = by_query(found.queries)
        best = nth_largest(found.lower[order], found.queries[order], len(self.low), self._k)
        np.maximum(self.low, best, out=self.low)
        alive = found.upper >= self.low[found.queries]
        return found.take(order[alive[order]])

    def _sharpen(self, found: Found) -> Found:
        """Score the likely winners exactly, which raises `low`: those whose lower bound is among the k largest."""
        self._score(found, np.flatnonzero((found.lower >= self.low[found.queries]) & (found.lower < found.upper)))
        return found

    def _exact(self, found: Found) -> Scored:
        self._score(found, np.flatnonzero(found.lower < found.upper))
        return first_k(Scored(found.queries, found.candidates, found.lower), self._k, self._ties)

    def _score(self, found: Found, chosen: Rows) -> None:
        """Put the scores of the `chosen` entries in the place of their bounds."""
        for start in range(0, len(chosen), AT_ONCE):
            some = chosen[start : start + AT_ONCE]
            rows = (one[some].astype(np.int64) for one in (found.queries, found.candidates))
            found.lower[some] = found.upper[some] = self._scorer(*rows)


def _narrow(rows: Rows) -> Rows:
    """Return rows in the smallest type that holds them; as they are where that would be of 8 bytes, too."""
    most = int(rows.max(initial=0))
    return rows.astype(np.min_scalar_type(most)) if most < 1 << 32 else rows


def nth_largest(values: Floats, queries: Rows, n_queries: int, nth: int) -> Floats:
    """Return [n_queries] the nth largest value of each query, by which they are sorted; -inf where there are fewer.

    The values of a query change their order.
    """
    found = np.full(n_queries, -np.inf)
    stops = np.cumsum(np.bincount(queries, minlength=n_queries)).tolist()
    for query, (start, stop) in enumerate(pairwise([0, *stops])):
        if stop - start >= nth:
            values[start:stop].partition(stop - start - nth)
            found[query] = values[stop - nth]
    return found
