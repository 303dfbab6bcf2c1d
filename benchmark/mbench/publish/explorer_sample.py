"""Which queries the explorer shows: the same ones in each build, and some of every kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbench.core.types import EvalData, Rows

SIZE = 30
SEED = 0


def sample(data: EvalData, slices: Sequence[str], size: int = SIZE) -> Rows:
    """Return up to `size` rows of judged queries in ascending order, drawn evenly from the kinds of the first slice."""
    judged = np.flatnonzero(data.judgments.labels["relevant"].sizes() > 0)
    drawn = np.random.Generator(np.random.PCG64(SEED)).permutation(judged).tolist()
    kinds: dict[int, list[int]] = {}
    for row in drawn:
        kinds.setdefault(_kind(data, slices, row), []).append(row)
    turns = [row for turn in range(size) for rows in kinds.values() for row in rows[turn : turn + 1]]
    return np.array(sorted(turns[:size]), dtype=np.int64)


def _kind(data: EvalData, slices: Sequence[str], row: int) -> int:
    """Return the first value of the first slice that a query has; -1 for none."""
    members = data.judgments.tags[slices[0]].members[row].tolist() if slices else []
    return members[0] if members else -1
