"""Models whose scores are known beforehand, on every emoji task and a task of every loader: a broken protocol gives
them another score."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.run.families import FAMILIES, family

from mbench.core.specs import MetricSpec
from mbench.core.types import MAIN_POOL, Encoder, EvalData, LoadOptions, Rankings, Rows, Sets, Vectors
from mbench.data.catalog import Catalog, Task
from mbench.data.loading import LOADERS, load
from mbench.data.table import ArrowTable
from mbench.data.variants import limited
from mbench.models.baselines import Constant, Oracle, Random
from mbench.retrieval.encode import Tally, embed
from mbench.retrieval.store import Store
from mbench.run.model import Loaded
from mbench.run.settings import RunSettings
from mbench.run.steps import query_vectors, ranked
from mbench.scoring.metrics import evaluate_all
from mbench.scoring.stats import mean

EMOJI = Catalog.read().tasks(["emoji"])
FEW = 100
"""Queries that are enough where each of them has to be right."""
SIGMAS = 4.0
"""How far a score may be from chance: one right model in 30,000 is further away."""

Case = tuple[Task, EvalData]


class Quiet:
    def start(self, phase: str, total: int) -> None: ...

    def advance(self, items: int) -> None: ...


@pytest.fixture(scope="module", params=[*(one.id for one in EMOJI), *FAMILIES])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name = str(request.param)
    if name in FAMILIES:
        return family(name, tmp_path_factory.mktemp(name))
    task = next(one for one in EMOJI if one.id == name)
    return task, load(task)


def rankings_of(encoder: Encoder, task: Task, data: EvalData) -> dict[str, Rankings]:
    model = Loaded(encoder, LoadOptions(), {role: Store(None, "", role, print) for role in ("query", "candidate")})
    queries = query_vectors(model, data, Tally(64), Quiet())
    corpus = embed(encoder, data.corpus, "candidate", Tally(64), Quiet())
    return ranked(task.spec, data, queries, corpus, RunSettings(Path("unused")))


def scores(encoder: Encoder, task: Task, data: EvalData) -> dict[str, float]:
    found = evaluate_all(task.spec.metrics, rankings_of(encoder, task, data), data.judgments)
    return {key: mean(column) for key, column in found.items()}


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


def test_no_canary_scores_above_chance_and_an_oracle_is_always_right(case: Case) -> None:
    task, data = case
    constant, random = scores(Constant.load(LoadOptions()), *case), scores(Random.load(LoadOptions(seed=3)), *case)
    oracle = scores(all_knowing(data), *case)
    assert oracle.get(task.spec.primary, min(oracle.values())) > 0.999
    for metric in cuts(task):
        expected = chance(metric, data, task)
        spread = math.sqrt(expected * (1 - expected) / len(data.queries)) + 1 / len(data.queries)
        assert constant[metric.key] <= expected + SIGMAS * spread, metric.key
        assert abs(random[metric.key] - expected) <= SIGMAS * spread, metric.key


def test_neither_the_order_of_candidates_nor_the_place_of_a_label_in_its_list_moves_a_score(case: Case) -> None:
    """Where all candidates tie, only an order is left to decide, and it must not be that of the rows."""
    task, data = case[0], limited(case[1], FEW)
    for encoder in (Constant.load(LoadOptions()), Random.load(LoadOptions(seed=3))):
        assert scores(encoder, task, reordered(data, seed=1)) == scores(encoder, task, data)


@pytest.mark.parametrize(("sign", "right"), [("!", 1.0), ("~", 0.0)])
def test_copies_tie_exactly_and_their_ids_alone_decide(case: Case, sign: str, right: float) -> None:
    """A copy whose id comes later in byte order (`~`) stands before its original, one that comes earlier behind it."""
    task, data = case
    if task.spec.candidates.pool == "gallery":
        pytest.skip("copies stand in no gallery")
    data = copied(limited(data, FEW), sign)
    found = rankings_of(all_knowing(data), task, data)[MAIN_POOL]
    assert (found.scores[:, 0] == found.scores[:, 1]).all()
    names = [data.corpus.ids(row[:2]) for row in found.ids]
    assert all(first.strip(sign) == second.strip(sign) and first > second for first, second in names)
    relevant = data.judgments.labels["relevant"]
    assert np.mean([row[0] in relevant[query] for query, row in enumerate(found.ids)]) == right


def test_a_candidate_that_a_gallery_lists_twice_counts_once(case: Case) -> None:
    task, data = case[0], limited(case[1], FEW)
    pools = {name: Sets.of([[*one[query], *one[query]] for query in range(len(one))]) for name, one in pools_of(data)}
    if not pools:
        pytest.skip("no galleries")
    twice = replace(data, judgments=replace(data.judgments, pools=pools))
    for encoder in (Constant.load(LoadOptions()), Random.load(LoadOptions(seed=3))):
        assert scores(encoder, task, twice) == scores(encoder, task, data)


def test_every_loader_has_its_canaries() -> None:
    assert {*LOADERS} <= {*FAMILIES, "emoji"}


def pools_of(data: EvalData) -> list[tuple[str, Sets]]:
    return list(data.judgments.pools.items())


def all_knowing(data: EvalData) -> Oracle:
    """Give every candidate a direction of its own nearly, and every query the sum of its right answers' directions.

    A copy (see `copied`) has the direction of its original.
    """
    rng = np.random.default_rng(0)
    names = data.corpus.ids()
    originals = sorted({name.strip("~!") for name in names})
    directions: Vectors = rng.normal(size=(len(originals), 512)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    place = {name: row for row, name in enumerate(originals)}
    candidates = directions[[place[name.strip("~!")] for name in names]]
    relevant = data.judgments.labels["relevant"]
    queries = np.stack([candidates[relevant[i]].sum(axis=0) for i in range(len(relevant))])
    return Oracle(dict(zip(data.queries.ids(), queries, strict=True)), dict(zip(names, candidates, strict=True)))


def reordered(data: EvalData, seed: int) -> EvalData:
    """The same task with its corpus and every list of the judgments in another order."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.corpus)).astype(np.int64)
    place = np.argsort(order)

    def moved(sets: Sets) -> Sets:
        return Sets.of([place[rng.permutation(sets[query])].tolist() for query in range(len(sets))])

    judged = data.judgments
    return replace(
        data,
        corpus=data.corpus.select(order),
        judgments=replace(
            judged,
            labels={name: moved(one) for name, one in judged.labels.items()},
            pools={name: moved(one) for name, one in judged.pools.items()},
            exclude=None if judged.exclude is None else moved(judged.exclude),
        ),
    )


def copied(data: EvalData, sign: str) -> EvalData:
    """The task with a copy of every candidate, whose id is later (`~` in front) or earlier (`!`) in byte order."""
    assert isinstance(data.corpus, ArrowTable)
    rows: Rows = np.tile(np.arange(len(data.corpus)), 2)
    both = data.corpus.select(rows)
    names = [*data.corpus.ids(), *(sign + name for name in data.corpus.ids())]
    columns = both.columns.set_column(both.columns.column_names.index("id"), "id", [names])
    return replace(data, corpus=ArrowTable.of(columns, name="copies", pictures=data.corpus.pictures))
