"""Rankings and judgments in, scores out: the only way to a number, for run, score and submissions alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mbench.core.errors import DataError
from mbench.core.results import Value
from mbench.core.specs import TaskSpec
from mbench.core.types import Floats, Judgments, Rankings, Rows, Sets
from mbench.scoring.hits import judged, owners
from mbench.scoring.metrics import evaluate_all
from mbench.scoring.stats import Interval, intervals, mean


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one ranking of a task's queries.

    `metrics` by key in the order of the task's file, averages last. `slices` by tag, value of the tag and metric key.
    `per_query` [n_q] by metric key, NaN for a query that is not judged (`group_hit` stands at one query a group).
    `judged` queries have a relevant candidate, be it one that the corpus lacks; `skipped` ones have none.
    """

    metrics: dict[str, Value]
    slices: dict[str, dict[str, dict[str, Value]]]
    per_query: dict[str, Floats]
    judged: int
    skipped: int


def unscored(queries: int) -> Scores:
    """Return what stands for the scores of a test split whose labels are withheld: none."""
    return Scores(metrics={}, slices={}, per_query={}, judged=0, skipped=queries)


def score(spec: TaskSpec, judgments: Judgments, rankings: Mapping[str, Rankings], *, seed: int = 0) -> Scores:
    """Score `rankings` (by pool: "main" and every other pool that a metric names) of all queries of a task.

    Means are over all judged queries, with 95% bootstrap intervals that draw whole groups of queries where the
    judgments have groups. Rankings must reach the deepest cut of their pool, or all candidates: what they lack counts
    as not found. Raises DataError where the labels are withheld, are not those that the task names, or judge no query,
    PredictionError where a ranking is missing or does not fit the judgments.
    """
    _check(spec, judgments)
    per_query = evaluate_all(spec.metrics, rankings, judgments)
    for name, parts in spec.averages.items():
        per_query[name] = _average(f"{spec.id}: {name}", [per_query[part] for part in parts])
    for key, column in per_query.items():
        if np.isnan(column).all():
            raise DataError(f"{spec.id}: no query is judged under {key}: none has a relevant candidate.")
    n_judged = int(np.count_nonzero(_judged(judgments)))
    return Scores(
        metrics=_values(per_query, judgments.groups, seed),
        slices=_slices(spec, judgments, per_query[spec.sliced], seed),
        per_query=per_query,
        judged=n_judged,
        skipped=len(judgments.labels["relevant"]) - n_judged,
    )


def _judged(judgments: Judgments) -> npt.NDArray[np.bool_]:
    found = judged(judgments.labels["relevant"])
    return found if judgments.lacking is None else found | (judgments.lacking > 0)


def _check(spec: TaskSpec, judgments: Judgments) -> None:
    labels, groups = judgments.labels, judgments.groups
    if not labels:
        raise DataError(
            f"{spec.id}: the labels are withheld, so nothing can be scored here. Write the file for the benchmark's "
            f"server with `mbench export RESULT --format FORMAT -o DIR` and submit it there."
        )
    if "relevant" not in labels:
        raise DataError(
            f"{spec.id}: the data has the labels {sorted(labels)} but not 'relevant', which every task has."
        )
    sizes = {f"labels {name!r}": len(one) for name, one in labels.items()}
    sizes |= {f"tag {name!r}": len(tags.members) for name, tags in judgments.tags.items()}
    sizes |= {} if groups is None else {"groups": len(groups)}
    if len(set(sizes.values())) > 1:
        raise DataError(f"{spec.id}: the judgments disagree on the number of queries: {sizes}.")
    for name in spec.slices:
        if name not in judgments.tags:
            raise DataError(f"{spec.id}: slices name {name!r}, but the data has the tags {sorted(judgments.tags)}.")


def _average(name: str, parts: list[Floats]) -> Floats:
    """Return [n_q] the mean of the parts for each query: its mean over queries is the mean of the parts' means."""
    columns = np.stack(parts)
    unknown = np.isnan(columns)
    if (unknown != unknown[0]).any():
        raise DataError(f"{name} cannot be averaged: its parts do not judge the same queries.")
    return np.asarray(columns.mean(axis=0), dtype=np.float64)


def _slices(spec: TaskSpec, judgments: Judgments, column: Floats, seed: int) -> dict[str, dict[str, dict[str, Value]]]:
    """Score the sliced metric on the queries of each value of each tag; a value without a judged query is left out."""
    found = {}
    for name in spec.slices:
        tags = judgments.tags[name]
        parts = {value: _only(column, tags.members, place) for place, value in enumerate(tags.values)}
        values = _values(parts, judgments.groups, seed)
        found[name] = {value: {spec.sliced: one} for value, one in values.items()}
    return found


def _only(column: Floats, members: Sets, place: int) -> Floats:
    """Return the column with NaN for the queries that do not have the value at `place` of a tag."""
    inside = np.zeros(len(column), dtype=np.bool_)
    inside[owners(members)[members.rows == place]] = True
    return np.where(inside, column, np.nan)


def _values(columns: Mapping[str, Floats], clusters: Rows | None, seed: int) -> dict[str, Value]:
    """Return mean, count and interval of each column that has a value for some query."""
    known = {name: column for name, column in columns.items() if not np.isnan(column).all()}
    ends = intervals(known, clusters, seed=seed)
    return {name: _value(column, ends[name]) for name, column in known.items()}


def _value(column: Floats, ends: Interval | None) -> Value:
    low, high = (None, None) if ends is None else (ends.low, ends.high)
    return Value(value=mean(column), n=int(np.count_nonzero(~np.isnan(column))), low=low, high=high)
