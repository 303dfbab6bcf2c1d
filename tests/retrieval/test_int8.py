"""Looks in int8: they never drop what belongs to the result, on no processor, and stop where they do not pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.retrieval.brute_force import KINDS, OTHER, assert_same, brute_force, embeddings, some_sets

from mbench.core.errors import UserError
from mbench.retrieval import int8, looking, plan, rounded, scan
from mbench.retrieval.filters import FP32, Filter
from mbench.retrieval.int8 import LARGEST, WIDEST, largest_pairs, most_of_pair, pair_products
from mbench.retrieval.path import RUN, Path
from mbench.retrieval.probe import fastest_precision
from mbench.retrieval.rounded import RoundedQueries, RoundedTile, Trial
from mbench.retrieval.search import _format
from mbench.retrieval.tiles import load_tile
from mbench.retrieval.workers import Room
from mbench.search import top_k

Multiply = Callable[..., torch.Tensor]

pytestmark = pytest.mark.skipif(not most_of_pair(), reason="this torch or processor does not multiply int8 rightly")


@pytest.fixture(autouse=True)
def _forget_the_processor() -> Iterator[None]:
    most_of_pair.cache_clear()
    yield
    most_of_pair.cache_clear()


def in_16_bits(together: int) -> Multiply:
    """Multiply as a processor that adds up so many neighbours of (candidate + 128) * query in 16 bits."""

    def multiply(candidates: torch.Tensor, queries: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        shifted, numbers = candidates.numpy().astype(np.int32) + 128, queries.numpy().astype(np.int32)
        empty = -shifted.shape[1] % together
        shifted, numbers = (np.pad(one, ((0, 0), (0, empty))) for one in (shifted, numbers))
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
    [(in_16_bits(1), 254), (in_16_bits(2), 128), (in_16_bits(4), 0), (in_float32, 0), (not_at_all, 0)],
)
def test_it_is_found_out_what_a_processor_multiplies_without_error(multiply, most, monkeypatch):
    monkeypatch.setattr(int8, "SHAPES", ((1, 16, 5), (2, 17, 63), (3, 16, WIDEST)))
    monkeypatch.setattr(int8, "products", multiply)
    assert most_of_pair() == most


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
    n=st.sampled_from([48, 50]),
    d=st.sampled_from([1, 2, 5, 64, 300]),
    half=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_product_lies_under_a_limit_that_its_pair_reaches(kind, n, d, half, seed):
    queries, tile, exact = rounded_pair(*embeddings(kind, 16, n, d, half=half, seed=seed))
    products = tile.vectors.double() @ queries.vectors.double().T
    size = n // len(tile.units)
    for row in range(n):
        limits = queries.limits(tile, exact[row])
        assert (products[row].numpy() >= limits[row // size]).all()


def test_limits_are_narrow_enough_to_drop_most_of_a_random_corpus():
    queries, tile, exact = rounded_pair(*embeddings("plain", 20, 4096, 768, half=False, seed=0))
    limits = 2.5 * exact.std(axis=0)
    products = (tile.vectors.double() @ queries.vectors.double().T).numpy().reshape(len(tile.units), -1, 20)
    share = (products >= queries.limits(tile, limits)[:, None]).mean()
    assert (exact >= limits).mean() < share < 0.06


@pytest.mark.parametrize("limit", [-np.inf, np.nan, np.inf, 1e300, -1e300])
def test_limits_that_are_no_numbers_keep_all_or_nothing(limit):
    queries, tile, _ = rounded_pair(*embeddings("plain", 16, 32, 8, half=False, seed=3))
    found = queries.limits(tile, np.full(16, limit))
    assert (found > int8.EXCLUDED).all()
    assert (found == (-(int8.EXCLUDED + 1) if limit > 0 else int8.EXCLUDED + 1)).all()


@pytest.mark.parametrize("d", [1, 2, 7, 64])
@pytest.mark.parametrize("kind", ["plain", "rising", "zeros", "signs"])
def test_queries_for_a_processor_with_few_bits_lose_none(kind, d, monkeypatch):
    monkeypatch.setattr(rounded, "most_of_pair", lambda: 128)
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


class Looks:
    """How many looks were taken in int8, and what they left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: list[int | None] = []
        reaching = looking.reaching

        def watched(*args: Any) -> Any:
            found = reaching(*args)
            self.left.append(None if found is None else len(found[0]))
            return found

        monkeypatch.setattr(looking, "reaching", watched)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    monkeypatch.setattr(plan, "SHAPES", ((512, 256 * 20),))
    return Looks(monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [(False, 1, None), (True, 3, None), (True, 1, 2), (False, 3, 1)])
def test_the_first_k_are_those_of_the_full_list(kind, options, looks, monkeypatch):
    half, workers, together = options
    if together is not None:
        monkeypatch.setattr(rounded, "most_of_pair", lambda: 254 // together + together - 1)
        monkeypatch.setattr(looking, "products", in_16_bits(together))
    queries, corpus = embeddings(kind, 20, 9001, 12, half=half, seed=6)
    rng = np.random.default_rng(1)
    exclude, ranks = some_sets(rng, 20, 9001, 90), rng.permutation(9001)
    found = top_k(queries, corpus, 7, exclude=exclude, tie_ranks=ranks, precision="int8", workers=workers)
    assert_same(found, brute_force(queries, corpus, 7, exclude, None, ranks), kind)
    if kind in ("plain", "anisotropic", "rising"):
        assert any(looks.left), "no look in int8 left anything, or there was none"


def test_the_best_that_are_excluded_stay_away(looks):
    queries, corpus = embeddings("plain", 16, 9000, 12, half=False, seed=7)
    best = top_k(queries, corpus, 40)
    exclude = some_sets(np.random.default_rng(0), 16, 9000, 1).of(list(best.ids))
    found = top_k(queries, corpus, 5, exclude=exclude, precision="int8")
    assert_same(found, brute_force(queries, corpus, 5, exclude))
    assert any(looks.left)


def test_samples_that_mislead_are_noticed(looks, monkeypatch):
    taken: list[np.ndarray] = []
    samples = Path.samples
    monkeypatch.setattr(Path, "samples", lambda path: taken.extend(found := samples(path)) or found)
    queries, corpus = embeddings("plain", 16, 20_000, 12, half=False, seed=8)
    queries[:, 0], corpus[:, 0] = 3, 0
    top_k(queries, corpus, 30, precision="int8", workers=1)
    assert len(taken) > 2
    corpus[np.concatenate(taken)[5::RUN][:29], 0] = 50
    missed: list[int] = []
    again = scan.Scan._again
    monkeypatch.setattr(scan.Scan, "_again", lambda *args: missed.append(len(args[2])) or again(*args))
    assert_same(top_k(queries, corpus, 30, precision="int8", workers=1), brute_force(queries, corpus, 30))
    assert missed == [16]
    assert any(looks.left)


def test_looking_in_int8_ends_where_it_decides_nothing(looks):
    rng = np.random.default_rng(9)
    near = rng.standard_normal(64) + 1e-4 * rng.standard_normal((20_000, 64))
    queries = rng.standard_normal((20, 64)).astype(np.float32)
    corpus = near.astype(np.float32)
    corpus[::2] *= -1
    found = top_k(queries, corpus, 10, precision="int8", workers=1)
    assert_same(found, brute_force(queries, corpus, 10))
    assert looks.left == [None] * 3


def test_a_trial_goes_on_while_it_wins_twice_as_often_as_it_loses():
    trial = Trial()
    for few in [True] * 10 + [False] * 8:
        assert trial.pays
        trial.note(few)
    assert not trial.pays


def test_int8_is_refused_where_it_cannot_be_exact(monkeypatch):
    queries, corpus = embeddings("plain", 400, 9000, 12, half=False, seed=1)
    with pytest.raises(UserError, match="does not multiply int8 without error; give precision auto"):
        top_k(queries, corpus, 5, precision="int8", device=OTHER)
    monkeypatch.setattr("mbench.retrieval.search.fastest_precision", lambda device: "int8")
    assert _format("auto", "cpu", queries) == "int8"
    assert _format("auto", "cpu", queries[:200]) == "fp32"
    assert _format("auto", "cpu", np.zeros((400, WIDEST + 1), dtype=np.float32)) == "fp32"
    monkeypatch.setattr("mbench.retrieval.search.most_of_pair", lambda: 0)
    with pytest.raises(UserError, match="does not multiply int8"):
        top_k(queries, corpus, 5, precision="int8")


def test_int8_is_chosen_only_where_it_is_exact_and_faster(monkeypatch):
    asked = {"bf16": 3.0, "fp32": 2.0, "int8": 1.0}
    monkeypatch.setattr("mbench.retrieval.probe._product", lambda vectors, precision: asked[precision.name])
    monkeypatch.setattr("mbench.retrieval.probe._product_in_int8", lambda vectors: asked["int8"])
    monkeypatch.setattr("mbench.retrieval.probe._seconds", lambda product: product)
    chosen = []
    for seconds, most in ((1.0, 128), (1.0, 0), (1.5, 254)):
        asked["int8"] = seconds
        monkeypatch.setattr("mbench.retrieval.probe.most_of_pair", lambda most=most: most)
        fastest_precision.cache_clear()
        chosen.append(fastest_precision("cpu"))
    fastest_precision.cache_clear()
    assert chosen == ["int8", "fp32", "fp32"]
