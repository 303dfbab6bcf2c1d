"""Which queries the explorer shows: the same ones in each build, and some of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from mbench.core.types import EvalData, Rows

SIZE = 30
SEED = 0
DRAWN = 8 * SIZE
"""Queries among which those are looked for that two models answer differently."""


def sample(data: EvalData, slices: Sequence[str], size: int = SIZE) -> Rows:
    """Return up to `size` rows of judged queries in ascending order, drawn evenly from the kinds of the first slice."""
    judged = np.flatnonzero(data.judgments.labels["relevant"].sizes() > 0)
    drawn = np.random.Generator(np.random.PCG64(SEED)).permutation(judged).tolist()
    kinds: dict[int, list[int]] = {}
    for row in drawn:
        kinds.setdefault(_kind(data, slices, row), []).append(row)
    turns = [row for turn in range(size) for rows in kinds.values() for row in rows[turn : turn + 1]]
    return np.array(sorted(turns[:size]), dtype=np.int64)


def telling(data: EvalData, slices: Sequence[str], drawn: Rows, lead: Rows, size: int = SIZE) -> Rows:
    """Return up to `size` rows, ascending: a half of `drawn` on which one of two models is right alone, the rest blind.

    `lead` [drawn] is above 0 where the first model is right and the second wrong, below 0 the other way round; both
    kinds take turns. A few queries drawn blindly seldom show how two models differ.
    """
    alone = zip_longest(drawn[lead > 0].tolist(), drawn[lead < 0].tolist())
    chosen = [row for pair in alone for row in pair if row is not None][: size // 2]
    rows = set(chosen)
    for blind in range(size - len(chosen), size + 1):
        rows = {*chosen, *sample(data, slices, blind).tolist()}
        if len(rows) >= size:
            break
    return np.array(sorted(rows), dtype=np.int64)


def _kind(data: EvalData, slices: Sequence[str], row: int) -> int:
    """Return the first value of the first slice that a query has; -1 for none."""
    members = data.judgments.tags[slices[0]].members[row].tolist() if slices else []
    return members[0] if members else -1
