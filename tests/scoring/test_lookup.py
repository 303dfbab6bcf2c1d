"""Both ways of looking up relevant candidates find what a plain loop finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbench.core.types import Rows, Sets
from mbench.scoring import lookup


def by_hand(ids: Rows, relevant: Sets) -> list[tuple[int, int, int]]:
    """Return (query, rank, position) of every relevant place; a row that is named twice counts as its first."""
    return [
        (query, rank, int(relevant.starts[query]) + relevant[query].tolist().index(row))
        for query, ranked in enumerate(ids.tolist())
        for rank, row in enumerate(ranked, 1)
        if row in relevant[query].tolist()
    ]


@settings(max_examples=80)
@given(
    n_queries=st.integers(0, 9),
    depth=st.integers(0, 12),
    n=st.integers(1, 30),
    most=st.integers(0, 6),
    few=st.sampled_from([0, 2, 16]),
    twice=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_both_ways_find_every_relevant_place_in_order(n_queries, depth, n, most, few, twice, seed):
    random = np.random.default_rng(seed)
    ids = np.argsort(random.random((n_queries, max(n, depth))), axis=1)[:, :depth]
    ids[ids >= n] = -1
    sets = [random.choice(n, random.integers(0, min(most, n) + 1), replace=twice) for _ in range(n_queries)]
    relevant = Sets.of(sets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "FEW", few)
        patch.setattr(lookup, "CELLS_AT_ONCE", 20)
        found = lookup.look_up(ids, relevant)
    assert list(zip(found.query, found.rank, found.relevant, strict=True)) == by_hand(ids, relevant)
