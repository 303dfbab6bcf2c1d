"""What a search must return, by scoring everything and sorting it all; and embeddings that are meant to break it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from mbench.core.types import Rankings, Sets

OTHER = "cpu:0"
"""The processor under a name that has it searched as another device is."""
Pair = tuple[np.ndarray, np.ndarray]


def _zeros(queries: np.ndarray, corpus: np.ndarray) -> Pair:
    return queries * (np.arange(len(queries)) % 2)[:, None], corpus * (np.arange(len(corpus)) % 3 > 0)[:, None]


def _mixed(queries: np.ndarray, corpus: np.ndarray) -> Pair:
    return queries, corpus * 10.0 ** np.random.default_rng(0).uniform(-30, 30, (len(corpus), 1))


KINDS: dict[str, Callable[[np.ndarray, np.ndarray], Pair]] = {
    "plain": lambda queries, corpus: (queries, corpus),
    "equal": lambda queries, corpus: (queries, corpus[:1].repeat(len(corpus), axis=0)),
    "signs": lambda queries, corpus: (np.sign(queries), np.sign(corpus)),
    "huge": lambda queries, corpus: (queries * 1e37, corpus * 1e37),
    "mixed norms": _mixed,
    "denormal": lambda queries, corpus: (queries * 1e-41, corpus * 1e-41),
    "tiny": lambda queries, corpus: (queries, corpus * 1e-25),
    "clustered": lambda queries, corpus: (
        queries,
        corpus[np.arange(len(corpus)) % min(5, len(corpus))] + 1e-4 * corpus,
    ),
    "anisotropic": lambda queries, corpus: (queries + 30, corpus + 30),
    "opposite": lambda queries, corpus: (queries - 30, corpus + 30),
    "duplicates": lambda queries, corpus: (queries, corpus[np.arange(len(corpus)) * 7 % (1 + len(corpus) // 3)]),
    "zeros": _zeros,
    "rising": lambda queries, corpus: (abs(queries), abs(corpus) * np.linspace(0.1, 3, len(corpus))[:, None]),
}
"""Ways to spoil normally distributed queries and candidates."""


def canonical(query: np.ndarray, corpus: np.ndarray) -> np.ndarray:
    """Return [n]: products in float64, added pairwise."""
    return added(list((query.astype(np.float64) * corpus.astype(np.float64)).T))


def added(columns: list[np.ndarray]) -> np.ndarray:
    """Add columns in the pairwise order: halves above 128, eight partial sums below, one after the other under 8."""
    n = len(columns)
    if n > 128:
        half = n // 2 - n // 2 % 8
        return added(columns[:half]) + added(columns[half:])
    if n < 8:
        return functools.reduce(np.add, columns)
    whole = n - n % 8
    r = [functools.reduce(np.add, columns[i:whole:8]) for i in range(8)]
    sums = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    return functools.reduce(np.add, columns[whole:], sums)


def brute_force(
    queries: np.ndarray,
    corpus: np.ndarray,
    k: int,
    exclude: Sets | None = None,
    galleries: Sets | None = None,
    tie_ranks: np.ndarray | None = None,
) -> Rankings:
    """Score every allowed candidate, sort by score and tie rank, both descending, and cut."""
    ranks = np.arange(len(corpus)) if tie_ranks is None else tie_ranks
    rows = []
    for i, query in enumerate(queries):
        allowed = set(range(len(corpus))) if galleries is None else set(galleries[i].tolist())
        allowed -= set() if exclude is None else set(exclude[i].tolist())
        candidates = np.array(sorted(allowed), dtype=np.int64)
        scores = canonical(query, corpus[candidates]) if len(candidates) else np.zeros(0)
        best = np.lexsort((-ranks[candidates], -scores))[:k]
        rows.append((candidates[best], scores[best]))
    width = max((len(ids) for ids, _ in rows), default=0)
    expected = Rankings(np.full((len(rows), width), -1), np.full((len(rows), width), -np.inf))
    for i, (ids, scores) in enumerate(rows):
        expected.ids[i, : len(ids)], expected.scores[i, : len(ids)] = ids, scores
    return expected


def assert_same(found: Rankings, expected: Rankings, *context: Any) -> None:
    """Ids, order and the bits of the scores agree."""
    assert found.ids.dtype == np.int64, context
    assert found.scores.dtype == np.float64, context
    np.testing.assert_array_equal(found.ids, expected.ids, err_msg=str(context))
    np.testing.assert_array_equal(found.scores, expected.scores, err_msg=str(context))


def embeddings(kind: str, n_queries: int, n: int, d: int, *, half: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 queries [n_queries, d] and a corpus [n, d] in float16 or float32."""
    rng = np.random.default_rng(seed)
    queries, corpus = KINDS[kind](rng.standard_normal((n_queries, d)), rng.standard_normal((n, d)))
    stored = np.clip(corpus, -60000, 60000).astype(np.float16) if half else corpus.astype(np.float32)
    return queries.astype(np.float32), stored


def some_sets(rng: np.random.Generator, n_queries: int, n: int, largest: int) -> Sets:
    return Sets.of([rng.integers(0, n, rng.integers(0, largest)) for _ in range(n_queries)])
