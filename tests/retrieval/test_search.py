"""Exact search: whatever the data, the first k of the full list, to the last bit."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.retrieval.brute_force import KINDS, OTHER, assert_same, brute_force, embeddings, some_sets
from tests.retrieval.loops import looping

from mbench.core.errors import EncodingError, UserError
from mbench.core.types import Sets
from mbench.retrieval import plan
from mbench.search import Rankings, top_k

PRECISIONS = ("bf16", "fp32", "fp64")


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    shape=st.tuples(
        st.integers(1, 12), st.sampled_from([1, 2, 15, 16, 63, 200, 777]), st.sampled_from([1, 2, 3, 7, 64])
    ),
    k=st.sampled_from([1, 2, 10, 90]),
    options=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
    precision=st.sampled_from(["auto", *PRECISIONS]),
    device=st.sampled_from(["cpu", OTHER]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_brute_force(kind, shape, k, options, precision, device, seed):
    rng = np.random.default_rng(seed)
    half, excluding, ranked, loops = options
    queries, corpus = embeddings(kind, *shape, half=half, seed=seed)
    exclude = some_sets(rng, *shape[:2], 20) if excluding else None
    tie_ranks = rng.permutation(shape[1]) if ranked else None
    with looping(loops):
        found = top_k(
            queries, corpus, k, exclude=exclude, tie_ranks=tie_ranks, precision=precision, workers=2, device=device
        )
    assert_same(found, brute_force(queries, corpus, k, exclude, None, tie_ranks))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("half", [False, True])
def test_many_small_tiles_and_blocks_change_nothing(kind, half, monkeypatch):
    monkeypatch.setattr(plan, "LARGEST_BLOCK", 5)
    monkeypatch.setattr(plan, "SHAPES", ((64, 1024),))
    queries, corpus = embeddings(kind, 12, 1500, 24, half=half, seed=5)
    exclude = some_sets(np.random.default_rng(1), 12, 1500, 90)
    expected = brute_force(queries, corpus, 20, exclude)
    for precision, (workers, loops) in itertools.product(PRECISIONS, ((1, half), (3, not half))):
        with looping(loops):
            found = top_k(queries, corpus, 20, exclude=exclude, precision=precision, workers=workers)
        assert_same(found, expected, precision, workers, loops)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("memory", [16_000_000, 30_000_000, None])
def test_memory_threads_and_precision_do_not_change_a_bit(precision, memory):
    queries, corpus = embeddings("anisotropic", 40, 6000, 48, half=True, seed=2)
    expected = brute_force(queries, corpus, 15)
    for workers, loops in itertools.product((1, 3), (False, True)):
        with looping(loops):
            assert_same(top_k(queries, corpus, 15, memory=memory, workers=workers, precision=precision), expected)


@settings(max_examples=25, deadline=None)
@given(
    n_queries=st.integers(0, 9),
    n=st.integers(1, 60),
    k=st.integers(1, 12),
    precision=st.sampled_from(["auto", "fp32"]),
    loops=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_galleries_equal_brute_force(n_queries, n, k, precision, loops, seed):
    rng = np.random.default_rng(seed)
    queries, corpus = embeddings("duplicates", n_queries, n, 8, half=True, seed=seed)
    galleries, exclude = some_sets(rng, n_queries, n, 25), some_sets(rng, n_queries, n, 5)
    tie_ranks = rng.permutation(n)
    options = {"galleries": galleries, "exclude": exclude, "tie_ranks": tie_ranks, "precision": precision}
    with looping(loops):
        found = top_k(queries, corpus, k, **options)
    assert_same(found, brute_force(queries, corpus, k, exclude, galleries, tie_ranks))


@pytest.mark.usefixtures("both_ways")
def test_scores_are_the_exact_dot_products_to_within_rounding():
    queries, corpus = embeddings("plain", 3, 40, 33, half=False, seed=0)
    found = top_k(queries, corpus, 40)
    for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
        for row, score in zip(ids, scores, strict=True):
            products = [Fraction(float(a)) * Fraction(float(b)) for a, b in zip(query, corpus[row], strict=True)]
            assert abs(Fraction(score) - sum(products)) <= sum(map(abs, products)) * Fraction(8, 2**53)


@pytest.mark.usefixtures("both_ways")
def test_constant_embeddings_give_the_highest_tie_ranks_and_no_crowd():
    corpus = np.ones((30_000, 16), dtype=np.float16)
    ranks = np.random.default_rng(3).permutation(30_000)
    found = top_k(np.ones((40, 16), dtype=np.float32), corpus, 5, tie_ranks=ranks, memory=20_000_000)
    assert (found.ids == np.argsort(-ranks)[:5]).all()
    assert (found.scores == 16).all()


@pytest.mark.usefixtures("both_ways")
def test_copies_that_are_excluded_do_not_use_up_the_places_of_those_that_are_not():
    corpus = np.ones((6000, 4), dtype=np.float16)
    exclude = Sets.of([range(5990, 6000), [], [5999, 0]])
    found = top_k(np.ones((3, 4), dtype=np.float32), corpus, 2, exclude=exclude)
    assert found.ids.tolist() == [[5989, 5988], [5999, 5998], [5998, 5997]]


@pytest.mark.usefixtures("both_ways")
def test_ties_at_the_cut_go_to_the_higher_rank_even_when_it_comes_first_in_the_corpus():
    corpus = np.zeros((5000, 4), dtype=np.float32)
    corpus[[7, 3000, 4999], 0] = 1
    ranks = np.arange(5000)[::-1].copy()
    found = top_k(np.eye(1, 4, dtype=np.float32), corpus, 2, tie_ranks=ranks)
    assert found.ids.tolist() == [[7, 3000]]
    assert top_k(np.eye(1, 4, dtype=np.float32), corpus, 2).ids.tolist() == [[4999, 3000]]


@pytest.mark.usefixtures("both_ways")
def test_order_of_ties_is_that_of_trec_eval():
    rng = np.random.default_rng(8)
    names = [f"d{number}" for number in rng.permutation(300)]
    tie_ranks = np.argsort(np.argsort(names)).astype(np.int64)
    corpus = rng.integers(-1, 2, (300, 4)).astype(np.float32)
    queries = rng.integers(-1, 2, (10, 4)).astype(np.float32)
    found = top_k(queries, corpus, 12, tie_ranks=tie_ranks)
    for query, ids in zip(queries, found.ids, strict=True):
        run = {"q": {name: float(score) for name, score in zip(names, corpus @ query, strict=True)}}
        for place, row in enumerate(ids):
            judged = pytrec_eval.RelevanceEvaluator({"q": {names[row]: 1}}, {"recip_rank"}).evaluate(run)
            assert judged["q"]["recip_rank"] == pytest.approx(1 / (place + 1))


@pytest.mark.usefixtures("both_ways")
def test_the_best_is_removed_before_the_cut_and_not_after():
    queries, corpus = embeddings("plain", 4, 6000, 8, half=True, seed=1)
    best = top_k(queries, corpus, 3)
    rest = top_k(queries, corpus, 2, exclude=Sets.of(best.ids[:, :1].tolist()))
    np.testing.assert_array_equal(rest.ids, best.ids[:, 1:])


@pytest.mark.usefixtures("both_ways")
def test_a_query_left_with_fewer_candidates_is_filled_with_minus_one():
    corpus = np.ones((4, 2), dtype=np.float32)
    found = top_k(corpus[:3], corpus, 9, galleries=Sets.of([[0, 0, 2], [], [1]]), exclude=Sets.of([[3], [1], [1]]))
    assert found.ids.tolist() == [[2, 0], [-1, -1], [-1, -1]]
    assert found.scores.tolist() == [[2.0, 2.0], [-np.inf, -np.inf], [-np.inf, -np.inf]]


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize(("n_queries", "n", "shape"), [(0, 5, (0, 0)), (3, 0, (3, 0)), (3, 2, (3, 2))])
def test_nothing_to_search_and_k_beyond_the_corpus(n_queries, n, shape):
    found = top_k(np.ones((n_queries, 3), dtype=np.float32), np.ones((n, 3), dtype=np.float16), 7)
    assert isinstance(found, Rankings)
    assert found.ids.shape == found.scores.shape == shape


@pytest.mark.usefixtures("both_ways")
def test_memmaps_and_strided_views_are_searched_like_arrays(tmp_path: Path):
    queries, corpus = embeddings("plain", 5, 3000, 32, half=True, seed=4)
    corpus.tofile(tmp_path / "corpus.f16")
    mapped = np.memmap(tmp_path / "corpus.f16", dtype=np.float16, mode="r", shape=corpus.shape)
    assert_same(top_k(queries, mapped, 4), top_k(queries, corpus, 4))
    short = np.ascontiguousarray(queries[:, 3:20])
    assert_same(top_k(short, mapped[:, 3:20], 4), top_k(short, np.ascontiguousarray(corpus[:, 3:20]), 4))
    assert_same(top_k(queries, corpus[::-2], 4), top_k(queries, np.ascontiguousarray(corpus[::-2]), 4))


def test_the_settings_of_torch_are_left_as_they_were_and_do_not_weaken_the_bound():
    before = torch.get_num_threads()
    queries, corpus = embeddings("plain", 20, 5000, 64, half=False, seed=9)
    torch.set_float32_matmul_precision("medium")
    try:
        assert_same(top_k(queries, corpus, 5, precision="fp32"), brute_force(queries, corpus, 5))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [40, 9000])
def test_a_bad_vector_is_named_by_its_row(bad, n):
    queries, corpus = embeddings("plain", 3, n, 8, half=True, seed=0)
    corpus[n - 7, 3] = bad
    with pytest.raises(EncodingError, match=f"Row {n - 7} of the corpus"):
        top_k(queries, corpus, 5)
    queries[2, 0] = bad
    with pytest.raises(EncodingError, match="Row 2 of the queries"):
        top_k(queries, corpus, 5)


FINE = np.ones((2, 3), dtype=np.float32)


@pytest.mark.parametrize(
    ("queries", "corpus", "message"),
    [
        (FINE.astype(np.float64), FINE, "queries must be .* float32, not float64"),
        (FINE, FINE.astype(np.int8), "corpus must be .* float16 or float32, not int8"),
        (FINE, FINE.astype(">f4"), "not >f4"),
        (FINE, FINE.tolist(), "not list"),
        (FINE[0], FINE, r"found \(3,\)"),
        (FINE[:, :2], FINE, "2 dimensions and the corpus has 3"),
        (FINE[:, :0], FINE[:, :0], "dimension of 1 or more"),
    ],
)
def test_vectors_that_cannot_be_compared_are_refused(queries, corpus, message):
    with pytest.raises(EncodingError, match=message):
        top_k(queries, corpus, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k must be 1 or more"),
        ({"workers": 0}, "workers must be 1 or more"),
        ({"memory": 1000}, "1,000 bytes are too few"),
        ({"precision": "bf61"}, "Did you mean 'bf16'"),
        ({"precision": 8}, "One of auto, int8, bf16, fp32, fp64"),
        ({"exclude": Sets.of([[0]])}, "sets for 1 queries, but there are 2"),
        ({"galleries": Sets.of([[0], [1, 2]])}, "query 1 names row 2, but the corpus has 2 rows"),
        ({"exclude": Sets.of([[-1], []])}, "query 0 names row -1"),
        ({"tie_ranks": np.array([1, 1])}, "each of 0..1 once"),
        ({"tie_ranks": np.array([0])}, "each of 0..1 once"),
    ],
)
def test_arguments_that_cannot_be_are_explained(arguments, message):
    with pytest.raises(UserError, match=message):
        top_k(FINE, FINE, **{"k": 1, **arguments})
