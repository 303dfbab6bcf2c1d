"""What must hold of a task's data before anything is computed from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mbench.core.errors import DataError, listed
from mbench.core.specs import MetricSpec, TaskSpec
from mbench.core.types import MAIN_POOL, EvalData, ItemTable, Rows, Sets
from mbench.data.judging import GALLERY


def check_data(spec: TaskSpec, data: EvalData) -> None:
    """Verify sizes, modalities, rows, pools and labels against each other and against the declaration.

    Raises DataError that names the first queries which contradict it.
    """
    _check_sizes(spec, data)
    _check_modalities(spec.id, "queries", spec.query.modality, data.queries)
    _check_modalities(spec.id, "candidates", spec.candidates.modality, data.corpus)
    for name, sets in _all_sets(data):
        _check_rows(spec.id, name, sets, data)
    _check_names(spec, data)
    _check_gallery(spec, data)
    for metric in spec.metrics:
        _check_reachable(spec.id, metric, data)
    _check_excluded(spec.id, data)


def is_partial(spec: TaskSpec, data: EvalData) -> bool:
    """Tell whether the pool is smaller than the official one, where the task allows that."""
    return spec.sizes is not None and spec.sizes.partial_pool and len(data.corpus) < spec.sizes.candidates


def _check_sizes(spec: TaskSpec, data: EvalData) -> None:
    found = {"queries": len(data.queries), "candidates": len(data.corpus)}
    for name, number in found.items():
        expected = getattr(spec.sizes, name) if spec.sizes else None
        fits = expected is None or number == expected or (name == "candidates" and is_partial(spec, data))
        if number == 0 or not fits:
            raise DataError(f"{spec.id}: {number} {name} loaded; expected {expected or 'at least one'}.")
    if any(len(one.items) != found["queries"] for one in data.renderings):
        raise DataError(f"{spec.id}: every rendering must have {found['queries']} rows, one a query.")
    groups = data.judgments.groups
    if groups is not None and len(groups) != found["queries"]:
        raise DataError(f"{spec.id}: groups of {len(groups)} queries for {found['queries']} queries.")


def _check_modalities(task: str, what: str, declared: Sequence[str], table: ItemTable) -> None:
    found = table.modalities()
    if found != set(declared):
        raise DataError(
            f"{task}: the {what} are declared as {', '.join(sorted(declared))}, but the data hold "
            f"{', '.join(sorted(found))}."
        )


def _all_sets(data: EvalData) -> Iterator[tuple[str, Sets]]:
    judged = data.judgments
    yield from judged.labels.items()
    yield from judged.pools.items()
    if judged.exclude is not None:
        yield "exclude", judged.exclude


def _check_rows(task: str, name: str, sets: Sets, data: EvalData) -> None:
    if len(sets) != len(data.queries):
        raise DataError(f"{task}: {name} has {len(sets)} sets for {len(data.queries)} queries.")
    if len(sets.rows) and (sets.rows.min() < 0 or sets.rows.max() >= len(data.corpus)):
        raise DataError(f"{task}: {name} has rows outside of the {len(data.corpus)} candidates.")


def _check_names(spec: TaskSpec, data: EvalData) -> None:
    judged = data.judgments
    lacking = [f"tag {name!r}" for name in spec.slices if name not in judged.tags]
    for metric in spec.metrics:
        if metric.labels not in judged.labels and spec.labels_public:
            lacking.append(f"label set {metric.labels!r}")
        if metric.pool not in {MAIN_POOL, *judged.pools}:
            lacking.append(f"pool {metric.pool!r}")
        if metric.name == "group_hit" and judged.groups is None:
            lacking.append("groups of queries")
    if spec.candidates.pool == GALLERY and GALLERY not in judged.pools:
        lacking.append("pool 'gallery'")
    if lacking:
        raise DataError(f"{spec.id}: the data lack what the task names: {listed(dict.fromkeys(lacking))}.")


def _check_gallery(spec: TaskSpec, data: EvalData) -> None:
    """A query's gallery holds all its right answers."""
    pools, labels = data.judgments.pools, data.judgments.labels
    if GALLERY not in pools:
        return
    if spec.candidates.pool != GALLERY:
        raise DataError(f"{spec.id}: the data have galleries, but candidates.pool is {spec.candidates.pool!r}.")
    _refuse(spec.id, pools[GALLERY].sizes() == 0, data, "an empty gallery")
    for name, sets in labels.items():
        outside = sets.sizes() != _shared(sets, pools[GALLERY], len(data.corpus))
        _refuse(spec.id, outside, data, f"{name} candidates outside of their gallery")


def _check_reachable(task: str, metric: MetricSpec, data: EvalData) -> None:
    """A pool that is ranked beside the main one holds a right answer for each judged query."""
    labels = data.judgments.labels.get(metric.labels)
    if labels is None or metric.pool == MAIN_POOL:
        return
    within = _shared(labels, data.judgments.pools[metric.pool], len(data.corpus))
    nothing = (labels.sizes() > 0) & (within == 0)
    _refuse(task, nothing, data, f"no {metric.labels} candidate in the pool {metric.pool!r}")


def _check_excluded(task: str, data: EvalData) -> None:
    exclude = data.judgments.exclude
    if exclude is None:
        return
    for name, sets in data.judgments.labels.items():
        _refuse(task, _shared(sets, exclude, len(data.corpus)) > 0, data, f"{name} candidates that are excluded")


def _shared(some: Sets, others: Sets, candidates: int) -> Rows:
    """Return [n_q] how many rows of `some` are in `others` too."""
    owner = np.repeat(np.arange(len(some)), some.sizes())
    keys = owner * candidates + some.rows
    others_keys = np.repeat(np.arange(len(others)), others.sizes()) * candidates + others.rows
    inside = np.isin(keys, others_keys)
    return np.bincount(owner[inside], minlength=len(some)).astype(np.int64)


def _refuse(task: str, wrong: npt.NDArray[np.bool_], data: EvalData, what: str) -> None:
    rows = np.flatnonzero(wrong).astype(np.int64)
    if len(rows):
        names = listed(map(repr, data.queries.ids(rows)))
        raise DataError(f"{task}: {len(rows)} queries with {what}: {names}.")
