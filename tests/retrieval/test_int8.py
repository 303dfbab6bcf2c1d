"""Searches that look in int8 first: they find the same, and stop looking where it does not pay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.retrieval.brute_force import KINDS, OTHER, assert_same, brute_force, embeddings, some_sets
from tests.retrieval.loops import looping
from tests.retrieval.test_int8_products import in_16_bits

from mbench.core.errors import UserError
from mbench.retrieval import looking, plan, rounded, scan
from mbench.retrieval.int8 import WIDEST, most_of_pair
from mbench.retrieval.path import RUN, Path, rows_of
from mbench.retrieval.probe import fastest_precision
from mbench.retrieval.rounded import Trial
from mbench.retrieval.search import _format
from mbench.search import top_k

pytestmark = pytest.mark.skipif(not most_of_pair(768), reason="this torch or processor does not multiply int8 rightly")


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


OPTIONS = [
    (False, 1, None, True), (True, 3, None, False), (True, 3, None, True), (True, 1, 2, False), (False, 3, 1, True),
]  # fmt: skip
"""Half precision, threads, units that two neighbours may have together, compiled loops."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
def test_the_first_k_are_those_of_the_full_list(kind, options, looks, monkeypatch):
    half, workers, together, loops = options
    if together is not None:
        monkeypatch.setattr(rounded, "most_of_pair", lambda width: 254 // together + together - 1)
        monkeypatch.setattr(looking, "products", in_16_bits(together))
    queries, corpus = embeddings(kind, 20, 9001, 12, half=half, seed=6)
    rng = np.random.default_rng(1)
    exclude, ranks = some_sets(rng, 20, 9001, 90), rng.permutation(9001)
    with looping(loops):
        found = top_k(queries, corpus, 7, exclude=exclude, tie_ranks=ranks, precision="int8", workers=workers)
    assert_same(found, brute_force(queries, corpus, 7, exclude, None, ranks), kind)
    if kind in ("plain", "anisotropic"):
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
    monkeypatch.setattr(Path, "samples", lambda path: taken.extend(map(rows_of, found := samples(path))) or found)
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


def test_what_is_known_of_one_sample_is_not_taken_for_another_of_the_same_ends_and_size(looks, monkeypatch):
    monkeypatch.setattr(plan, "SHAPES", ((1024, 1024 * 20),))
    monkeypatch.setattr(plan, "LARGEST_BLOCK", 20)
    taken: list[np.ndarray] = []
    samples = Path.samples
    monkeypatch.setattr(Path, "samples", lambda path: taken.append(rows_of(samples(path)[0])) or samples(path))
    queries, corpus = embeddings("plain", 24, 9700, 32, half=False, seed=3)
    top_k(queries, corpus, 50, precision="int8")
    many, few = taken
    assert (many[0], many[-1], len(many)) == (few[0], few[-1], len(few))
    # In the sample of the last queries alone: what cancels out in the scores, but not in how wrong float32 is.
    queries[:, 16:] = queries[:, :16]
    other = np.setdiff1d(few, many)
    corpus[other] += np.outer((-1) ** other, np.repeat([1e6, -1e6], 16)).astype(np.float32)
    assert_same(top_k(queries, corpus, 50, precision="int8"), brute_force(queries, corpus, 50))


def test_a_trial_goes_on_while_it_wins_twice_as_often_as_it_loses():
    trial = Trial()
    for few in [True] * 10 + [False] * 8:
        assert trial.pays
        trial.note(few)
    assert not trial.pays


def test_int8_is_refused_where_it_cannot_be_exact(monkeypatch):
    queries, corpus = embeddings("plain", 20, 9000, 12, half=False, seed=1)
    with pytest.raises(UserError, match=r"needs the device cpu \(given: cpu:0\).* give precision auto"):
        top_k(queries, corpus, 5, precision="int8", device=OTHER)
    monkeypatch.setattr("mbench.retrieval.search.most_of_pair", lambda width: 0)
    with pytest.raises(UserError, match="a processor and a torch that multiply int8 without error"):
        top_k(queries, corpus, 5, precision="int8")


@pytest.mark.parametrize(
    ("n_queries", "d", "n", "k", "chosen"),
    [
        (400, 256, 100_000, 100, "int8"),
        (200, 256, 100_000, 100, "fp32"),
        (400, 64, 100_000, 100, "fp32"),
        (400, WIDEST + 1, 100_000, 100, "fp32"),
        (400, 256, 100_000, 1000, "fp32"),
    ],
)
def test_int8_is_chosen_where_it_pays(n_queries, d, n, k, chosen, monkeypatch):
    monkeypatch.setattr("mbench.retrieval.search.fastest_precision", lambda device: "int8")
    assert _format("auto", "cpu", np.zeros((n_queries, d), dtype=np.float32), n, k) == chosen
    monkeypatch.setattr("mbench.retrieval.search.most_of_pair", lambda width: 0)
    assert _format("auto", "cpu", np.zeros((n_queries, d), dtype=np.float32), n, k) == "fp32"


def test_int8_is_chosen_only_where_it_is_exact_and_faster(monkeypatch):
    asked = {"bf16": 3.0, "fp32": 2.0, "int8": 1.0}
    monkeypatch.setattr("mbench.retrieval.probe._product", lambda vectors, precision: asked[precision.name])
    monkeypatch.setattr("mbench.retrieval.probe._product_in_int8", lambda vectors: asked["int8"])
    monkeypatch.setattr("mbench.retrieval.probe.seconds", lambda product: product)
    chosen = []
    for seconds, most in ((1.0, 128), (1.0, 0), (1.5, 254)):
        asked["int8"] = seconds
        monkeypatch.setattr("mbench.retrieval.probe.most_of_pair", lambda width, most=most: most)
        fastest_precision.cache_clear()
        chosen.append(fastest_precision("cpu"))
    fastest_precision.cache_clear()
    assert chosen == ["int8", "fp32", "fp32"]


@pytest.mark.parametrize("d", [1, 2, 258])
def test_outlying_numbers_of_vectors_of_any_length_mislead_no_search(d, looks):
    rng = np.random.default_rng(d)
    queries = (np.resize([100, 0.5, 0.5, 100], (20, d)) + 0.01 * rng.standard_normal((20, d))).astype(np.float32)
    corpus = (np.resize([1, 0.1, 0.1, 1], (9008, d)) + 0.3 * rng.standard_normal((9008, d))).astype(np.float32)
    assert_same(top_k(queries, corpus, 7, precision="int8"), brute_force(queries, corpus, 7))
    assert looks.left


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_what_the_program_around_prefers_does_not_matter(dtype, looks):
    queries, corpus = embeddings("plain", 16, 9008, 12, half=False, seed=2)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device("meta"):
            found = top_k(queries, corpus, 7, precision="int8")
    finally:
        torch.set_default_dtype(before)
    assert_same(found, brute_force(queries, corpus, 7))
    assert looks.left


def test_samples_of_a_large_corpus_are_made_as_fast_as_they_are_long():
    path = Path(10**8, 10**8 // 4, 3000, 4)
    samples = path.samples()
    assert 0 <= sum(len(one) for sample in samples for one in sample) - 10**8 // 4 <= path.stretch
    assert [sample[0].start for sample in samples[:3]] == [0, path.period, 2 * path.period]
