"""Rounding to int8 and its products: the bounds hold, and on no processor is a product wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.retrieval.brute_force import KINDS, embeddings

from mbench.retrieval import int8, rounded
from mbench.retrieval.filters import FP32, Filter
from mbench.retrieval.int8 import LARGEST, largest_pairs, most_of_pair, pair_products
from mbench.retrieval.rounded import RoundedQueries, RoundedTile
from mbench.retrieval.survivors import BLOCK
from mbench.retrieval.tiles import load_tile
from mbench.retrieval.workers import Room

Multiply = Callable[..., torch.Tensor]

pytestmark = pytest.mark.skipif(not most_of_pair(768), reason="this torch or processor does not multiply int8 rightly")


@pytest.fixture(autouse=True)
def _forget_the_processor() -> Iterator[None]:
    int8._most_of_pair.cache_clear()
    yield
    int8._most_of_pair.cache_clear()


def in_16_bits(together: int, shift: int = 0) -> Multiply:
    """Multiply as a processor that adds up neighbours of (candidate + 128) * query `together` in 16 bits."""

    def multiply(candidates: torch.Tensor, queries: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        shifted, numbers = candidates.numpy().astype(np.int32) + 128, queries.numpy().astype(np.int32)
        empty = -(shifted.shape[1] + shift) % together
        shifted, numbers = (np.pad(one, ((0, 0), (shift, empty))) for one in (shifted, numbers))
        total = np.zeros((len(shifted), len(numbers)), dtype=np.int64)
        for start in range(0, shifted.shape[1], together):
            some = slice(start, start + together)
            total += np.clip(shifted[:, some] @ numbers[:, some].T, -(2**15), 2**15 - 1)
        return out.copy_(torch.from_numpy(total - 128 * numbers.sum(axis=1)))

    return multiply


def in_float32(candidates: torch.Tensor, queries: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Multiply exactly, and keep the result in float32 for a moment."""
    return out.copy_((candidates.double() @ queries.double().T).float())


def not_at_all(*_: Any) -> torch.Tensor:
    """Multiply as a torch without the operation."""
    raise RuntimeError("not implemented for 'CPU'")


@pytest.mark.parametrize(
    ("multiply", "most"),
    [
        (in_16_bits(1), 254),
        (in_16_bits(2), 128),
        (in_16_bits(4), 0),
        (in_16_bits(2, 1), 0),
        (in_float32, 0),
        (not_at_all, 0),
    ],
)
def test_it_is_found_out_what_a_processor_multiplies_without_error(multiply, most, monkeypatch):
    monkeypatch.setattr(int8, "SHAPES", ((1, 16), (2, 17)))
    monkeypatch.setattr(int8, "products", multiply)
    assert most_of_pair(64) == most


def rounded_pair(queries: np.ndarray, corpus: np.ndarray) -> tuple[RoundedQueries, RoundedTile, np.ndarray]:
    """Return both in int8, and the products [n, n_q] in real numbers of what they were rounded from, as float64."""
    chosen = Filter.of(queries, FP32, None, "cpu")
    tile = load_tile(corpus, np.arange(len(corpus)), FP32, None, "cpu", Room())
    room = Room()
    found = RoundedTile.of(tile, room)
    exact = tile.vectors.double().numpy() @ chosen.queries.double().numpy().T
    return RoundedQueries.of(chosen), found, exact


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(set(KINDS) - {"huge", "mixed norms"})),
    n=st.sampled_from([16, 48]),
    d=st.sampled_from([1, 2, 5, 64, 300]),
    half=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_product_lies_under_a_limit_that_its_pair_reaches(kind, n, d, half, seed):
    queries, tile, exact = rounded_pair(*embeddings(kind, 16, n, d, half=half, seed=seed))
    products = tile.vectors.double() @ queries.vectors.double().T
    for row in range(n):
        limits = queries.limits(tile, exact[row])
        assert (products[row].numpy() >= limits[row // BLOCK]).all()


def test_limits_are_narrow_enough_to_drop_most_of_a_random_corpus():
    queries, tile, exact = rounded_pair(*embeddings("plain", 20, 4096, 768, half=False, seed=0))
    limits = 2.5 * exact.std(axis=0)
    products = (tile.vectors.double() @ queries.vectors.double().T).numpy().reshape(len(tile.units), -1, 20)
    share = (products >= queries.limits(tile, limits)[:, None]).mean()
    assert (exact >= limits).mean() < share < 0.06


@pytest.mark.parametrize("limit", [-np.inf, np.inf, 1e300, -1e300])
def test_limits_that_are_no_numbers_keep_all_or_nothing(limit):
    queries, tile, _ = rounded_pair(*embeddings("plain", 16, 32, 8, half=False, seed=3))
    found = queries.limits(tile, np.full(16, limit))
    assert (found > int8.EXCLUDED).all()
    assert (found == (-(int8.EXCLUDED + 1) if limit > 0 else int8.EXCLUDED + 1)).all()


@pytest.mark.parametrize("d", [1, 2, 7, 64])
@pytest.mark.parametrize("kind", ["plain", "rising", "zeros", "signs"])
def test_queries_for_a_processor_with_few_bits_lose_none(kind, d, monkeypatch):
    monkeypatch.setattr(rounded, "most_of_pair", lambda width: 128)
    queries, tile, _ = rounded_pair(*embeddings(kind, 30, 64, d, half=False, seed=4))
    assert np.abs(queries.vectors.numpy().astype(int)).max() <= LARGEST
    assert largest_pairs(queries.vectors.double().numpy()).max(initial=0) <= 128
    found = in_16_bits(2)(tile.vectors, queries.vectors, torch.empty((64, 30), dtype=torch.int32))
    assert torch.equal(found.double(), tile.vectors.double() @ queries.vectors.double().T)


def test_pairs_are_multiplied_in_their_order():
    candidates, queries = torch.randn(40, 33), torch.randn(9, 33)
    rows, columns = np.nonzero(np.random.default_rng(0).random((40, 9)) < 0.2)
    found = pair_products(candidates, queries, rows, columns)
    np.testing.assert_allclose(found, (candidates.double() @ queries.double().T)[rows, columns], atol=1e-5)
    assert len(pair_products(candidates, queries, rows[:0], columns[:0])) == 0


@pytest.mark.parametrize("d", [1, 2, 3, 5, 63, 64, 257, 258, 261, 385, 386, 513, 770, 1026])
def test_this_processor_multiplies_the_worst_vectors_of_any_length(d):
    queries = np.resize([1, 100, 0.5, 0.5, 100, -100, -0.5], (16, d)) * (-1.0) ** np.arange(16)[:, None]
    corpus = np.resize([1, -1, 1, 1, -1], (64, d)) + np.zeros((64, 1))
    rounded_queries, tile, _ = rounded_pair(queries.astype(np.float32), corpus.astype(np.float32))
    found = int8.products(tile.vectors, rounded_queries.vectors, torch.full((64, 16), 777, dtype=torch.int32))
    assert torch.equal(found.double(), tile.vectors.double() @ rounded_queries.vectors.double().T)
