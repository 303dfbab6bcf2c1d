"""Small searches in float64 by numpy alone: done before torch, which the large ones are made of, would have started.

The products of float32 values are exact in float64, where they neither overflow nor underflow, so a matrix product and
the canonical score both differ from the sum in real numbers by at most d u / (1 - d u) |q| |c|, u = 2^-53, whatever
the order of their additions. A candidate whose product is lower than the k-th largest by four times that, or more,
cannot be among the k best. What is left is scored canonically (see retrieval/pairs.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mbench.core.types import Floats, Rows, Sets, Vectors
from mbench.retrieval.exact import batches, listed_pairs, pair_keys
from mbench.retrieval.pairs import Scored, TieOrder, first_k
from mbench.retrieval.vectors import Corpus, require_finite

PRODUCTS = 5 << 27
"""Multiplications that take numpy about as long as torch, which has faster products, takes to prepare for its own."""
NUMBERS = 1 << 22
"""Numbers that the corpus may hold, since it is widened to 8 bytes each."""
PAIRS = 1 << 17
"""Pairs of a query and a candidate that are held at a time."""
AT_ONCE = 512
"""Pairs whose vectors are held at a time."""
MEMORY = 64 * 1000**2
"""Bytes that a small search may take."""


def fits(queries: Vectors, corpus: Corpus, galleries: Sets | None, memory: int | None) -> bool:
    """Tell whether a search is small, and may take the memory that a small one does."""
    pairs = len(queries) * len(corpus) if galleries is None else len(galleries.rows)
    little = corpus.size <= NUMBERS and len(corpus) <= PAIRS and pairs * queries.shape[1] <= PRODUCTS
    return pairs > 0 and little and (memory is None or memory >= MEMORY)


@dataclass(frozen=True, slots=True)
class Small:
    """A search for the `k` best candidates of each query, at most as many as there are."""

    queries: Vectors
    corpus: Corpus
    k: int
    ties: TieOrder

    def blocks(self, galleries: Sets | None, exclude: Sets | None) -> Iterator[tuple[slice, Scored]]:
        """Yield consecutive queries and what is best for them. Raises EncodingError on NaN and infinity."""
        # In C order whatever the arguments' is: it decides in which order numpy adds, and what `reshape` copies.
        wide = self.corpus.astype(np.float64, order="C")
        finite = np.isfinite(wide).all()
        norm = 0.0
        if galleries is None:
            if not finite:
                require_finite(self.corpus, np.arange(len(wide)), "corpus")
            norm = float(np.sqrt(np.einsum("nd,nd->n", wide, wide).max()))
        sizes = np.full(len(self.queries), len(wide)) if galleries is None else galleries.sizes()
        for part in batches(sizes, PAIRS):
            exact = self.queries[part].astype(np.float64, order="C")
            if galleries is None:
                pairs = self._survivors(exact, wide, norm, exclude, part)
            else:
                pairs = listed_pairs(galleries, exclude, part, len(wide))
            query_rows, candidates = np.divmod(pairs, len(wide))
            if not finite:
                require_finite(self.corpus, np.unique(candidates), "corpus")
            scores = _scores(exact, wide, query_rows, candidates)
            yield part, first_k(Scored(query_rows, candidates, scores), self.k, self.ties)

    def _survivors(self, exact: Floats, wide: Floats, norm: float, exclude: Sets | None, part: slice) -> Rows:
        """Return the pairs, each as one number as of `pair_keys`, that may be among the k best."""
        # No product of BLAS, whose threads wait for each other: on a busy machine that takes many times longer.
        products = np.einsum("qd,nd->qn", exact, wide, order="C")
        if exclude is not None:
            products.reshape(-1)[pair_keys(exclude, part, len(wide))] = -np.inf
        least = np.partition(products, len(wide) - self.k, axis=1)[:, len(wide) - self.k]
        error = 2 * (wide.shape[1] + 16) * 2.0**-53 * np.sqrt(np.einsum("nd,nd->n", exact, exact)) * norm
        kept = products >= np.maximum(least - 4 * error, np.finfo(np.float64).min)[:, None]
        return np.flatnonzero(kept)


def _scores(exact: Floats, wide: Floats, query_rows: Rows, candidates: Rows) -> Floats:
    """Return float64 [m]: the canonical score of each pair."""
    scores = np.empty(len(query_rows))
    for start in range(0, len(query_rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        products = wide[candidates[part]]
        products *= exact[query_rows[part]]
        np.add.reduce(products, axis=1, out=scores[part])
    return scores
