"""Whatever the layout and size of the arguments, and the settings of torch, a search finds the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.retrieval.brute_force import OTHER, assert_same, brute_force, embeddings, some_sets
from tests.retrieval.loops import looping

from mbench.retrieval import search
from mbench.retrieval.filters import FP32
from mbench.retrieval.tiles import load_tile
from mbench.retrieval.workers import Room
from mbench.search import top_k


def _spaced(array: np.ndarray) -> np.ndarray:
    wide = np.zeros((2 * len(array), array.shape[1] + 3), dtype=array.dtype)
    wide[::2, :-3] = array
    return wide[::2, :-3]


def _unaligned(array: np.ndarray) -> np.ndarray:
    moved = np.frombuffer(bytearray(array.nbytes + 1), array.dtype, array.size, offset=1).reshape(array.shape)
    moved[...] = array
    return moved


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "column by column": np.asfortranarray,
    "backwards": lambda array: np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1],
    "spaced": _spaced,
    "unaligned": _unaligned,
    "read only": _read_only,
    "a subclass": lambda array: array.view(type("Named", (np.ndarray,), {})),
}


@pytest.mark.filterwarnings("error")
@settings(max_examples=60, deadline=None)
@given(
    of_queries=st.sampled_from(sorted(LAYOUTS)),
    of_corpus=st.sampled_from(sorted(LAYOUTS)),
    half=st.booleans(),
    d=st.sampled_from([1, 2, 9, 130]),
    options=st.sampled_from([{}, {"precision": "bf16"}, {"precision": "fp32"}, {"precision": "fp32", "device": OTHER}]),
    loops=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_layout_of_queries_and_corpus_changes_nothing_and_lets_no_excluded_candidate_in(
    of_queries, of_corpus, half, d, options, loops, seed
):
    queries, corpus = embeddings("plain", 6, 300, d, half=half, seed=seed)
    exclude = some_sets(np.random.default_rng(seed), 6, 300, 200)
    expected = brute_force(queries, corpus, 9, exclude)
    with looping(loops):
        found = top_k(LAYOUTS[of_queries](queries), LAYOUTS[of_corpus](corpus), 9, exclude=exclude, **options)
    assert_same(found, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("d", [1, 6])
def test_a_row_that_is_left_over_for_the_last_tile_is_read_in_any_layout(layout: str, d: int) -> None:
    _, corpus = embeddings("plain", 1, 50, d, half=False, seed=d)
    expected = corpus.copy()
    stored = LAYOUTS[layout](corpus).view(np.ndarray)
    for rows in (np.array([49]), np.array([0]), np.array([3, 4])):
        tile = load_tile(stored, rows, FP32, None, "cpu", Room())
        np.testing.assert_array_equal(tile.vectors.numpy(), expected[rows])


@pytest.mark.skipif(
    not hasattr(torch.backends, "fp32_precision"), reason="no setting for each backend before torch 2.9"
)
def test_a_precision_that_was_set_for_one_backend_of_torch_does_not_end_the_search():
    queries, corpus = embeddings("plain", 20, 5000, 64, half=False, seed=9)
    backend = torch.backends.mkldnn.matmul
    before, backend.fp32_precision = backend.fp32_precision, "bf16"
    try:
        assert_same(top_k(queries, corpus, 5, precision="fp32"), brute_force(queries, corpus, 5))
        assert backend.fp32_precision == "bf16"
    finally:
        backend.fp32_precision = before


def test_many_excluded_pairs_are_looked_up_for_some_queries_at_a_time(monkeypatch: pytest.MonkeyPatch):
    queries, corpus = embeddings("plain", 23, 400, 16, half=False, seed=2)
    exclude = some_sets(np.random.default_rng(2), 23, 400, 90)
    monkeypatch.setattr(search, "EXCLUDED", 100)
    cut = list(search._blocks(23, 10, exclude))
    assert [row for part in cut for row in range(part.start, part.stop)] == list(range(23))
    assert all(part.stop - part.start == 1 or exclude.sizes()[part].sum() <= 100 for part in cut)
    assert_same(top_k(queries, corpus, 9, exclude=exclude, precision="fp32"), brute_force(queries, corpus, 9, exclude))


@pytest.mark.parametrize("n", [40, 3000])
def test_denormal_vectors_are_searched_rightly_in_a_program_that_takes_them_for_zero(n: int) -> None:
    rng = np.random.default_rng(n)
    queries = rng.standard_normal((17, 24), dtype=np.float32)
    corpus = (rng.integers(-9, 10, (n, 24)) * np.float64(1e-44)).astype(np.float32)
    expected = brute_force(queries, corpus, 5)
    assert torch.set_flush_denormal(True)
    try:
        found = top_k(queries, corpus, 5, workers=2)
        assert torch.tensor(1e-41) * 1 == 0, "the program's own setting"
    finally:
        torch.set_flush_denormal(False)
    assert_same(found, expected)
