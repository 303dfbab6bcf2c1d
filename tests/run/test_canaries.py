"""Models whose scores are known beforehand, on every task that ships: a broken protocol gives them another score."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mbench.core.results import TaskResult
from mbench.core.specs import MetricSpec
from mbench.core.types import MAIN_POOL, Encoder, EvalData, LoadOptions, Vectors
from mbench.data.catalog import Catalog, Task
from mbench.data.loading import load
from mbench.models.baselines import Constant, Oracle, Random
from mbench.retrieval.store import Store
from mbench.run.model import Loaded
from mbench.run.settings import RunSettings
from mbench.run.task import evaluate

EMOJI = Catalog.read().tasks(["emoji"])
SIGMAS = 4.0
"""How far a score may be from chance: one right model in 30,000 is further away."""


class Quiet:
    def start(self, phase: str, total: int) -> None:
        self.phase = phase

    def advance(self, items: int) -> None:
        self.done = items


def score(encoder: Encoder, task: Task) -> TaskResult:
    stores = {role: Store(None, "", role, print) for role in ("query", "candidate")}
    result, _ = evaluate(Loaded(encoder, LoadOptions(), stores), task, RunSettings(Path("unused")), Quiet())
    return result


def chance(metric: MetricSpec, data: EvalData, task: Task) -> float:
    """What a random order scores: for hit the chance of a right one among k draws, for recall the share drawn."""
    judgments = data.judgments
    name = "gallery" if metric.pool == MAIN_POOL and task.spec.candidates.pool == "gallery" else metric.pool
    found = []
    for query in range(len(data.queries)):
        pool = judgments.pools[name][query] if name in judgments.pools else np.arange(len(data.corpus))
        if judgments.exclude is not None:
            pool = np.setdiff1d(pool, judgments.exclude[query])
        right = len(np.intersect1d(judgments.labels[metric.labels][query], pool))
        n, k = len(pool), min(metric.k, len(pool))
        missed = math.comb(n - right, k) / math.comb(n, k)
        found.append(1 - missed if metric.name == "hit" else k / n)
    return float(np.mean(found))


def cuts(task: Task) -> list[MetricSpec]:
    """The metrics whose chance is a matter of counting: the first and last cut of each pool and label set."""
    plain = [m for m in task.spec.metrics if m.name in ("hit", "recall")]
    keep = {(m.pool, m.labels): [x for x in plain if (x.pool, x.labels) == (m.pool, m.labels)] for m in plain}
    return [m for group in keep.values() for m in (group[0], group[-1])]


@pytest.mark.parametrize("task", EMOJI, ids=[task.id for task in EMOJI])
def test_no_canary_scores_above_chance_and_an_oracle_is_always_right(task: Task) -> None:
    data = load(task)
    constant = score(Constant.load(LoadOptions()), task)
    random = score(Random.load(LoadOptions(seed=3)), task)
    oracle = score(all_knowing(data), task)
    assert oracle.metrics[task.spec.primary].value > 0.999
    for metric in cuts(task):
        expected = chance(metric, data, task)
        spread = math.sqrt(expected * (1 - expected) / len(data.queries)) + 1 / len(data.queries)
        assert constant.metrics[metric.key].value <= expected + SIGMAS * spread, metric.key
        assert abs(random.metrics[metric.key].value - expected) <= SIGMAS * spread, metric.key


def all_knowing(data: EvalData) -> Oracle:
    """Give every candidate a direction of its own nearly, and every query the sum of its right answers' directions."""
    rng = np.random.default_rng(0)
    candidates: Vectors = rng.normal(size=(len(data.corpus), 512)).astype(np.float32)
    candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
    relevant = data.judgments.labels["relevant"]
    queries = np.stack([candidates[relevant[i]].sum(axis=0) for i in range(len(relevant))])
    return Oracle(
        dict(zip(data.queries.ids(), queries, strict=True)), dict(zip(data.corpus.ids(), candidates, strict=True))
    )
