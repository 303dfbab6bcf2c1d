"""What only a task's data tell about its queries: which belong together, and which slices they are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mbench.core.errors import MbenchError
from mbench.core.results import TaskRef
from mbench.core.types import EvalData, Rows
from mbench.data.catalog import Catalog, Task
from mbench.data.loading import load
from mbench.scoring.hits import owners

Flags = npt.NDArray[np.bool_]

UNGROUPED = frozenset({"circo", "cirr", "fashioniq", "mbeir", "mmeb"})
"""Loaders that put no queries together: without slices nothing of their data is needed."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about the queries of a task: `clusters` [n_q] (None: all alone), `slices` by tag and value: which
    queries [n_q] have it. `note` tells what could not be found out, and why.
    """

    clusters: Rows | None = None
    slices: Mapping[str, Mapping[str, Flags]] = field(default_factory=dict)
    note: str = ""


def context_of(ref: TaskRef, ids: Sequence[str], catalog: Catalog, data_root: Path | None) -> Context:
    """Return what the data of a task tell about the queries `ids`; without the data only a note."""
    task = catalog.all_tasks.get(ref.id)
    if task is None or task.fingerprint != ref.fingerprint:
        why = "no task of this name is declared" if task is None else "the results are of another state of the task"
        return _unknown(why)
    if task.spec.source.loader in UNGROUPED and not task.spec.slices:
        return Context()
    try:
        return _from_data(task, load(task, data_root), ids)
    except MbenchError as error:
        return _unknown(str(error))


def _unknown(why: str) -> Context:
    return Context(note=f"without the task's data: no slices, and queries are drawn one by one ({why})")


def _from_data(task: Task, data: EvalData, ids: Sequence[str]) -> Context:
    place = {name: row for row, name in enumerate(data.queries.ids())}
    if not set(ids) <= set(place):
        return _unknown("the data at hand have other queries")
    rows = np.array([place[name] for name in ids], dtype=np.int64)
    judgments = data.judgments.select(rows)
    slices: dict[str, dict[str, Flags]] = {name: {} for name in task.spec.slices}
    for name in task.spec.slices:
        tags = judgments.tags[name]
        for value, label in enumerate(tags.values):
            inside = np.zeros(len(rows), dtype=np.bool_)
            inside[owners(tags.members)[tags.members.rows == value]] = True
            slices[name][label] = inside
    return Context(judgments.groups, slices)
