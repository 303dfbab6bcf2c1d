"""Diagnostics against their definitions, written out, and against what must never be said: NaN, or a number of
nothing."""

from __future__ import annotations

import json
import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, skew
from tests.data.small import tiles
from tests.scoring.helpers import labels, rankings, task

from mbench.core.specs import TaskSpec
from mbench.core.types import EvalData, Floats, Judgments, Rankings, Sets, Vectors
from mbench.data.table import ArrowTable
from mbench.scoring import geometry
from mbench.scoring.calibration import auroc, top_score_auroc
from mbench.scoring.diagnostics import diagnose, is_possible
from mbench.scoring.geometry import Embedded, anisotropy, hubness, modality_gap, sample_of, sampled_units, shape

SPEC = task(["hit@1"])


def units(seed: int, n: int, d: int = 6, shift: float = 0.0) -> Floats:
    vectors = np.random.default_rng(seed).normal(shift, 1, size=(n, d))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def table(n: int) -> ArrowTable:
    return ArrowTable.of({"id": [f"{row:05d}" for row in range(n)], "text": ["a"] * n}, name="items")


def with_scores(scores: Floats) -> Rankings:
    """Every query ranks all candidates by its row of `scores`."""
    ids = np.argsort(-scores, axis=1, kind="stable").astype(np.int64)
    return Rankings(ids, np.take_along_axis(scores, ids, axis=1))


def small(n_q: int = 4, n_c: int = 30) -> tuple[EvalData, Rankings]:
    scores = np.random.default_rng(5).normal(size=(n_q, n_c))
    found = with_scores(scores)
    right = [[int(found.ids[query, query % 2])] for query in range(n_q)]
    return EvalData(table(n_q), table(n_c), Judgments({"relevant": Sets.of(right)})), found


def test_anisotropy_is_the_mean_cosine_of_all_pairs() -> None:
    vectors = units(1, 40, shift=0.4)
    expected = np.mean([a @ b for a, b in combinations(vectors, 2)])
    assert anisotropy(vectors) == pytest.approx(float(expected), abs=1e-12)


def test_embeddings_that_all_agree_have_anisotropy_one_and_a_single_one_has_none() -> None:
    assert anisotropy(np.repeat(units(0, 1), 7, axis=0)) == pytest.approx(1.0)
    assert anisotropy(units(0, 1)) is None


def test_the_gap_is_the_distance_of_the_centroids() -> None:
    some, others = units(2, 50, shift=0.5), units(3, 70)
    expected = math.dist(some.mean(axis=0).tolist(), others.mean(axis=0).tolist())
    assert modality_gap(some, others) == pytest.approx(expected)
    assert modality_gap(some, some) == 0


def test_hubness_is_the_skewness_of_how_often_each_candidate_is_near() -> None:
    found = with_scores(np.random.default_rng(7).normal(size=(60, 45)) + np.linspace(0, 2, 45))
    times = [int((found.ids[:, :10] == candidate).sum()) for candidate in range(45)]
    assert hubness(found, 45) == pytest.approx(float(skew(times)))


def test_a_hub_raises_hubness() -> None:
    scores = np.random.default_rng(8).normal(size=(80, 60))
    without = hubness(with_scores(scores), 60)
    scores[:, 3] += 50
    among_all = hubness(with_scores(scores), 60)
    assert without is not None and among_all is not None and among_all > without + 1


def test_hubness_is_not_said_where_every_candidate_is_near_to_every_query() -> None:
    assert hubness(with_scores(units(1, 5, 10)), 10) is None
    assert hubness(rankings([[0, 1, 2]]), 30) is None
    rotating = [[(start + step) % 20 for step in range(10)] for start in range(20)]
    assert hubness(rankings(rotating), 20) is None


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_auroc_is_the_share_of_pairs_in_the_right_order_with_ties_half(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in pairs])
    positive = np.array([right for _, right in pairs])
    found = auroc(scores, positive)
    if positive.all() or not positive.any():
        assert found is None
        return
    expected = mannwhitneyu(scores[positive], scores[~positive]).statistic / (positive.sum() * (~positive).sum())
    assert found == pytest.approx(float(expected))


def test_a_top_score_that_tells_right_from_wrong_has_auroc_one() -> None:
    found = Rankings(np.array([[0], [1], [2], [-1]]), np.array([[0.9], [0.8], [0.1], [-np.inf]]))
    assert top_score_auroc(found, labels([[0], [1], [5], [5]])) == 1.0
    assert top_score_auroc(found, labels([[7], [1], [5], [5]])) == 0.5


def test_queries_without_a_right_answer_do_not_count_as_wrong() -> None:
    found = Rankings(np.array([[0], [1], [2]]), np.array([[0.9], [0.1], [0.99]]))
    assert top_score_auroc(found, labels([[0], [5], []])) == 1.0


def test_all_that_is_said_is_finite_and_json() -> None:
    data, found = small()
    embedded = Embedded(units(1, 4).astype(np.float32), units(2, 30).astype(np.float32))
    told = diagnose(SPEC, data, found, embedded)
    assert set(told) == {"tied_at_cut@1", "top_score_auroc", "hubness@10", "anisotropy"}
    assert json.dumps(told, allow_nan=False)


def test_a_model_that_says_the_same_of_all_is_told_without_nan() -> None:
    data, _ = small()
    same: Vectors = np.full((30, 4), 0.5, dtype=np.float32)
    tied = Rankings(np.tile(np.arange(30), (4, 1)), np.ones((4, 30)))
    told = diagnose(SPEC, data, tied, Embedded(same[:4], same))
    assert told["tied_at_cut@1"] == 1.0 and told["anisotropy"] == pytest.approx(1.0)
    assert told["hubness@10"] == pytest.approx(float(skew([4] * 10 + [0] * 20)))
    assert json.dumps(told, allow_nan=False)


def test_zero_vectors_of_a_dot_model_do_not_become_nan() -> None:
    assert sampled_units(np.zeros((3, 4), dtype=np.float32), np.arange(3)).tolist() == [[0.0] * 4] * 3


def test_withheld_labels_leave_what_embeddings_tell() -> None:
    data, found = small()
    blind = EvalData(data.queries, data.corpus, Judgments({}))
    assert set(diagnose(SPEC, blind, found)) == {"hubness@10"}


def test_galleries_have_no_hubs() -> None:
    data, found = small()
    spec = SPEC.model_copy(update={"candidates": SPEC.candidates.model_copy(update={"pool": "gallery"})})
    assert "hubness@10" not in diagnose(TaskSpec.model_validate(spec.model_dump()), data, found)


def test_a_mixed_pool_has_a_gap_within_it_and_other_pools_one_to_the_queries() -> None:
    columns = {"id": ["a", "b", "c", "d"], "text": ["one", "two", None, None], "image": [None, None, "red", "blue"]}
    mixed = ArrowTable.of(columns, name="candidates", pictures=tiles())
    vectors = units(4, 4).astype(np.float32)
    told = shape(table(4), mixed, Embedded(vectors, vectors), 0)
    wide = sampled_units(vectors, np.arange(4))
    assert told["modality_gap_in_corpus"] == pytest.approx(modality_gap(wide[:2], wide[2:]))
    assert "modality_gap" not in told
    pictures = mixed.select(np.array([2, 3]))
    assert shape(table(4), pictures, Embedded(vectors, vectors[:2]), 0)["modality_gap"] == pytest.approx(
        modality_gap(wide, wide[:2])
    )


def test_a_large_corpus_is_sampled_the_same_way_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry, "SAMPLE", 10)
    rows = sample_of(1000, seed=3)
    assert len(set(rows.tolist())) == 10 and rows.tolist() == sample_of(1000, seed=3).tolist()
    assert rows.tolist() != sample_of(1000, seed=4).tolist()
    assert sample_of(7, seed=3).tolist() == list(range(7))


@pytest.mark.parametrize(
    ("key", "value", "possible"),
    [
        ("tied_at_cut@5", 0.25, True),
        ("anisotropy", -0.001, True),
        ("relevant_not_in_corpus", 30, True),
        ("tied_at_cut@5", 1.5, False),
        ("anisotropy", -1e308, False),
        ("hubness@10", float("inf"), False),
        ("tied_at_cut@x", 0.25, False),
        ("tied_at_cut", True, False),
        ("=cmd|calc", 1.0, False),
    ],
)
def test_what_no_diagnostic_can_be_is_told_apart(key: str, value: float, possible: bool) -> None:
    assert is_possible(key, value) is possible
