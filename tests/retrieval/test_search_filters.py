"""The error bounds of the filters: never smaller than the error, and small enough to be worth something."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.retrieval.brute_force import KINDS, canonical, embeddings

from mbench.core.errors import EncodingError
from mbench.retrieval import survivors as looking
from mbench.retrieval.filters import BF16, FP32, PRECISIONS, Filter
from mbench.retrieval.probe import _keeps_its_bound, fastest_precision
from mbench.retrieval.survivors import kth_largest, survivors
from mbench.retrieval.tiles import Tiles, load_tile
from mbench.retrieval.vectors import centre_of, spread
from mbench.retrieval.workers import Room


def worst_for_bf16(n_queries: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """All components lie halfway between two bf16 numbers, and all rounding errors have one sign."""
    return np.full((n_queries, d), 1 + 2**-8, dtype=np.float32), np.full((n, d), 1 + 2**-8, dtype=np.float16)


def bounded(queries, corpus, precision, centre):
    """Return canonical scores and their bounds, all [n_queries, n]; None where the format cannot hold the corpus."""
    chosen = Filter.of(queries, precision, centre, "cpu")
    tile = load_tile(corpus, np.arange(len(corpus)), precision, chosen.centre, "cpu", Room())
    if np.isinf(tile.norm):
        return None
    values = (chosen.queries @ tile.vectors.T).double().numpy()
    rows = np.arange(len(queries)).repeat(len(corpus))
    lower, upper = chosen.bounds(values.ravel(), chosen.error(tile), rows)
    exact = np.stack([canonical(query, corpus) for query in queries])
    return exact, lower.reshape(exact.shape), upper.reshape(exact.shape)


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    d=st.sampled_from([1, 2, 5, 64, 300]),
    half=st.booleans(),
    centred=st.booleans(),
    precision=st.sampled_from(PRECISIONS),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_score_lies_within_its_bounds(kind, d, half, centred, precision, seed):
    queries, corpus = embeddings(kind, 6, 50, d, half=half, seed=seed)
    centre = corpus.astype(np.float64).mean(axis=0).astype(np.float32) if centred else None
    found = bounded(queries, corpus, precision, centre)
    if found is not None:
        exact, lower, upper = found
        assert (lower <= exact).all()
        assert (exact <= upper).all()


@pytest.mark.parametrize("d", [1, 8, 768])
def test_rounding_errors_of_one_sign_stay_within_the_bounds(d):
    exact, lower, upper = bounded(*worst_for_bf16(3, 20, d), BF16, None)
    assert (lower <= exact).all()
    assert (exact <= upper).all()
    assert ((upper - lower) / exact > 2**-7).all(), "the case must be one that a careless bound fails"


@pytest.mark.parametrize(("precision", "most"), [(BF16, 0.011), (FP32, 0.0003)])
def test_bounds_of_unit_vectors_are_narrow_enough_to_drop_most_candidates(precision, most):
    queries, corpus = (
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in embeddings("plain", 9, 99, 768, half=False, seed=0)
    )
    _, lower, upper = bounded(queries.astype(np.float32), corpus.astype(np.float32), precision, None)
    assert (upper - lower).max() < most


def test_a_centre_narrows_the_bounds_of_anisotropic_embeddings():
    queries, corpus = embeddings("anisotropic", 5, 200, 64, half=False, seed=0)
    centre = centre_of(corpus, spread(200, 50))
    assert centre is not None
    wide, narrow = (np.subtract(*bounded(queries, corpus, BF16, c)[:0:-1]).max() for c in (None, centre))
    assert narrow < wide / 3
    assert centre_of(embeddings("plain", 1, 200, 64, half=True, seed=0)[1], np.arange(200)) is None


def test_rows_that_would_overflow_are_left_to_the_sharpest_filter():
    _, corpus = embeddings("huge", 1, 5, 3, half=False, seed=0)
    norms = [load_tile(corpus, np.arange(5), one, None, "cpu", Room()).norm for one in PRECISIONS]
    assert np.isinf(norms).tolist() == [True, True, False]


def test_the_probe_notices_a_product_that_breaks_the_bound(monkeypatch):
    vectors = np.random.default_rng(0).standard_normal((512, 256), dtype=np.float32)
    assert _keeps_its_bound(vectors, "cpu")
    monkeypatch.setattr("mbench.retrieval.filters._sum_error", lambda dimension, precision: 0.0)
    monkeypatch.setattr(Filter, "error", lambda self, tile: 0.0 * self.norms)
    assert not _keeps_its_bound(vectors, "cpu")
    assert fastest_precision("cpu") in ("int8", "bf16", "fp32")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("shift", [0.0, -9.0])
@pytest.mark.parametrize(("limit", "candidates"), [(-10.0, 48), (0.0, 48), (0.5, 48), (0.5, 50), (-0.5, 7), (99.0, 48)])
def test_survivors_are_all_entries_at_or_above_the_limit_but_never_an_excluded_one(dtype, limit, candidates, shift):
    limit += shift
    products = (shift + torch.randn((candidates, 5), generator=torch.Generator().manual_seed(0))).to(dtype)
    products[3, 2] = -torch.inf
    products[4, 1] = limit
    for part in (slice(0, 5), slice(1, 4)):
        seen = products[:, part]
        found = survivors(seen, np.full(seen.shape[1], limit), most=1000)
        assert found is not None
        kept = {(int(c), int(q)) for c, q in zip(found.candidates, found.queries, strict=True)}
        assert kept >= {(int(c), int(q)) for c, q in (seen >= limit).nonzero()}
        assert kept <= {(int(c), int(q)) for c, q in (seen >= limit - 0.01 * abs(limit)).nonzero()}
        np.testing.assert_array_equal(seen[found.candidates, found.queries].double(), found.values)


def test_survivors_give_up_early_and_a_limit_of_nan_drops_nothing():
    products = torch.ones((32, 4))
    assert survivors(products, np.zeros(4), most=127) is None
    kept = survivors(products, np.full(4, np.nan), most=128)
    assert kept is not None
    assert len(kept.values) == 128


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_kth_largest_ignores_the_order_and_survives_excluded_entries(dtype):
    products = torch.tensor([[3.0, 1.0], [5.0, -torch.inf], [4.0, -torch.inf]], dtype=dtype)
    assert kth_largest(products, 2).tolist() == [4.0, looking.FLOOR]


def test_kth_largest_of_many_is_never_too_large_and_hardly_too_small():
    products = torch.randn((6400, 5), generator=torch.Generator().manual_seed(1))
    products[:30, 4] = -torch.inf
    ordered = products.sort(dim=0, descending=True).values
    found = kth_largest(products, 20)
    assert (found <= ordered[19].numpy()).all()
    assert (found >= ordered[25].numpy()).all()


@pytest.mark.parametrize("kind", ["in memory", "read-only", "mapped", "strided", "swapped"])
def test_rows_are_used_in_place_only_where_torch_may_have_them(kind, tmp_path):
    whole = np.random.default_rng(4).standard_normal((400, 24), dtype=np.float32)
    whole.tofile(tmp_path / "corpus")
    corpus = {
        "in memory": whole.copy,
        "read-only": lambda: np.frombuffer(whole.tobytes(), np.float32).reshape(whole.shape),
        "mapped": lambda: np.memmap(tmp_path / "corpus", np.float32, "r+", shape=whole.shape).view(np.ndarray),
        "strided": lambda: np.repeat(whole, 2, axis=0)[::2],
        "swapped": lambda: np.asfortranarray(whole),
    }[kind]()
    rows = np.arange(100, 300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tile = load_tile(corpus, rows, FP32, None, "cpu", Room())
    assert np.array_equal(tile.vectors.numpy(), whole[rows])
    assert np.shares_memory(tile.vectors.numpy(), corpus) == (kind == "in memory")
    assert tile.norm >= np.linalg.norm(whole[rows].astype(np.float64), axis=1).max()


def test_rows_in_place_that_hold_nan_or_are_huge_are_not_multiplied():
    corpus = np.ones((50, 4), dtype=np.float32)
    corpus[20] = 1e30
    assert load_tile(corpus, np.arange(10, 30), FP32, None, "cpu", Room()).norm == np.inf
    corpus[25, 2] = np.nan
    with pytest.raises(EncodingError, match="Row 25 of the corpus"):
        load_tile(corpus, np.arange(10, 30), FP32, None, "cpu", Room())


@pytest.mark.parametrize("precision", PRECISIONS, ids=lambda one: one.name)
@pytest.mark.parametrize("largest", [1.0, 1e30])
def test_the_next_block_of_queries_finds_tiles_measured_and_the_same(precision, largest, monkeypatch):
    queries, corpus = embeddings("plain", 3, 200, 16, half=False, seed=8)
    corpus[50] *= largest
    tiles, chosen, rows = Tiles(corpus, None, "cpu"), Filter.of(queries, precision, None, "cpu"), np.arange(200)
    first = tiles.load(rows, chosen, Room())
    monkeypatch.setattr(torch.linalg, "vector_norm", None)
    monkeypatch.setattr(torch.Tensor, "norm", None)
    again = tiles.load(rows, chosen, Room())
    assert torch.equal(first.vectors, again.vectors)
    assert (first.norm, first.residual) == (again.norm, again.residual)
    assert np.isinf(first.norm) == (largest > 1 and precision.name != "fp64")
    with pytest.raises(TypeError):
        tiles.load(rows[1:], chosen, Room())
