"""Looks in compiled blocks: the same pairs as a product that is looked at afterwards, and the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.retrieval.brute_force import KINDS, assert_same, brute_force, embeddings, some_sets

from mbench.core.errors import EncodingError
from mbench.core.types import Sets, Vectors
from mbench.retrieval import blocks, looking, plan, tiles
from mbench.retrieval.blocks import Panels, blocks_pay, survivors_of_blocks
from mbench.retrieval.filters import FP32, FP64, Filter
from mbench.retrieval.product_loops import STEPS, best_block, laid_out
from mbench.retrieval.survivors import Survivors
from mbench.retrieval.tiles import Tile, load_tile, longest_square, widened
from mbench.retrieval.workers import Room
from mbench.search import top_k

pytestmark = pytest.mark.usefixtures("loops")


class Whole(NamedTuple):
    """Queries and candidates of small whole numbers, whose products are exact."""

    queries: Vectors
    candidates: Vectors

    @staticmethod
    def of(n: int, n_queries: int, dimension: int, seed: int = 0) -> Whole:
        rng = np.random.default_rng(seed)
        return Whole(*(rng.integers(-3, 4, (rows, dimension)).astype(np.float32) for rows in (n_queries, n)))

    @property
    def products(self) -> Vectors:
        return self.candidates @ self.queries.T

    @property
    def panels(self) -> Panels:
        """The queries as they are: a filter would scale them."""
        chosen = Filter.of(self.queries, FP32, None, "cpu")
        return Panels.of(Filter(FP32, torch.from_numpy(self.queries), None, *[chosen.scale] * 5))

    def survivors(self, limits: np.ndarray, most: int, norm: float = 1e6) -> Survivors | None:
        tile = Tile(torch.from_numpy(self.candidates), norm, 0.0)
        return survivors_of_blocks(tile, self.panels, limits, most, Room(loops=True))


def just_above(values: np.ndarray) -> np.ndarray:
    """Limits are rounded down before they are compared, by no more than this raises them."""
    return np.nextafter(np.nextafter(values.astype(np.float32), np.float32(np.inf)), np.float32(np.inf)).astype(float)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70), st.integers(0, 5))
def test_every_product_that_reaches_its_limit_is_found_once_and_no_other(n: int, n_q: int, d: int, seed: int) -> None:
    both = Whole.of(n, n_q, d, seed)
    limits = np.sort(both.products, axis=0)[n // 2].astype(float)
    few = both.survivors(just_above(limits), n * n_q)
    assert few is not None
    expected = np.argwhere(both.products >= just_above(limits))
    order = np.lexsort((few.queries, few.candidates))
    np.testing.assert_array_equal(np.stack([few.candidates, few.queries], axis=1)[order], expected)
    np.testing.assert_array_equal(few.values, both.products[few.candidates, few.queries])
    at_the_limit = both.survivors(limits, n * n_q)
    assert at_the_limit is not None
    assert len(at_the_limit.values) >= (both.products >= limits).sum()


@pytest.mark.parametrize("n", [1, 13, 14, 15, 30, 31, 100])
@pytest.mark.parametrize("dimension", [1, 2, 15, 16, 17, 32, 33, 50])
def test_candidates_are_laid_out_side_by_side(n: int, dimension: int) -> None:
    block = best_block()
    candidates = np.arange(1, n * dimension + 1, dtype=np.float32).reshape(n, dimension)
    depth = -(-dimension // STEPS) * STEPS
    found = np.zeros((-(-n // block.candidates), depth, block.candidates), dtype=np.float32)
    most = laid_out(candidates, found, block.candidates, block.lanes)
    rows = found.transpose(0, 2, 1).reshape(-1, depth)
    np.testing.assert_array_equal(rows[:n, :dimension], candidates)
    assert not rows[:, dimension:].any()
    assert most == pytest.approx(float((candidates[-1].astype(float) ** 2).sum()))


def test_pairs_that_find_no_room_end_the_look() -> None:
    both = Whole.of(50, 40, 9)
    everything = np.full(40, -1e9)
    assert both.survivors(everything, 50 * 40 - 1) is None
    assert len(both.survivors(everything, 50 * 40).values) == 50 * 40  # type: ignore[union-attr]


@pytest.mark.parametrize("bad", [4.0, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 13, 49])
def test_a_longer_candidate_than_the_limits_allow_for_ends_the_look(bad: float, row: int) -> None:
    both = Whole.of(50, 40, 9)
    norm = float(widened(np.linalg.norm(both.candidates.astype(float), axis=1).max(), 9, FP32))
    limits = np.full(40, 1.0)
    assert both.survivors(limits, 2000, norm) is not None
    both.candidates[row] = 4
    both.candidates[row, 8] = bad
    assert both.survivors(limits, 2000, norm) is None


@pytest.mark.parametrize("kind", ["plain", "denormal", "tiny", "rising"])
@pytest.mark.parametrize("dimension", [1, 7, 256, 4096])
def test_what_a_tile_was_measured_to_have_is_what_its_norm_allows(kind: str, dimension: int) -> None:
    _, corpus = embeddings(kind, 1, 64, dimension, half=False, seed=dimension)
    tile = load_tile(corpus, np.arange(64), FP32, None, "cpu", Room())
    block = best_block()
    room = np.zeros((-(-64 // block.candidates), dimension, block.candidates), dtype=np.float32)
    allowed = longest_square(tile.norm, dimension)
    assert laid_out(corpus, room, block.candidates, block.lanes) <= np.float32(allowed)
    # And whatever it allows is no longer than that.
    assert np.sqrt(allowed) * (1 + dimension * 2.0**-25) <= tile.norm


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What came of each look in blocks, which are used wherever they can be."""
    looks: list[bool] = []

    def watched(*args: Any) -> Survivors | None:
        few = survivors_of_blocks(*args)
        looks.append(few is not None)
        return few

    monkeypatch.setattr(blocks, "blocks_pay", lambda: True)
    monkeypatch.setattr(looking, "survivors_of_blocks", watched)
    monkeypatch.setattr(plan, "SHAPES", ((512, 256 * 64),))
    return looks


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("kind", KINDS)
def test_results_are_those_of_brute_force_on_data_meant_to_break_it(kind: str, half: bool, used: list[bool]) -> None:
    queries, corpus = embeddings(kind, 40, 6000, 13, half=half, seed=3)
    rng = np.random.default_rng(5)
    exclude, ranks = some_sets(rng, 40, 6000, 30), rng.permutation(6000)
    for k in (1, 7):
        for workers in (1, 2):
            found = top_k(queries, corpus, k, precision="fp32", exclude=exclude, tie_ranks=ranks, workers=workers)
            assert_same(found, brute_force(queries, corpus, k, exclude, tie_ranks=ranks), kind, k, workers)
    if kind in ("plain", "rising"):
        assert any(used)


def test_the_best_is_not_found_in_blocks_where_it_is_excluded(used: list[bool]) -> None:
    queries, corpus = embeddings("plain", 40, 6000, 24, half=False, seed=1)
    first = top_k(queries, corpus, 3, precision="fp64")
    best = Sets.of(list(first.ids[:, :2]))
    without = top_k(queries, corpus, 3, precision="fp32", exclude=best)
    assert_same(without, brute_force(queries, corpus, 3, best))
    assert np.array_equal(without.ids[:, 0], first.ids[:, 2])
    assert any(used)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("row", [2000, 5999])
def test_what_is_no_number_is_named_and_what_is_too_large_for_float32_is_found(
    bad: float, row: int, used: list[bool]
) -> None:
    queries, corpus = embeddings("plain", 40, 6000, 13, half=False, seed=2)
    corpus[row, 3] = bad
    if np.isfinite(bad):
        assert_same(top_k(queries, corpus, 5, precision="fp32"), brute_force(queries, corpus, 5))
    else:
        with pytest.raises(EncodingError, match=f"Row {row} of the corpus"):
            top_k(queries, corpus, 5, precision="fp32")
    assert used


def test_looks_in_blocks_end_where_they_are_in_vain(used: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    queries, corpus = embeddings("plain", 40, 6000, 24, half=False, seed=2)
    monkeypatch.setattr(tiles, "LONGER", 0.5)
    assert_same(top_k(queries, corpus, 5, precision="fp32", workers=1), brute_force(queries, corpus, 5))
    assert used == [False] * 3


@pytest.mark.parametrize(("precision", "n_queries"), [("bf16", 40), ("fp64", 40), ("fp32", 31)])
def test_other_formats_and_few_queries_are_left_to_products(precision: str, n_queries: int, used: list[bool]) -> None:
    queries, corpus = embeddings("plain", min(n_queries, best_block().queries - 1), 6000, 13, half=False, seed=4)
    if precision != "fp32":
        queries = np.resize(queries, (n_queries, 13))
    assert_same(top_k(queries, corpus, 5, precision=precision), brute_force(queries, corpus, 5))
    assert not used


def test_vectors_too_long_to_lay_out_are_left_to_products(used: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    queries, corpus = embeddings("plain", 40, 6000, 13, half=False, seed=4)
    monkeypatch.setattr(blocks, "LONGEST", 12)
    assert_same(top_k(queries, corpus, 5, precision="fp32"), brute_force(queries, corpus, 5))
    assert not used


def test_candidates_are_not_measured_apart_where_they_can_be_read_in_place(
    used: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, corpus = embeddings("plain", 40, 6000, 13, half=False, seed=6)
    corpus /= np.linalg.norm(corpus, axis=1, keepdims=True)
    loaded: list[int] = []

    def watched(*args: Any) -> Tile:
        loaded.append(len(args[1]))
        return load_tile(*args)

    monkeypatch.setattr(tiles, "load_tile", watched)
    top_k(queries, corpus, 5, precision="fp32", workers=1)
    assert len(loaded) == 1
    assert len(used) > 3


def broken(*args: object) -> Survivors:
    raise AttributeError("codegen")


def too_few(real: Callable[..., Survivors]) -> Callable[..., Survivors]:
    def found(*args: object) -> Survivors:
        return real(*args).take(np.arange(1, len(real(*args).values)))

    return found


@pytest.mark.parametrize("made", [lambda _: broken, too_few], ids=["broken", "wrong"])
def test_blocks_that_fail_or_miss_a_pair_are_not_used(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "seconds", lambda product: 0.0 if product.__name__ == "in_blocks" else 1.0)
    blocks_pay.cache_clear()
    assert blocks_pay()
    blocks_pay.cache_clear()
    monkeypatch.setattr(blocks, "survivors_of_blocks", made(survivors_of_blocks))
    assert not blocks_pay()
    blocks_pay.cache_clear()


def test_the_queries_of_no_query_are_never_reached() -> None:
    queries = np.ones((3, 5), dtype=np.float32)
    panels = Panels.of(Filter.of(queries, FP32, None, "cpu"))
    limits = panels.limits(np.full(3, -np.inf))
    assert np.isfinite(limits.ravel()[:3]).all()
    assert np.isposinf(limits.ravel()[3:]).all()
    assert Panels.where_they_pay(Filter.of(queries, FP64, None, "cpu")) is None
