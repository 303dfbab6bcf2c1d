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

from mbench.core.types import Floats, Rows, Vectors
from mbench.retrieval.vectors import CACHED, Corpus, read_rows


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


def canonical_scores(queries: Vectors, corpus: Corpus, query_rows: Rows, candidate_rows: Rows) -> Floats:
    """Return float64 [m]: the canonical score of each pair. Fastest when `query_rows` is sorted."""
    import torch

    dimension, size = queries.shape[1], len(query_rows)
    wide = torch.from_numpy(queries).double()
    raw = np.zeros((CACHED, dimension), dtype=corpus.dtype)
    single = torch.zeros((CACHED, dimension), dtype=torch.float32)
    products = torch.zeros((CACHED, dimension), dtype=torch.float64)
    scores = np.empty(size)
    for first, last in _spans(query_rows):
        start = first // CACHED * CACHED
        if first == start:
            some = candidate_rows[start : start + CACHED]
            read_rows(corpus, some, raw[: len(some)])
            stored = torch.from_numpy(raw)
            products.copy_(stored if stored.dtype == torch.float32 else single.copy_(stored))
        products[first - start : last - start].mul_(wide[query_rows[first]])
        if last == min(start + CACHED, size):
            np.add.reduce(products[: last - start].numpy(), axis=1, out=scores[start:last])
    return scores


def _spans(query_rows: Rows) -> Iterator[tuple[int, int]]:
    """Cut the pairs where the query changes and where a chunk ends."""
    changes = np.flatnonzero(np.diff(query_rows)) + 1
    edges = np.union1d(np.arange(0, len(query_rows), CACHED), changes).tolist()
    return pairwise([*edges, len(query_rows)])


def first_k(pairs: Scored, k: int, ties: TieOrder) -> Scored:
    """Return the first k pairs of each query: sorted by query, then score descending, then tie rank descending."""
    order = np.argsort(-ties.of(pairs.candidates))
    order = order[np.argsort(-pairs.scores[order], kind="stable")]
    order = order[np.argsort(pairs.queries[order], kind="stable")]
    order = order[place_in_query(pairs.queries[order]) < k]
    return Scored(pairs.queries[order], pairs.candidates[order], pairs.scores[order])


def place_in_query(queries: Rows) -> Rows:
    """Return for each entry of the sorted `queries` how many entries of the same query stand before it."""
    sizes = np.bincount(queries)
    return np.arange(len(queries)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
