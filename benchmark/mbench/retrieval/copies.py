"""Tiles in which most rows are copies of a few vectors, as of a model that gives every candidate the same embedding."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from mbench.core.types import Rows
from mbench.retrieval.pairs import TieOrder, place_in_query
from mbench.retrieval.vectors import Corpus, read_rows
from mbench.retrieval.workers import CACHED

FEW = 4
"""Rows per distinct vector from which on the distinct ones are scored exactly instead of being filtered."""


def groups_of_copies(corpus: Corpus, candidates: Rows) -> Rows | None:
    """Return a number for each candidate, equal for identical vectors; None where most vectors differ."""
    numbers: dict[bytes, int] = {}
    groups = np.empty(len(candidates), dtype=np.int64)
    raw = np.empty((CACHED, corpus.shape[1]), dtype=corpus.dtype)
    for start in range(0, len(candidates), CACHED):
        some = candidates[start : start + CACHED]
        read_rows(corpus, some, raw[: len(some)])
        digests = [blake2b(row, digest_size=16).digest() for row in raw[: len(some)]]
        groups[start : start + len(some)] = [numbers.setdefault(one, len(numbers)) for one in digests]
        if len(numbers) * FEW > len(candidates):
            return None
    return groups


def winners(groups: Rows, candidates: Rows, ties: TieOrder, most: int) -> Rows:
    """Return the positions, ascending, of the `most` candidates of each group that win its ties."""
    order = np.lexsort((-ties.of(candidates), groups))
    return np.sort(order[place_in_query(groups[order]) < most])
