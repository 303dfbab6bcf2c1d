"""Canonical scores of chosen (query, candidate) pairs, and the first k candidates of each query among them.

The canonical score is the dot product of the stored values in float64. A product of two float32 values has at most 48
significant bits, so each product is exact; the products of a pair are then added in the pairwise order of numpy's sum
along a contiguous axis. That order follows from the dimension alone, hence the bits of a score do not depend on the
batch, the thread or the machine that computed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mbench.core.mapped import forget
from mbench.core.types import Floats, Rows, Vectors
from mbench.retrieval.pairwise import stretches
from mbench.retrieval.search_loops import PAIRS, Stretches, scored
from mbench.retrieval.vectors import NUMBERS, Corpus, bits_of, is_plain, read_rows

SPAN = 128
"""Pairs of one query that are scored at a time. (Few and large operations: each costs a thread a turn at the lock.)"""


@dataclass(frozen=True, slots=True)
class Scored:
    """Pairs with their canonical scores, all of the same length: `queries`, `candidates` int64 rows, `scores`."""

    queries: Rows
    candidates: Rows
    scores: Floats


@dataclass(frozen=True, slots=True)
class TieOrder:
    """Who wins between equal scores: the higher rank. `ranks` int64 [n] is a permutation; None ranks by row number."""

    ranks: Rows | None = None

    def of(self, candidates: Rows) -> Rows:
        """Return the rank of each of `candidates`."""
        return candidates if self.ranks is None else self.ranks[candidates]


SCATTERED = 4096
"""Rows from all over a mapped corpus that may be read before its pages are dropped: each comes with its neighbours."""
TOGETHER = 1 << 18
"""Pairs that are scored in order of the candidates: the queries of so many hardly fill the processor's cache."""
OFTEN = 2
"""How often a candidate must be scored for that order to pay, where it need not be widened."""


def canonical_scores(queries: Vectors, corpus: Corpus, query_rows: Rows, candidate_rows: Rows) -> Floats:
    """Return float64 [m]: the canonical score of each pair. Fastest when `query_rows` is sorted."""
    least, most = int(query_rows.min(initial=len(queries))), int(query_rows.max(initial=-1))
    wide = queries[least : most + 1].astype(np.float64, order="C")
    if NUMBERS.worth(len(query_rows) * queries.shape[1]) and is_plain(corpus):
        cuts = stretches(queries.shape[1])
        if cuts is not None:
            return _scored_in_loops(wide, corpus, query_rows - least, candidate_rows, cuts)
    return _scored(wide, corpus, query_rows - least, candidate_rows)


def _scored_in_loops(
    queries: Floats, corpus: Corpus, query_rows: Rows, candidate_rows: Rows, cuts: Stretches
) -> Floats:
    stored, lines = bits_of(corpus), np.empty((PAIRS, queries.shape[1]), dtype=np.float32)
    scores = np.empty(len(query_rows))
    for start in range(0, len(scores), TOGETHER):
        every = slice(start, start + TOGETHER)
        order = _by_candidate(candidate_rows[every], corpus)
        rows, found = (query_rows[every][order], candidate_rows[every][order]), np.empty_like(scores[every])
        for first in range(0, len(found), SCATTERED):
            part = slice(first, first + SCATTERED)
            scored(queries, stored, (rows[0][part], rows[1][part]), cuts, lines, found[part])
            forget(corpus)
        scores[every][order] = found
    return scores


def _by_candidate(candidates: Rows, corpus: Corpus) -> Rows | slice:
    """Return the order in which each candidate is read and widened once, where that pays; else all as they are.

    Single precision is scored as it lies, and in order of the queries theirs are the numbers that stay in the cache.
    """
    if corpus.dtype == np.float32 and len(candidates) < OFTEN * len(corpus):
        return slice(None)
    return np.argsort(candidates.astype(np.int32) if len(corpus) < 1 << 31 else candidates)


def _scored(queries: Floats, corpus: Corpus, query_rows: Rows, candidate_rows: Rows) -> Floats:
    import torch

    wide = torch.from_numpy(queries)
    raw = np.empty((SPAN, queries.shape[1]), dtype=corpus.dtype)
    single = np.empty(raw.shape, dtype=np.float32) if raw.dtype == np.float16 else raw
    products = np.empty(raw.shape)
    scores = np.empty(len(query_rows))
    for first, last in _spans(query_rows):
        size = last - first
        read_rows(corpus, candidate_rows[first:last], raw[:size])
        if single is not raw:
            torch.from_numpy(single[:size]).copy_(torch.from_numpy(raw[:size]))
        torch.from_numpy(products[:size]).copy_(torch.from_numpy(single[:size])).mul_(wide[query_rows[first]])
        np.add.reduce(products[:size], axis=1, out=scores[first:last])
        if last // SCATTERED > first // SCATTERED:
            forget(corpus)
    return scores


def _spans(query_rows: Rows) -> Iterator[tuple[int, int]]:
    """Cut the pairs where the query changes, and further into at most SPAN."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(query_rows)) + 1, [len(query_rows)]]).tolist()
    for start, stop in pairwise(starts):
        for first in range(start, stop, SPAN):
            yield first, min(first + SPAN, stop)


def first_k(pairs: Scored, k: int, ties: TieOrder) -> Scored:
    """Return the first k pairs of each query: sorted by query, then score descending, then tie rank descending."""
    order = np.argsort(-pairs.scores)
    order = order[by_query(pairs.queries[order])]
    same_score, same_query = np.diff(pairs.scores[order]) == 0, np.diff(pairs.queries[order]) == 0
    if (same_score & same_query).any():
        del order, same_score, same_query
        order = np.lexsort((~ties.of(pairs.candidates), -pairs.scores, pairs.queries))
    order = order[place_in_query(pairs.queries[order]) < k]
    return Scored(pairs.queries[order], pairs.candidates[order], pairs.scores[order])


def by_query(queries: Rows) -> Rows:
    """Return the stable order that sorts `queries`. (numpy sorts numbers of two bytes many times as fast.)"""
    if (queries[1:] >= queries[:-1]).all():
        return np.arange(len(queries))
    return np.argsort(queries.astype(np.uint16) if queries.max() < 1 << 16 else queries, kind="stable")


def place_in_query(queries: Rows) -> Rows:
    """Return for each entry of the sorted `queries` how many entries of the same query stand before it."""
    sizes = np.bincount(queries)
    return np.arange(len(queries)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
