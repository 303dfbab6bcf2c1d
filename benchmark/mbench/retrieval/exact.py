"""The plain path: every candidate of a query is scored. For galleries, and for pools that hold little more than k."""

from __future__ import annotations

import numpy as np

from mbench.core.types import Rows, Sets, Vectors
from mbench.retrieval.pairs import Scored, TieOrder, canonical_scores, first_k
from mbench.retrieval.vectors import Corpus, require_finite


def score_all(queries: Vectors, corpus: Corpus, k: int, ties: TieOrder, pairs: Rows) -> Scored:
    """Score `pairs` (as of `pair_keys`) and return the first k of each query. Raises EncodingError on NaN, infinity."""
    query_rows, candidates = np.divmod(pairs, len(corpus))
    scores = canonical_scores(queries, corpus, query_rows, candidates)
    if not np.isfinite(scores).all():
        require_finite(corpus, np.unique(candidates), "corpus")
    return first_k(Scored(query_rows, candidates, scores), k, ties)


def listed_pairs(galleries: Sets | None, exclude: Sets | None, part: slice, n: int) -> Rows:
    """Return the distinct pairs of the queries in `part` and their galleries (None: all n rows) without `exclude`."""
    inside = np.arange((part.stop - part.start) * n) if galleries is None else pair_keys(galleries, part, n)
    if exclude is None:
        return inside
    return np.setdiff1d(inside, pair_keys(exclude, part, n), assume_unique=True)


def pair_keys(sets: Sets, part: slice, n: int) -> Rows:
    """Return the distinct pairs in the sets of `part`, sorted, each as one number: query (from 0) * n + row."""
    rows = sets.rows[sets.starts[part.start] : sets.starts[part.stop]]
    queries = np.repeat(np.arange(part.stop - part.start), sets.sizes()[part])
    return np.unique(queries * n + rows)


def batches(sizes: Rows, most: int) -> list[slice]:
    """Cut consecutive queries into batches of at most `most` pairs in all; a query with more makes its own."""
    cuts, total = [0], 0
    for query, size in enumerate(sizes.tolist()):
        if total and total + size > most:
            cuts.append(query)
            total = 0
        total += size
    return [slice(a, b) for a, b in zip(cuts, [*cuts[1:], len(sizes)], strict=True) if a < b]
