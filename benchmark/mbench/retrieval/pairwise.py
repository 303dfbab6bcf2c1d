"""How numpy adds up the numbers of a row, for a compiled loop that does the same."""

from __future__ import annotations

from functools import cache

import numpy as np

from mbench.retrieval.search_loops import LANES, PAIRS, Stretches, scored

STRETCH = 128
"""Numbers that numpy adds up in lanes at most; of more, it adds up two halves."""
TRIED = 64
"""Pairs that are scored both ways before the scores of a dimension are trusted to the loop."""


@cache
def stretches(dimension: int) -> Stretches | None:
    """Return how numpy cuts a sum of so many numbers; None where the loop adds them up to something else."""
    cuts = Stretches(*np.array(_cut(0, dimension), dtype=np.int64).T.copy())
    rng = np.random.default_rng(dimension)
    vectors = rng.standard_normal((2, TRIED, dimension)) * np.exp2(rng.integers(-40, 40, (2, TRIED, dimension)))
    queries, candidates = vectors.astype(np.float32)
    expected = np.add.reduce(queries.astype(np.float64) * candidates, axis=1)
    scores, rows = np.empty(TRIED), np.arange(TRIED)
    stored, lines = candidates.view(np.int32), np.empty((PAIRS, dimension), dtype=np.float32)
    stored.flags.writeable = False
    scored(queries.astype(np.float64), stored, (rows, rows), cuts, lines, scores)
    return cuts if np.array_equal(scores, expected) else None


def _cut(start: int, length: int) -> list[tuple[int, int, int]]:
    if length <= STRETCH:
        return [(start, length, 0)]
    half = length // 2 // LANES * LANES
    *others, (first, size, joins) = _cut(start + half, length - half)
    return [*_cut(start, half), *others, (first, size, joins + 1)]
