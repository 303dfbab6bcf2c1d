"""Data sets in their official layout: tiny ones made by hand, and the real annotations where they are at hand."""

from __future__ import annotations

import hashlib
import heapq
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mbench.core.specs import TaskSpec
from mbench.core.types import EvalData, Rankings
from mbench.data.catalog import Catalog, Task, task_fingerprint
from mbench.data.loading import load
from mbench.scoring.score import score

ANNOTATIONS = Path(__file__).resolve().parents[3] / "shared" / "annotations"
needs_annotations = pytest.mark.skipif(
    not ANNOTATIONS.is_dir(), reason=f"the official annotation files are not at hand ({ANNOTATIONS})"
)
slow = pytest.mark.skipif(
    "MBENCH_SLOW_TESTS" not in os.environ, reason="takes half a minute; set MBENCH_SLOW_TESTS to run it"
)


def put(path: Path, value: object) -> Path:
    """Write JSON, making the folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def declared(name: str, **changes: Any) -> Task:
    """The task as it ships, with other values at some keys."""
    task = Catalog.read().task(name)
    spec = task.spec.model_copy(update=changes)
    return Task(spec, task.path, task_fingerprint(spec))


def tiny(name: str, **changes: Any) -> Task:
    """The task as it ships, without the sizes and hashes of the official files, so that it takes hand-made ones."""
    spec: TaskSpec = Catalog.read().task(name).spec
    return declared(name, **{"sizes": None, "source": spec.source.model_copy(update={"files": []}), **changes})


def with_options(task: Task, **options: Any) -> Task:
    """The task with other options of its loader."""
    source = task.spec.source.model_copy(update={"options": {**task.spec.source.options, **options}})
    return Task(task.spec.model_copy(update={"source": source}), task.path, task.fingerprint)


def ranked(data: EvalData, lists: Sequence[Sequence[str]]) -> Rankings:
    """Rankings of the given candidate ids, best first."""
    rows = {name: row for row, name in enumerate(data.corpus.ids())}
    width = max(map(len, lists))
    ids = np.full((len(lists), width), -1, dtype=np.int64)
    for query, names in enumerate(lists):
        ids[query, : len(names)] = [rows[name] for name in names]
    return Rankings(ids, np.where(ids >= 0, -np.arange(width, dtype=np.float64), -np.inf))


def by_hash(queries: Sequence[str], names: Callable[[int], Sequence[str]], depth: int) -> list[list[str]]:
    """A ranking that needs no model: candidates by the sha256 of `query|candidate`, ascending."""

    lists = []
    for place, query in enumerate(queries):
        start, known = f"{query}|".encode(), names(place)
        digests = [hashlib.sha256(start + name).digest() for name in [one.encode() for one in known]]
        lists.append([name for _, name in heapq.nsmallest(depth, zip(digests, known, strict=True))])
    return lists


def measured(task: Task, data: EvalData, **lists: Sequence[Sequence[str]]) -> dict[str, float]:
    """The metrics of rankings (by pool) as `score` gives them."""
    rankings = {pool: ranked(data, one) for pool, one in lists.items()}
    return {key: one.value for key, one in score(task.spec, data.judgments, rankings).metrics.items()}


def official(name: str) -> tuple[Task, EvalData]:
    """A shipped task on the real annotation files, with all of its checks."""
    task = Catalog.read().task(name)
    return task, load(task, ANNOTATIONS)
