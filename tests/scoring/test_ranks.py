from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbench.core.errors import DataError
from mbench.core.types import Floats
from mbench.scoring.flips import sign_flip_p
from mbench.scoring.paired import compare, holm
from mbench.scoring.ranks import Ranked, _p_values, rank_ranges


def hits(*shares: float, n: int = 600, seed: int = 0) -> Floats:
    random = np.random.default_rng(seed)
    return (random.random((len(shares), n)) < np.array(shares)[:, None]).astype(np.float64)


def pair_p(a: Floats, b: Floats) -> float:
    return float(_p_values(np.stack([a, b]), np.array([0]), np.array([1]), 0)[0])


def test_models_far_apart_share_ranks() -> None:
    found = rank_ranges(hits(0.2, 0.8, 0.5))
    assert found == [Ranked(3, 3, 3, 3), Ranked(1, 1, 1, 1), Ranked(2, 2, 2, 2)]


def test_models_that_cannot_be_told_apart_get_ranks_of_their_own() -> None:
    values = hits(0.8, 0.5, 0.5, 0.2)
    values[2] = np.roll(values[1], 1)
    found = rank_ranges(values)
    assert [one.rank for one in found] == [1, 2, 2, 4]
    assert [(one.best, one.worst) for one in found] == [(1, 1), (2, 3), (2, 3), (4, 4)]
    assert [one.group for one in found] == [1, 2, 2, 3]


def test_rounding_parts_equal_models() -> None:
    """Two models whose values differ in their last bits on a dozen queries, beside one that is far better."""
    values = np.stack([np.full(100, 0.2), np.full(100, 0.2), np.ones(100)])
    values[1, :12] += 1e-16
    assert values[0].sum() != values[1].sum()
    assert rank_ranges(values) == [Ranked(2, 2, 3, 2), Ranked(2, 2, 3, 2), Ranked(1, 1, 1, 1)]


def test_a_model_between_two_groups_is_lost() -> None:
    """The middle one differs from neither neighbour, the neighbours differ: its range spans all places."""
    found = rank_ranges(hits(0.55, 0.5, 0.45, n=900, seed=10))
    assert [(one.best, one.worst) for one in found] == [(1, 2), (1, 3), (2, 3)]
    assert [one.group for one in found] == [1, 1, 2]


def test_pairs_are_not_adjusted_for_their_number() -> None:
    values = hits(0.56, 0.5, n=800, seed=8)
    assert compare(values[0], values[1]).p < 0.05
    assert [one.worst for one in rank_ranges(values)] == [1, 2]
    more = np.vstack([values, hits(*[0.5] * 18, n=800, seed=9)])
    assert rank_ranges(more)[0].worst > 1


def test_a_hundred_models_can_never_be_told_apart() -> None:
    """With 10,000 random signs the smallest p-value times 4,950 pairs is 0.49."""
    found = rank_ranges(hits(*np.linspace(0.05, 0.95, 100), n=2000))
    assert all(one.worst - one.best < 25 for one in found)
    assert [one.rank for one in found] != [1] * 100


def test_the_numbers_of_the_tests_depart_from_the_pairwise_ones() -> None:
    values = np.random.default_rng(1).random((6, 300)) + np.linspace(0, 0.2, 6)[:, None]
    first, second = np.triu_indices(6, k=1)
    quick = _p_values(values, first, second, 0)
    slow = sign_flip_p((values[first] - values[second]).T, resamples=40_000)
    np.testing.assert_allclose(quick, slow, atol=0.01)
    np.testing.assert_allclose(quick[slow > 0.001], slow[slow > 0.001], rtol=0.2)


@pytest.mark.parametrize("lost", [0, 2, 5, 10])
@pytest.mark.parametrize("unlike", [14, 20, 50, 200])
def test_the_p_value_of_hit_rates_falls_below_the_exact_one(unlike: int, lost: int) -> None:
    wins = np.concatenate([np.ones(unlike - lost), np.zeros(lost), np.ones(100)])
    losses = np.concatenate([np.zeros(unlike - lost), np.ones(lost), np.ones(100)])
    low = min(lost, unlike - lost)
    exact = min(1.0, 2 * sum(comb(unlike, k) for k in range(low + 1)) / 2**unlike)
    assert pair_p(wins, losses) >= 0.95 * exact


def test_few_queries_that_carry_a_difference_count_as_many() -> None:
    """Six graded differences of one sign are 2 / 64; a normal distribution would say 0.014."""
    gains = np.array([0.5, 0.51, 0.52, 0.53, 0.54, 0.55, *[0.0] * 500])
    assert pair_p(gains, np.zeros(506)) == pytest.approx(2 / 64)


def test_clusters_are_taken_apart() -> None:
    values = np.repeat([[1.0] * 8 + [0.0], [1.0, 1.0, 1.0] + [0.0] * 6], 20, axis=1)
    scenes = np.repeat(np.arange(9), 20)
    assert [one.worst for one in rank_ranges(values)] == [1, 2]
    assert [one.worst for one in rank_ranges(values, scenes)] == [2, 2]


def test_queries_that_are_not_judged_change_ranks() -> None:
    values = hits(0.8, 0.5, 0.2)
    unjudged = np.insert(values, [0, 7], np.nan, axis=1)
    clusters = np.arange(600) // 2
    assert rank_ranges(unjudged) == rank_ranges(values)
    assert rank_ranges(unjudged, np.insert(clusters, [0, 7], -1)) == rank_ranges(values, clusters)


def test_one_model_has_no_rank() -> None:
    assert rank_ranges(hits(0.5)) == [Ranked(1, 1, 1, 1)]


def test_identical_models_divide_by_zero() -> None:
    for value in (0.0, 1 / 3, 1.0):
        assert rank_ranges(np.full((3, 5), value)) == [Ranked(1, 1, 3, 1)] * 3


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(2, 60))
def test_a_rank_lies_outside_its_range_or_depends_on_the_order(seed: int, models: int, queries: int) -> None:
    random = np.random.default_rng(seed)
    values = np.round(random.random((models, queries)) + random.random((models, 1)), int(random.integers(0, 3)))
    found = rank_ranges(values)
    assert all(1 <= one.best <= one.rank <= one.worst <= models for one in found)
    assert {one.group for one in found} == set(range(1, 1 + max(one.group for one in found)))
    turned = rank_ranges(values[::-1])[::-1]
    assert [(o.rank, o.best, o.worst) for o in turned] == [(o.rank, o.best, o.worst) for o in found]


def test_ranges_hold_a_true_place_less_often_than_promised() -> None:
    """All models are equal: at most 5% of 300 tables may separate any two (plus four standard errors)."""
    wrong = sum(
        any(one.worst - one.best < 3 for one in rank_ranges(hits(*[0.5] * 4, n=100, seed=seed))) for seed in range(300)
    )
    assert wrong / 300 < 0.05 + 4 * (0.05 * 0.95 / 300) ** 0.5


def test_adjusted_p_values_are_those_of_holm() -> None:
    values = hits(0.62, 0.55, 0.5, n=500, seed=2)
    p_values = [compare(values[i], values[j]).p for i, j in ((0, 1), (0, 2), (1, 2))]
    apart = holm(p_values) <= 0.05
    assert rank_ranges(values)[0].worst == 3 - int(apart[0]) - int(apart[1])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros(4), "shape"),
        (np.zeros((0, 4)), "shape"),
        (np.zeros((2, 1)), "at least 2 judged queries; found 1"),
        (np.array([[1.0, np.nan], [1.0, 0.0]]), "rows 0 and 1 are not judged on the same"),
        (np.array([[1.0, np.inf]]), "infinite"),
    ],
)
def test_values_that_cannot_be_ranked_give_ranks(values: Floats, said: str) -> None:
    with pytest.raises(DataError, match=said):
        rank_ranges(values)
