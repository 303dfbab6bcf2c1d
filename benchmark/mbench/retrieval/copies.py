"""Tiles in which most rows are copies of a few vectors, as of a model that gives every candidate the same embedding."""

from __future__ import annotations

import numpy as np

from mbench.core.types import Rows
from mbench.retrieval.pairs import TieOrder, place_in_query
from mbench.retrieval.vectors import Corpus, read_rows

FEW = 4
"""Rows per distinct vector from which on the distinct ones are scored exactly instead of being filtered."""


def groups_of_copies(corpus: Corpus, candidates: Rows) -> Rows | None:
    """Return a number for each candidate, equal for identical vectors; None where most vectors differ."""
    vectors = np.empty((len(candidates), corpus.shape[1]), dtype=corpus.dtype)
    read_rows(corpus, candidates, vectors)
    names: dict[bytes, int] = {}
    for row in vectors:
        names.setdefault(row.tobytes(), len(names))
        if len(names) * FEW > len(candidates):
            return None
    return np.array([names[row.tobytes()] for row in vectors])


def winners(groups: Rows, candidates: Rows, ties: TieOrder, most: int) -> Rows:
    """Return the positions, ascending, of the `most` candidates of each group that win its ties."""
    order = np.lexsort((-ties.of(candidates), groups))
    return np.sort(order[place_in_query(groups[order]) < most])
