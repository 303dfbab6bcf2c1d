"""Canonical scores of chosen (query, candidate) pairs, and the first k candidates of each query among them.

The canonical score is the dot product of the stored values in float64. A product of two float32 values has at most 48
significant bits, so each product is exact; the products are then added by folding the upper half of the vector onto
the lower half until one number is left. The order of the additions follows from the dimension alone, hence the bits of
a score do not depend on the batch, the thread or the machine that computed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mbench.core.types import Floats, Rows, Vectors

if TYPE_CHECKING:
    from torch import Tensor

Corpus = npt.NDArray[np.float16] | npt.NDArray[np.float32]

CHUNK = 128
"""Pairs whose products are held at a time; few enough for the processor's own cache."""


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
    raw = np.zeros((CHUNK, dimension), dtype=corpus.dtype)
    single = torch.zeros((CHUNK, dimension), dtype=torch.float32)
    products = torch.zeros((CHUNK, dimension), dtype=torch.float64)
    folds = list(_folds(products))
    scores = torch.empty(size, dtype=torch.float64)
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        read_rows(corpus, candidate_rows[start:stop], raw[: stop - start])
        products.copy_(single.copy_(torch.from_numpy(raw)))
        for first, last in _runs(query_rows[start:stop]):
            products[first:last].mul_(torch.from_numpy(queries[query_rows[start + first]]).double())
        for lower, upper in folds:
            lower.add_(upper)
        scores[start:stop] = products[: stop - start, 0]
    return scores.numpy()


def read_rows(corpus: Corpus, rows: Rows, out: Corpus) -> None:
    """Copy `rows` of the corpus to `out`; `np.take` is faster than indexing, but copies a strided corpus whole."""
    if corpus.flags.c_contiguous and corpus.flags.aligned:
        np.take(corpus, rows, axis=0, out=out, mode="clip")
    else:
        out[...] = corpus[rows]


def _folds(products: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the (lower, upper) views whose additions, in this order, leave each row's sum in its first column."""
    width = products.shape[1]
    while width > 1:
        half = width // 2
        yield products[:, :half], products[:, width - half : width]
        width -= half


def _runs(values: Rows) -> list[tuple[int, int]]:
    """Return [start, stop) of each run of equal values."""
    edges = np.flatnonzero(np.diff(values)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), len(values)], strict=True))


def first_k(pairs: Scored, k: int, ties: TieOrder) -> Scored:
    """Return the first k pairs of each query: sorted by query, then score descending, then tie rank descending."""
    order = np.lexsort((-ties.of(pairs.candidates), -pairs.scores, pairs.queries))
    order = order[place_in_query(pairs.queries[order]) < k]
    return Scored(pairs.queries[order], pairs.candidates[order], pairs.scores[order])


def place_in_query(queries: Rows) -> Rows:
    """Return for each entry of the sorted `queries` how many entries of the same query stand before it."""
    return np.arange(len(queries)) - np.searchsorted(queries, queries)
