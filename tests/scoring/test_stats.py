import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from mbench.core.errors import DataError
from mbench.core.types import Floats, Rows
from mbench.scoring import stats
from mbench.scoring.stats import Interval, Method, intervals, mean

GOLDEN = json.loads((Path(__file__).parent / "cases" / "intervals.json").read_text())
RESAMPLES = 10_000
QUANTILE_ERROR = 0.027
"""Standard error of the 2.5% quantile of 10,000 normal draws, in standard deviations: sqrt(pq / n) / density."""


def hits(n: int, share: float) -> Floats:
    return (np.random.default_rng(n).random(n) < share).astype(np.float64)


def one(values: Floats, clusters: Rows | None = None, **options: object) -> Interval:
    found = intervals({"it": values}, clusters, **options)["it"]  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize(
    "values",
    [
        hits(400, 0.3),
        np.random.default_rng(1).random(300),
        np.random.default_rng(2).exponential(size=60),
        np.random.default_rng(3).integers(1, 11, size=1000) ** -1.0,
        np.random.default_rng(4).lognormal(sigma=1.2, size=30),
    ],
    ids=["hits", "uniform", "skewed", "reciprocal-ranks", "far-skewed"],
)
def test_an_interval_departs_from_scipy(values: Floats, method: Method) -> None:
    official = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=RESAMPLES, method=method, vectorized=True, batch=500, random_state=9
    )
    ours = one(values, resamples=RESAMPLES, method=method)
    step = 1 / len(values) if set(values) <= {0, 1} else 0.0
    allowed = 5 * 2**0.5 * QUANTILE_ERROR * official.standard_error + step
    assert ours.low == pytest.approx(official.confidence_interval.low, abs=allowed)
    assert ours.high == pytest.approx(official.confidence_interval.high, abs=allowed)
    if method == "bca" and not step:
        assert ours != one(values, resamples=RESAMPLES)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_an_interval_of_hits_departs_from_the_binomial(share: float) -> None:
    values = hits(500, share)
    exact = scipy.stats.binom.ppf([0.025, 0.975], 500, values.mean()) / 500
    found = one(values)
    np.testing.assert_allclose([found.low, found.high], exact, atol=1 / 500)


def test_drawing_by_kind_and_drawing_single_queries_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).integers(0, 5, size=600) / 4
    by_kind = one(values)
    monkeypatch.setattr(stats, "KIND_COST", 1000)
    singly = one(values)
    allowed = 5 * 2**0.5 * QUANTILE_ERROR * values.std() / 600**0.5
    assert by_kind != singly
    assert [singly.low, singly.high] == pytest.approx([by_kind.low, by_kind.high], abs=allowed)


@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_an_interval_changes_between_machines_or_versions_of_numpy(case: dict[str, list[float]]) -> None:
    clusters = np.array(case["clusters"]) if "clusters" in case else None
    found = one(np.array(case["values"], dtype=np.float64), clusters, seed=case["seed"])
    assert [found.low, found.high] == pytest.approx(case["interval"], abs=1e-11)


def test_a_seed_is_ignored_or_not_kept() -> None:
    values = np.random.default_rng(0).random(50)
    assert one(values, seed=3) == one(values, seed=3)
    assert one(values, seed=3) != one(values, seed=4)


def test_metrics_of_a_task_see_different_resamples() -> None:
    values = np.random.default_rng(0).random(80)
    found = intervals({"a": values, "b": values, "turned": 1 - values})
    assert found["a"] == found["b"]
    assert found["a"] is not None and found["turned"] is not None
    assert found["turned"].low == pytest.approx(1 - found["a"].high, abs=1e-9)


def test_the_order_of_queries_moves_an_interval() -> None:
    values = np.random.default_rng(0).random((2, 70))
    turned = intervals({"a": values[0, ::-1], "b": values[1, ::-1]})
    assert intervals({"a": values[0], "b": values[1]}) == turned


def test_a_slice_moves_with_the_other_slices() -> None:
    values = np.random.default_rng(0).random(30)
    part = np.where(np.arange(30) < 10, values, np.nan)
    assert intervals({"part": part, "whole": values})["part"] == one(values[:10])


def test_a_query_that_is_not_judged_takes_part() -> None:
    values = hits(100, 0.5)
    padded = np.concatenate([[np.nan, np.nan], values, [np.nan]])
    assert one(padded) == one(values)


def test_questions_about_one_picture_pass_for_independent() -> None:
    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(60), 10)
    values = np.repeat(random.random(60), 10) + random.random(600) / 100
    plain, clustered = one(values), one(values, clusters)
    ratio = (clustered.high - clustered.low) / (plain.high - plain.low)
    assert ratio == pytest.approx(10**0.5, rel=0.1)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_clusters_of_unequal_size_are_weighted_alike(method: Method) -> None:
    random = np.random.default_rng(1)
    clusters = np.repeat(np.arange(40), random.integers(1, 9, size=40))
    values = random.random(40)[clusters] * np.bincount(clusters)[clusters] / 8
    sums, sizes = np.bincount(clusters, values), np.bincount(clusters)
    official = scipy.stats.bootstrap(
        (sums, sizes),
        lambda s, n, axis=-1: s.sum(axis=axis) / n.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method=method,
        random_state=2,
    )
    found = one(values, random.permutation(100)[clusters], method=method)
    allowed = 5 * 2**0.5 * QUANTILE_ERROR * official.standard_error
    assert found.low == pytest.approx(official.confidence_interval.low, abs=allowed)
    assert found.high == pytest.approx(official.confidence_interval.high, abs=allowed)


def test_queries_without_a_cluster_are_drawn_as_one() -> None:
    values = np.random.default_rng(0).random(40)
    assert one(values, np.full(40, -1)) == one(values) == one(values, np.arange(40))


def test_a_single_query_or_cluster_gets_an_interval() -> None:
    assert intervals({"a": np.array([0.5, np.nan])}) == {"a": None}
    assert intervals({"a": np.array([0.5, 0.7])}, np.array([4, 4])) == {"a": None}
    assert intervals({"a": np.array([np.nan])}) == {"a": None}
    assert intervals({}) == {}


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_no_variance_divides_by_zero(method: Method) -> None:
    assert one(np.full(20, 0.1), method=method) == Interval(0.1, 0.1)
    assert one(np.zeros(20), np.repeat([0, 1], 10), method=method) == Interval(0.0, 0.0)


@given(
    st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=30), st.sampled_from(["percentile", "bca"])
)
def test_an_interval_leaves_the_range_of_the_values(values: list[float], method: Method) -> None:
    found = one(np.array(values), resamples=200, method=method)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_a_higher_level_gives_a_narrower_interval() -> None:
    values = hits(300, 0.4)
    assert one(values, level=0.99).low < one(values, level=0.95).low < one(values, level=0.5).low


def test_the_true_mean_lies_outside_far_more_often_than_promised() -> None:
    random = np.random.default_rng(0)
    samples = random.exponential(size=(400, 150))
    inside = [(found := one(sample, resamples=500)).low <= 1 <= found.high for sample in samples]
    assert 0.91 <= np.mean(inside) <= 0.97


def test_a_mean_depends_on_the_order_of_summation() -> None:
    values = np.random.default_rng(0).random(10_000)
    assert mean(values) == mean(values[::-1]) == mean(np.sort(values))
    assert mean(np.array([1.0, np.nan, 0.0])) == 0.5
    with pytest.raises(DataError, match="no judged query"):
        mean(np.array([np.nan]))


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["hits", "shares", "any", "tiny", "denormal", "negative", "large", "tiny negative"]),
)
def test_the_sum_in_whole_numbers_is_rounded_more_than_once(seed: int, kind: str) -> None:
    random = np.random.default_rng(seed)
    values = random.random(1500)
    values = {
        "hits": np.round(values),
        "shares": random.integers(0, 9, 1500) / random.integers(9, 400, 1500),
        "any": values,
        "tiny": values * 2.0 ** -random.integers(0, 120, 1500),
        "denormal": values * 5e-324 * random.integers(0, 99, 1500),
        "negative": values - 0.5,
        "large": values * 1e300,
        "tiny negative": np.where(values < 0.01, -(2.0**-100), values),
    }[kind]
    assert stats.exact_sum(values) == math.fsum(values)


@pytest.mark.parametrize("n", [7, 301])
def test_how_many_draws_are_held_at_a_time_changes_no_interval(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(n).random(n)
    found = one(values, resamples=500)
    monkeypatch.setattr(stats, "DRAWS_AT_ONCE", 1)
    assert one(values, resamples=500) == found
