from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from tests.scoring.helpers import task

from mbench.core.results import Counts, ModelRef, TaskRef, TaskResult, Value
from mbench.core.specs import Aggregate, GroupSpec, ModelCard, TaskSpec
from mbench.scoring.aggregate import aggregate, missing
from mbench.scoring.stats import intervals

CARD = ModelCard(id="model", modalities=["text"], uses_instructions=False, license="MIT")
PARTS = {"dress": ["recall@10", "recall@50"], "shirt": ["recall@10", "recall@50"], "toptee": ["recall@50", "recall@10"]}


@dataclass(frozen=True)
class Declared:
    spec: TaskSpec


class Catalogue:
    """Tasks by id; "tops" stands for two of them."""

    def tasks(self, names: Sequence[str]) -> list[Declared]:
        ids = [one for name in names for one in (["shirt", "toptee"] if name == "tops" else [name])]
        return [Declared(task(PARTS[one], id=one)) for one in ids]


def group(*aggregates: Aggregate) -> GroupSpec:
    return GroupSpec(id="fashion", description="Three parts.", members=["dress", "tops"], aggregates=list(aggregates))


def result(name: str, **metrics: Value) -> TaskResult:
    return TaskResult(
        task=TaskRef(id=name, version=1, protocol="official", fingerprint="f"),
        model=ModelRef(id="model", revision="1", fingerprint="e", card=CARD),
        metrics={f"recall@{key[1:]}": value for key, value in metrics.items()},
        counts=Counts(queries=5, candidates=9, judged=5, skipped=0),
    )


RESULTS = {
    "dress": result("dress", r10=Value(value=0.1, n=2000, low=0.0, high=0.2), r50=Value(value=0.4, n=2000)),
    "shirt": result("shirt", r10=Value(value=0.2, n=100, low=0.17, high=0.24), r50=Value(value=0.5, n=100)),
    "toptee": result("toptee", r10=Value(value=0.6, n=7, low=0.56, high=0.63), r50=Value(value=0.9, n=7)),
}
RECALL = Aggregate(name="recall@10", metric="recall@10")


def test_tasks_count_by_their_number_of_queries() -> None:
    found = aggregate(group(RECALL), RESULTS, Catalogue())["recall@10"]
    assert found.value == pytest.approx(0.3)
    assert found.n == 3


def test_primary_takes_the_same_metric_of_every_task() -> None:
    found = aggregate(group(Aggregate(name="mean")), RESULTS, Catalogue())["mean"]
    assert found.value == pytest.approx((0.1 + 0.2 + 0.9) / 3)


def test_an_aggregate_of_some_members_takes_all() -> None:
    found = aggregate(group(Aggregate(name="tops", metric="recall@10", members=["tops"])), RESULTS, Catalogue())
    assert found["tops"].value == pytest.approx(0.4)
    assert found["tops"].n == 2


def test_a_mean_of_the_tasks_at_hand_passes_for_the_group() -> None:
    part = {"dress": RESULTS["dress"], "toptee": result("toptee", r50=Value(value=0.9, n=7))}
    tops = Aggregate(name="dress", metric="recall@10", members=["dress"])
    assert list(aggregate(group(RECALL, tops), part, Catalogue())) == ["dress"]
    assert missing(group(RECALL, tops), part, Catalogue()) == {"recall@10": ["shirt recall@10", "toptee recall@10"]}
    assert missing(group(RECALL, tops), RESULTS, Catalogue()) == {}


def test_the_interval_of_a_group_is_a_mean_of_intervals() -> None:
    found = aggregate(group(RECALL), RESULTS, Catalogue())["recall@10"]
    assert found.low == pytest.approx(0.3 - (0.1**2 + 0.03**2 + 0.04**2) ** 0.5 / 3)
    assert found.high == pytest.approx(0.3 + (0.1**2 + 0.04**2 + 0.03**2) ** 0.5 / 3)


def test_a_part_without_an_interval_is_left_out_of_the_interval() -> None:
    found = aggregate(group(Aggregate(name="deep", metric="recall@50")), RESULTS, Catalogue())["deep"]
    assert (found.low, found.high) == (None, None)


def test_the_interval_of_a_group_departs_from_a_bootstrap_within_each_task() -> None:
    """Each task's queries drawn apart, their means averaged: what the formula stands for."""
    random = np.random.default_rng(0)
    columns = [(random.random(n) < share).astype(np.float64) for n, share in ((2000, 0.1), (100, 0.2), (50, 0.6))]
    results = {}
    for name, column in zip(PARTS, columns, strict=True):
        ends = intervals({"r10": column})["r10"]
        assert ends is not None
        value = Value(value=float(column.mean()), n=len(column), low=ends.low, high=ends.high)
        results[name] = result(name, r10=value)
    found = aggregate(group(RECALL), results, Catalogue())["recall@10"]
    drawn = np.mean([random.choice(one, size=(10_000, len(one))).mean(axis=1) for one in columns], axis=0)
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.005)
