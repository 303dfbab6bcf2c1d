"""Scores in loops: the bits of numpy's sum, for every dimension, or numpy itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from tests.retrieval.test_search_layouts import LAYOUTS

from mbench.core.types import Floats, Rows, Vectors
from mbench.retrieval import pairs, pairwise
from mbench.retrieval.pairs import canonical_scores
from mbench.retrieval.vectors import Corpus, is_plain

pytestmark = pytest.mark.usefixtures("loops", "untried")
DIMENSIONS = [*range(1, 301), 511, 512, 513, 768, 1000, 1024, 3584, 4097]


@pytest.fixture
def untried() -> Iterator[None]:
    """No dimension has been tried yet; nor has one afterwards."""
    pairwise.stretches.cache_clear()
    yield
    pairwise.stretches.cache_clear()


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which of the functions score, in loops or without them."""
    taken: list[str] = []

    def watched(name: str, scores: Callable[..., Floats]) -> Callable[..., Floats]:
        return lambda *args: taken.append(name) or scores(*args)  # type: ignore[func-returns-value]

    for name in ("_scored", "_scored_in_loops"):
        monkeypatch.setattr(pairs, name, watched(name, getattr(pairs, name)))
    return taken


def vectors(d: int, *, half: bool, seed: int = 0) -> tuple[Vectors, Corpus]:
    """Return 5 queries and 21 candidates of numbers of many sizes, of which most nearly cancel out in the sums."""
    rng = np.random.default_rng((d, seed))
    queries, corpus = (rng.standard_normal((n, d)) * np.exp2(rng.integers(-14, 13, (n, d))) for n in (5, 21))
    queries[1:, d // 2 : d // 2 * 2] = queries[1:, : d // 2]
    corpus[::2, d // 2 : d // 2 * 2] = -corpus[::2, : d // 2] * (1 + 2.0**-10)
    queries[0, ::3], corpus[7], corpus[8, ::2] = 0, 0, -0.0
    return queries.astype(np.float32), corpus.astype(np.float16 if half else np.float32)


def some_pairs(corpus: Corpus) -> tuple[Rows, Rows]:
    query_rows = np.sort(np.random.default_rng(1).integers(0, 5, 60))
    return query_rows, np.random.default_rng(2).integers(0, len(corpus), 60)


def by_numpy(queries: Vectors, corpus: Corpus, query_rows: Rows, candidate_rows: Rows) -> Floats:
    products = queries[query_rows].astype(np.float64) * np.ascontiguousarray(corpus)[candidate_rows].astype(np.float64)
    scores: Floats = np.add.reduce(products, axis=1)
    return scores


def assert_right(queries: Vectors, corpus: Corpus) -> None:
    rows = some_pairs(corpus)
    found, expected = canonical_scores(queries, corpus, *rows), by_numpy(queries, corpus, *rows)
    assert np.array_equal(found.view(np.int64), expected.view(np.int64)), queries.shape[1]


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_scores_of_every_dimension_have_the_bits_of_numpys_sum(half: bool, ways: list[str]) -> None:
    for d in DIMENSIONS:
        assert_right(*vectors(d, half=half))
    assert set(ways) == {"_scored_in_loops"}


def test_products_that_are_all_minus_zero_add_up_to_the_zero_of_numpy() -> None:
    for d in (1, 3, 8, 20, 300):
        assert_right(np.zeros((5, d), dtype=np.float32), np.full((21, d), -1, dtype=np.float32))


def test_these_sums_tell_orders_apart() -> None:
    for d in (9, 17, 129, 1000):
        queries, corpus = vectors(d, half=False)
        products = queries[some_pairs(corpus)[0]].astype(np.float64) * corpus[some_pairs(corpus)[1]]
        one_by_one = np.cumsum(products, axis=1)[:, -1]
        backwards = np.add.reduce(np.ascontiguousarray(products[:, ::-1]), axis=1)
        assert (one_by_one != np.add.reduce(products, axis=1)).sum() > 10
        assert (backwards != np.add.reduce(products, axis=1)).sum() > 10


def in_one(start: int, length: int) -> list[tuple[int, int, int]]:
    return [(start, length, 0)]


def one_after_the_other(start: int, length: int) -> list[tuple[int, int, int]]:
    return [(first, min(128, length - first), int(first > 0)) for first in range(start, length, 128)]


WRONG = {"_cut": (in_one, one_after_the_other), "STRETCH": (64, 256)}
"""Other orders to add up in."""


@pytest.mark.parametrize(("name", "order"), [(name, order) for name, orders in WRONG.items() for order in orders])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_a_dimension_that_numpy_adds_up_in_another_order_is_left_to_numpy(
    name: str, order: Any, half: bool, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairwise, name, order)
    assert pairwise.stretches(1000) is None
    assert_right(*vectors(1000, half=half))
    assert ways == ["_scored"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_only_rows_that_lie_one_after_another_are_scored_in_loops(layout: str, half: bool, ways: list[str]) -> None:
    queries, corpus = vectors(130, half=half)
    assert_right(queries, LAYOUTS[layout](corpus).view(np.ndarray))
    assert ways == ["_scored_in_loops" if layout in ("read only", "a subclass") else "_scored"]


def test_numbers_of_another_byte_order_are_not_for_loops() -> None:
    corpus = np.ones((2, 3), dtype=np.float32)
    assert is_plain(corpus) and not is_plain(corpus.astype(corpus.dtype.newbyteorder()))


def test_queries_in_any_layout_and_order_are_scored_alike() -> None:
    queries, corpus = vectors(130, half=True)
    query_rows, candidates = some_pairs(corpus)
    mixed = np.random.default_rng(3).permutation(60)
    expected = by_numpy(queries, corpus, query_rows, candidates)[mixed]
    for layout in LAYOUTS.values():
        found = canonical_scores(layout(queries.copy()), corpus, query_rows[mixed], candidates[mixed])
        assert np.array_equal(found, expected)
    last, some = query_rows[-9:], candidates[-9:]
    assert last.min() > 0, "these must not begin with the first query"
    assert np.array_equal(canonical_scores(queries, corpus, last, some), by_numpy(queries, corpus, last, some))
    assert canonical_scores(queries, corpus, query_rows[:0], candidates[:0]).shape == (0,)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("often", [0, 1000], ids=["by candidate", "by query"])
@pytest.mark.parametrize("d", [40, 43])
def test_any_number_of_pairs_is_scored_alike_in_any_order(
    half: bool, often: int, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "OFTEN", often)
    monkeypatch.setattr(pairs, "TOGETHER", 25)
    monkeypatch.setattr(pairs, "SCATTERED", 11)
    queries, corpus = vectors(d, half=half)
    query_rows, candidates = some_pairs(corpus)
    expected = by_numpy(queries, corpus, query_rows, candidates)
    for many in range(1, 61):
        found = canonical_scores(queries, corpus, query_rows[:many], candidates[:many])
        assert np.array_equal(found, expected[:many]), many
    same = np.full(60, 3)
    found = canonical_scores(queries, corpus, query_rows, same)
    assert np.array_equal(found, by_numpy(queries, corpus, query_rows, same))


def test_a_mapped_corpus_is_dropped_from_memory_between_scores(
    ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[Any] = []
    monkeypatch.setattr(pairs, "SCATTERED", 7)
    monkeypatch.setattr(pairs, "forget", dropped.append)
    queries, corpus = vectors(40, half=False)
    assert_right(queries, corpus)
    assert ways == ["_scored_in_loops"] and len(dropped) == -(-60 // 7) and all(one is corpus for one in dropped)


def test_threads_may_score_the_first_pairs_at_once() -> None:
    together = Barrier(8)

    def score(nth: int) -> None:
        prepared = vectors(200 + nth // 2, half=nth % 2 == 0, seed=nth)
        together.wait()
        for _ in range(20):
            assert_right(*prepared)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(score, range(8)))
