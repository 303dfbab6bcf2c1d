"""What a run would do, without doing it: how many vectors, how many bytes, about how long."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from mbench.core.types import ItemTable, Role, Rows
from mbench.data.catalog import Task
from mbench.retrieval.checks import encode_checked
from mbench.retrieval.encode import plan
from mbench.run.model import Loaded
from mbench.run.settings import RunSettings
from mbench.run.steps import prepared, renderings_of

SAMPLE = 16
BYTES_PER_NUMBER = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """A task's share of a run: `vectors` to compute, `reused` from the cache, bytes in memory, estimated seconds."""

    model: str
    task: str
    queries: int
    candidates: int
    vectors: int
    reused: int
    bytes: int
    seconds: float


def estimate(model: Loaded, task: Task, settings: RunSettings) -> Estimate:
    """Load the task's data and time a small sample of what the cache lacks. Nothing is written.

    The time is the sample's time an item, times the items; search and scoring are not in it.
    """
    data = prepared(task, settings, model.encoder)
    tables: list[tuple[ItemTable, Role]] = [(one.items, "query") for one in renderings_of(model.encoder, data)]
    tables.append((data.corpus, "candidate"))
    vectors = reused = size = 0
    seconds = 0.0
    for table, role in tables:
        work = plan(model.encoder, table, model.store_for(table, role))
        each, width = _sampled(model, table, role, work.first[work.todo])
        vectors += len(work.todo)
        reused += len(work.first) - len(work.todo)
        size += len(table) * (width or model.encoder.card.dimension or 0) * BYTES_PER_NUMBER
        seconds += each * len(work.todo)
    return Estimate(
        model=model.encoder.card.id,
        task=task.spec.id,
        queries=len(data.queries),
        candidates=len(data.corpus),
        vectors=vectors,
        reused=reused,
        bytes=size,
        seconds=seconds,
    )


def _sampled(model: Loaded, table: ItemTable, role: Role, rows: Rows) -> tuple[float, int]:
    """Return the seconds an item took in a spread sample of `rows`, and the embeddings' dimension."""
    if not len(rows):
        return 0.0, 0
    spread = rows[np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(np.int64)]
    encode_checked(model.encoder, table.items(spread[:1]), role)
    start = time.perf_counter()
    vectors = encode_checked(model.encoder, table.items(spread), role)
    return (time.perf_counter() - start) / len(spread), vectors.shape[1]
