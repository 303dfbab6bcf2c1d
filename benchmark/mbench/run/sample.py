"""A small part of a task that has the same shape: some queries, what they need of the corpus, and some more of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np

from mbench.core.types import EvalData, Judgments, Rows, Sets

QUERIES = 200
CANDIDATES = 1_000


def sampled(data: EvalData, seed: int, queries: int = QUERIES, candidates: int = CANDIDATES) -> EvalData:
    """Return `queries` random queries and about `candidates` of the corpus, in their order.

    All that the judgments of these queries name stays (right answers, pools, exclusions), filled up with random others.
    """
    random = np.random.default_rng(seed)
    chosen = _some(random, np.arange(len(data.queries)), queries)
    part = data.select(chosen)
    named = np.unique(np.concatenate([np.zeros(0, np.int64), *(one.rows for one in _sets(part.judgments))]))
    others = np.setdiff1d(np.arange(len(data.corpus)), named, assume_unique=True)
    kept = np.sort(np.concatenate([named, _some(random, others, candidates - len(named))]))
    place = np.full(len(data.corpus), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    return replace(part, corpus=data.corpus.select(kept), judgments=_moved(part.judgments, place))


def _some(random: np.random.Generator, rows: Rows, n: int) -> Rows:
    return np.sort(random.choice(rows, min(max(n, 0), len(rows)), replace=False)).astype(np.int64)


def _sets(judgments: Judgments) -> list[Sets]:
    excluded = [] if judgments.exclude is None else [judgments.exclude]
    return [*chain(judgments.labels.values(), judgments.pools.values()), *excluded]


def _moved(judgments: Judgments, place: Rows) -> Judgments:
    def moved(sets: Sets) -> Sets:
        return replace(sets, rows=place[sets.rows])

    return replace(
        judgments,
        labels={name: moved(one) for name, one in judgments.labels.items()},
        pools={name: moved(one) for name, one in judgments.pools.items()},
        exclude=None if judgments.exclude is None else moved(judgments.exclude),
    )
