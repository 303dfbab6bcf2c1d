"""Every number of a result computed again from its ranking and the task's judgments, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mbench.core.results import SCORES, GroupResult, TaskResult, Value
from mbench.core.specs import TaskSpec
from mbench.core.types import MAIN_POOL, EvalData, Floats, Rankings
from mbench.data.catalog import Catalog
from mbench.publish.submission.parquet import QueryTable
from mbench.publish.submission.records import Submitted
from mbench.scoring.aggregate import aggregate
from mbench.scoring.diagnostics import OF_EMBEDDINGS, diagnose
from mbench.scoring.score import Scores, score

TOLERANCE = 1e-9
DIAGNOSTIC_TOLERANCE = 1e-4
"""Packed rankings keep scores in single precision, which can move a diagnostic that compares scores of two queries."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A number that does not come out again; `code` names its kind."""

    code: str
    message: str


def recomputed(result: TaskResult, spec: TaskSpec, data: EvalData, rankings: Mapping[str, Rankings]) -> Scores:
    """Return the scores of a ranking as a run gives them: with the result's own seed.

    Raises MbenchError where the ranking cannot be scored.
    """
    return score(spec, data.judgments, rankings, seed=_seed(result))


def differences(
    one: Submitted, spec: TaskSpec, data: EvalData, rankings: Mapping[str, Rankings], scores: Scores
) -> Iterator[Difference]:
    """Yield each metric, interval, slice, count and diagnostic of a result that differs from what was recomputed."""
    result = one.result
    yield from _values("", result.metrics, scores.metrics, "metric-differs")
    if {tag: set(parts) for tag, parts in result.slices.items()} != {t: set(p) for t, p in scores.slices.items()}:
        yield Difference("slice-differs", "slices: other tags or values than the data have")
    else:
        for tag, parts in scores.slices.items():
            for name, metrics in parts.items():
                yield from _values(f"{tag}={name} ", result.slices[tag][name], metrics, "slice-differs")
    counts = result.counts
    found = (len(data.queries), len(data.corpus), scores.judged, scores.skipped)
    if (counts.queries, counts.candidates, counts.judged, counts.skipped) != found:
        said = "queries, candidates, judged, skipped"
        yield Difference("counts-differ", f"counts: the data have {found} ({said})")
    yield from _diagnostics(result, spec, data, rankings)


def per_query_differences(table: QueryTable, queries: list[str], scores: Mapping[str, Floats]) -> Iterator[Difference]:
    """Yield what differs between the scores by query in the file and those that were recomputed."""
    if sorted(table.queries) != sorted(queries):
        yield Difference("per-query-differs", f"{SCORES}: other queries than the task has")
        return
    if set(table.columns) != set(scores):
        names = sorted(set(table.columns) ^ set(scores))
        yield Difference("per-query-differs", f"{SCORES}: the columns {', '.join(names[:5])} lack or are unknown")
        return
    row = {query: place for place, query in enumerate(table.queries)}
    order = np.array([row[query] for query in queries], dtype=np.int64)
    for key, values in scores.items():
        wrong = np.flatnonzero(~np.isclose(table.columns[key][order], values, rtol=0, atol=TOLERANCE, equal_nan=True))
        if wrong.size:
            query = queries[int(wrong[0])]
            said = f"{key} of query {query!r} is {table.columns[key][order][wrong[0]]}; the ranking gives "
            yield Difference("per-query-differs", f"{SCORES}: {said}{values[wrong[0]]} ({wrong.size} such queries)")


def unsupported(result: TaskResult, table: QueryTable) -> Iterator[Difference]:
    """Yield each metric that is not the mean of its column: what can be said without the task's data."""
    if set(table.columns) != set(result.metrics):
        yield Difference("per-query-differs", f"{SCORES}: its columns are not the result's metrics")
        return
    for key, value in result.metrics.items():
        known = table.columns[key][~np.isnan(table.columns[key])]
        if not known.size or abs(float(np.mean(known)) - value.value) > TOLERANCE or known.size != value.n:
            yield Difference("metric-differs", f"{key} is {value.value}, which is not the mean of its column by query")


def group_differences(group: GroupResult, results: Mapping[str, TaskResult], catalog: Catalog) -> Iterator[Difference]:
    """Yield what differs between a group's means and those of the results beside it (of its revision, by task id)."""
    if group.group not in catalog.all_groups:
        yield Difference("group-unknown", f"no group {group.group!r} is declared")
        return
    declared = catalog.group(group.group)
    members = {task.id for task in catalog.tasks([group.group])}
    refs = {name: result.task for name, result in results.items() if name in members}
    if group.tasks != refs or set(refs) != members:
        yield Difference("group-differs", "its tasks are not the results of all members beside it")
        return
    yield from _values("", group.metrics, aggregate(declared.spec, results, catalog), "group-differs")


def _values(where: str, told: Mapping[str, Value], found: Mapping[str, Value], code: str) -> Iterator[Difference]:
    for key in sorted(set(told) ^ set(found)):
        yield Difference(code, f"{where}{key} lacks or is not of this task")
    for key in sorted(set(told) & set(found)):
        one, other = told[key], found[key]
        if abs(one.value - other.value) > TOLERANCE or one.n != other.n:
            said = f"{where}{key} is {one.value} over {one.n}; the evidence gives {other.value} over {other.n}"
            yield Difference(code, said)
        elif not (_same(one.low, other.low) and _same(one.high, other.high)):
            said = (
                f"{where}{key}: its interval is {one.low} to {one.high}; the evidence gives {other.low} to {other.high}"
            )
            yield Difference("interval-differs", said)


def _same(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else abs(one - other) <= TOLERANCE


def _diagnostics(
    result: TaskResult, spec: TaskSpec, data: EvalData, rankings: Mapping[str, Rankings]
) -> Iterator[Difference]:
    """Yield the diagnostics that follow from the ranking and differ; those of the embeddings cannot be recomputed."""
    recomputable = diagnose(spec, data, rankings[MAIN_POOL])
    for key in sorted(set(result.diagnostics) - set(recomputable) - OF_EMBEDDINGS):
        yield Difference("diagnostics-differ", f"diagnostics.{key} is none of this task")
    for key, found in recomputable.items():
        told = result.diagnostics.get(key, found)
        if isinstance(told, bool) or not isinstance(told, int | float) or not isinstance(found, int | float):
            yield Difference("diagnostics-differ", f"diagnostics.{key} is no number")
        elif abs(told - found) > DIAGNOSTIC_TOLERANCE:
            yield Difference("diagnostics-differ", f"diagnostics.{key} is {told}; the evidence gives {found}")


def _seed(result: TaskResult) -> int:
    seed = result.run.get("seed", 0)
    return seed if type(seed) is int and seed >= 0 else 0
