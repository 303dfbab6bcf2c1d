import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mbench.core.errors import DataError
from mbench.core.types import Floats
from mbench.scoring import flips
from mbench.scoring.flips import sign_flip_p
from mbench.scoring.paired import compare, compare_all, holm

RESAMPLES = 10_000
QUANTILE_ERROR = 0.027
"""Standard error of the 2.5% quantile of 10,000 normal draws, in standard deviations: sqrt(pq / n) / density."""

random = np.random.default_rng(0)
HITS = (random.random(400) < 0.5).astype(np.float64), (random.random(400) < 0.42).astype(np.float64)
GRADED = random.random(300), random.random(300) + 0.05
RANKS = random.integers(1, 11, 500) ** -1.0, random.integers(1, 10, 500) ** -1.0
SYSTEMS = {"hits": HITS, "graded": GRADED, "reciprocal-ranks": RANKS}


def scipy_p(a: Floats, b: Floats, resamples: float = RESAMPLES) -> float:
    found = scipy.stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        batch=500,
        random_state=1,
    )
    return float(found.pvalue)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_p_value_departs_from_scipy(name: str) -> None:
    a, b = SYSTEMS[name]
    official, ours = scipy_p(a, b), compare(a, b).p
    error = (2 * official * (1 - official) / RESAMPLES) ** 0.5
    assert ours == pytest.approx(official, abs=5 * error + 2 / RESAMPLES)


@pytest.mark.parametrize("n", range(2, 14))
def test_few_differences_are_not_tested_exactly(n: int) -> None:
    apart = np.random.default_rng(n).integers(-4, 6, size=n) / 4
    a, b = np.append(np.maximum(apart, 0), [1, 1]), np.append(np.maximum(-apart, 0), [1, 1])
    assert compare(a, b).p == pytest.approx(scipy_p(a, b, np.inf), abs=1e-12)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_interval_departs_from_scipy(name: str) -> None:
    a, b = SYSTEMS[name]
    official = scipy.stats.bootstrap(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        paired=True,
        n_resamples=RESAMPLES,
        method="percentile",
        batch=500,
        random_state=9,
    )
    ours = compare(a, b)
    step = 1 / len(a) if name == "hits" else 0.0
    allowed = 5 * 2**0.5 * QUANTILE_ERROR * official.standard_error + step
    assert ours.low == pytest.approx(official.confidence_interval.low, abs=allowed)
    assert ours.high == pytest.approx(official.confidence_interval.high, abs=allowed)


@pytest.mark.parametrize("name", SYSTEMS)
def test_drawing_by_kind_and_drawing_single_signs_disagree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = SYSTEMS[name]
    found = []
    for cost in (0, 10**9):
        monkeypatch.setattr(flips, "KIND_COST", cost)
        found.append(compare(a, b).p)
    assert found[0] == pytest.approx(found[1], abs=5 * (2 * found[0] / RESAMPLES) ** 0.5 + 2 / RESAMPLES)


def test_clusters_are_flipped_query_by_query() -> None:
    """Eight questions about each of ten pictures, all answered alike, are ten observations, not eighty."""
    a, b = np.repeat([1.0] * 9 + [0.0], 8), np.repeat([0.0] * 9 + [1.0], 8)
    scenes = np.repeat(np.arange(10), 8)
    by_scene = compare(a, b, scenes)
    assert by_scene.p == pytest.approx(22 / 1024)  # 9 or 10 of 10 coins, on either side
    assert compare(a, b).p < by_scene.p
    whole = compare(a[::8], b[::8])
    assert (by_scene.low, by_scene.high, by_scene.p) == (whole.low, whole.high, whole.p)


def test_queries_without_a_cluster_are_flipped_as_one() -> None:
    a, b = np.ones(6), np.zeros(6)
    assert compare(a, b, np.full(6, -1)).p == pytest.approx(2 / 64)


def test_a_large_difference_has_a_p_value_of_zero() -> None:
    found = compare(np.ones(500), np.zeros(500))
    assert found.p == 1 / (RESAMPLES + 1)
    assert (found.difference, found.low, found.high, found.effect) == (1.0, 1.0, 1.0, None)
    assert "no width" in found.note


def test_identical_systems_divide_by_zero() -> None:
    found = compare(HITS[0], HITS[0])
    assert (found.difference, found.low, found.high, found.p, found.effect) == (0.0, 0.0, 0.0, 1.0, None)
    assert (found.wins, found.ties, found.losses, found.note) == (0, 400, 0, "identical on every query")


def test_rounding_is_counted_as_wins_or_found_significant() -> None:
    """The mean of three parts in another order differs in its last bit: 20 such queries are no evidence."""
    a, b = np.full(20, (0.1 + 0.2 + 0.3) / 3), np.full(20, (0.3 + 0.2 + 0.1) / 3)
    assert (a != b).all()
    found = compare(a, b)
    assert (found.wins, found.ties, found.p, found.note) == (0, 20, 1.0, "identical on every query")
    a[:2] = 1.0
    assert (compare(a, b).wins, compare(a, b).p) == (2, 0.5)


def test_one_cluster_separates_systems() -> None:
    found = compare(np.array([1.0, 1.0, 0.0]), np.zeros(3), np.zeros(3, dtype=np.int64))
    assert (found.low, found.high, found.p) == (None, None, 1.0)
    assert "belong together" in found.note


def test_the_signs_of_the_difference_are_mixed_up() -> None:
    a, b = np.array([1.0, 1.0, 0.0, 1.0, np.nan]), np.array([0.0, 0.0, 1.0, 1.0, np.nan])
    found = compare(a, b)
    assert (found.n, found.wins, found.ties, found.losses) == (4, 2, 1, 1)
    assert found.difference == 0.25
    assert (found.low, found.high) == (-0.5, 1.0)
    assert found.effect == pytest.approx(0.25 / np.std([1, 1, -1, 0], ddof=1))
    other = compare(b, a)
    assert (other.difference, other.p, other.low, other.high) == (-0.25, found.p, -1.0, 0.5)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([1.0], [0.0], "1 judged queries; a comparison needs at least 2"),
        ([1.0, np.nan], [0.0, np.nan], "1 judged queries"),
        ([1.0, np.nan, 0.0], [0.0, 1.0, 1.0], r"the first has no value \(NaN\) in row 1"),
        ([1.0, 1.0, 0.0], [0.0, np.nan, 1.0], r"the second has no value \(NaN\) in row 1"),
        ([1.0, 1.0, 0.0], [0.0, 1.0], "shapes"),
        ([1.0, np.inf, 0.0], [0.0, 1.0, 1.0], "infinite"),
    ],
)
def test_values_that_cannot_be_compared_give_a_number(a: list[float], b: list[float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        compare(np.array(a), np.array(b))


def test_a_metric_that_only_one_system_has_is_passed_over() -> None:
    with pytest.raises(DataError, match=r"hit@5: the second system has no such metric; it has \['hit@1'\]"):
        compare_all({"hit@5": np.ones(3)}, {"hit@1": np.ones(3)})


def test_metrics_compared_together_get_each_others_numbers() -> None:
    half = np.where(np.arange(300) % 2 == 0, np.nan, 1.0)
    together = compare_all(
        {"graded": GRADED[0], "half": half * GRADED[0]}, {"graded": GRADED[1], "half": half * GRADED[1]}
    )
    assert together["graded"] == compare(*GRADED)
    assert together["half"] == compare(half * GRADED[0], half * GRADED[1])


def test_the_p_value_rejects_more_often_than_its_level() -> None:
    """Under the null hypothesis p <= 0.05 comes in at most 5% of 2,000 trials (plus four standard errors)."""
    trials = np.random.default_rng(7).normal(size=(40, 2000))
    assert np.mean(sign_flip_p(trials) <= 0.05) < 0.05 + 4 * (0.05 * 0.95 / 2000) ** 0.5


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_lowers_a_p_value_or_changes_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert (adjusted >= p_values).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


def test_holm_departs_from_its_worked_example() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([]).tolist() == []


@pytest.mark.parametrize("wrong", [[np.nan], [-0.1], [1.5]])
def test_holm_adjusts_what_is_no_p_value(wrong: list[float]) -> None:
    with pytest.raises(DataError, match="p-values lie between 0 and 1"):
        holm(wrong)
