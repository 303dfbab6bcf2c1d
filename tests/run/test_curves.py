"""Cheaper embeddings: each code against its definition, each point against a ranking made by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.run.helpers import Counting, candidates, data_of, hit_at_1, model, queries, run, units

from mbench.core.errors import UserError
from mbench.core.extras import Point
from mbench.core.types import Encoder, Vectors
from mbench.retrieval.space import Space
from mbench.run.curves import as_binary, as_int8, as_they_are, check_dims, cut
from mbench.run.settings import Extras

TASK = "emoji-vqa"
VECTORS = arrays(np.float32, (7, 5), elements=st.floats(-4, 4, width=32, allow_subnormal=False))


@pytest.fixture(scope="module")
def points() -> dict[tuple[int, str], Point]:
    found = run(TASK, Extras(dims=(32, 5), quantize=("binary", "int8"))).curves
    assert found is not None
    return {(one.dims, one.precision): one for one in found}


def brute(dims: int, precision: str) -> float:
    data = data_of(TASK)
    asked, corpus = units(queries(data), "query")[:, :dims], units(candidates(data), "candidate")[:, :dims]
    asked, corpus = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (asked, corpus))
    if precision == "int8":
        scales = np.abs(corpus).max(axis=0) / 127
        corpus = np.round(corpus / scales).clip(-127, 127) * scales
    if precision == "binary":
        bits = [np.packbits(one > 0, axis=1) for one in (asked, corpus)]
        return hit_at_1(data, -np.unpackbits(bits[0][:, None] ^ bits[1][None], axis=2).sum(axis=2).astype(np.float64))
    return hit_at_1(data, asked @ corpus.T)


def test_all_cuts_come_in_all_precisions_the_full_one_first(points: dict[tuple[int, str], Point]) -> None:
    codes = ["float32", "int8", "binary"]
    assert list(points) == [(dims, code) for dims in (128, 32, 5) for code in codes]


@pytest.mark.parametrize("dims", [128, 32, 5])
@pytest.mark.parametrize("precision", ["float32", "int8", "binary"])
def test_each_point_is_the_score_of_those_embeddings(
    points: dict[tuple[int, str], Point], dims: int, precision: str
) -> None:
    assert points[dims, precision].metrics["hit@1"].value == pytest.approx(brute(dims, precision))


def test_the_full_float_point_is_the_run_s_own_score(points: dict[tuple[int, str], Point]) -> None:
    assert points[128, "float32"].metrics == run(TASK).metrics


def test_bytes_are_those_that_are_stored(points: dict[tuple[int, str], Point]) -> None:
    stored = {key: one.bytes_per_candidate for key, one in points.items()}
    assert (stored[128, "float32"], stored[128, "int8"], stored[128, "binary"]) == (512, 128, 16)
    assert (stored[5, "float32"], stored[5, "int8"], stored[5, "binary"]) == (20, 5, 1)


def test_coarse_codes_tie_and_say_so(points: dict[tuple[int, str], Point]) -> None:
    assert points[5, "binary"].tied_at_cut > points[128, "float32"].tied_at_cut


def test_embeddings_larger_than_memory_give_the_same_points() -> None:
    """With --memory the candidates, their cuts and their codes lie in files."""
    assert Space(4_000).limit < 578 * 32 * 2
    corpus: Vectors = np.random.default_rng(1).normal(size=(578, 128)).astype(np.float32)
    asked = corpus[:3, :32]
    for store in (as_int8, as_binary):
        mapped = store(asked, cut(corpus, 32, Space(4_000)), Space(4_000)).corpus
        assert isinstance(mapped, np.memmap)
        assert np.array_equal(mapped, store(asked, cut(corpus, 32, Space()), Space()).corpus)


def test_half_precision_embeddings_are_said_to_take_half_the_bytes() -> None:
    halves = np.random.default_rng(2).normal(size=(9, 8)).astype(np.float16)
    stored = as_they_are(np.zeros((1, 8), np.float32), cut(halves, 4, Space()), Space())
    assert stored.corpus.dtype == np.float16 and stored.bytes_per_candidate == 8


def test_nothing_is_embedded_again() -> None:
    plain, cheap = Counting(model()), Counting(model())
    run(TASK, encoder=plain)
    run(TASK, Extras(dims=(64,), quantize=("int8",)), encoder=cheap)
    assert cheap.embedded == plain.embedded


@given(VECTORS)
@settings(max_examples=60, deadline=None)
def test_int8_is_off_by_at_most_half_a_step_of_each_dimension(corpus: Vectors) -> None:
    asked = np.eye(5, dtype=np.float32)
    stored = as_int8(asked, corpus, Space())
    codes = stored.corpus.astype(np.float64)
    assert np.array_equal(codes, codes.astype(np.int8))
    decoded = codes @ stored.queries.astype(np.float64).T
    steps = np.abs(corpus.astype(np.float64)).max(axis=0) / 127
    assert (np.abs(decoded - corpus) <= steps / 2 + 1e-6).all()


@given(VECTORS, VECTORS)
@settings(max_examples=60, deadline=None)
def test_the_dot_product_of_binary_codes_counts_differing_signs(some: Vectors, others: Vectors) -> None:
    stored = as_binary(some, others, Space())
    differing = ((some > 0)[:, None] != (others > 0)[None]).sum(axis=2)
    assert np.array_equal(stored.queries @ stored.corpus.astype(np.float32).T, 5 - 2 * differing)


@given(VECTORS, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_cut_has_unit_length_unless_nothing_is_left(vectors: Vectors, dims: int) -> None:
    short = cut(vectors, dims, Space())
    if dims == 5:
        assert short is vectors
        return
    kept = vectors[:, :dims].astype(np.float64)
    norms = np.linalg.norm(kept, axis=1, keepdims=True)
    expected = np.divide(kept, norms, out=np.zeros_like(kept), where=norms > 0)
    assert np.allclose(short, expected, atol=1e-6)


def test_more_dimensions_than_there_are_are_refused_before_anything_is_embedded() -> None:
    counting = Counting(model())
    with pytest.raises(UserError, match=r"--dims 500: model 'tiny' has 128 dimensions; ask for 128 or fewer"):
        run(TASK, Extras(dims=(64, 500)), encoder=counting)
    assert not counting.embedded


def test_a_card_that_does_not_tell_its_dimension_is_refused_once_it_is_known() -> None:
    silent = changed(model(), dimension=None)
    with pytest.raises(UserError, match="--dims 500"):
        run(TASK, Extras(dims=(500,)), encoder=silent)


def test_a_dot_product_model_is_not_cut_but_can_be_quantised() -> None:
    dot = changed(model(), similarity="dot")
    with pytest.raises(UserError, match=r"--dims: .* dot product"):
        check_dims(Extras(dims=(64,)), dot.card, 128)
    found = run(TASK, Extras(quantize=("int8",)), encoder=dot).curves
    assert found is not None and [one.precision for one in found] == ["float32", "int8"]


def changed(encoder: Encoder, **card: object) -> Encoder:
    other = Counting(encoder)
    other.card = encoder.card.model_copy(update=card)
    return other
