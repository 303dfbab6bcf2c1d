"""Batches that are decoded and prepared by other threads, while the model works on the one before or in turn with it.

A model on a GPU leaves cores idle, and these prepare beside it. One that keeps all cores busy is only held up by other
threads (those of a parallel sum wait for the slowest of them): then all cores prepare some batches, and then it works.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from mbench.core.errors import ModelError
from mbench.core.memory import host_memory_left
from mbench.core.staged import staged
from mbench.core.types import Encoder, Item, ItemTable, Role, Rows
from mbench.retrieval.batching import Tally
from mbench.retrieval.checks import items_for, prepare_checked

MOST_AHEAD = 8
"""Batches that may be in memory, prepared or in the making, beside the one that the model has."""
TURN = 2
"""Batches that each thread prepares before a model that keeps all cores busy has its turn, so that none waits long."""
PIXEL = 4
"""Bytes of a decoded picture's pixel, at most."""
IDLE = 4
"""Batches are prepared beside a model that leaves one in so many cores idle."""
SHARE = 4
"""Pictures of batches that wait may take one part in so many of the memory that is left when the first one is there."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Items to encode, the places that their vectors go to, and what a staged encoder has made of them (or None)."""

    places: Rows
    items: list[Item]
    prepared: object = None

    def nbytes(self) -> int:
        """Return the bytes of its pictures, and about those of what was made of them: a float32 for each byte."""
        made = 0 if self.prepared is None else np.dtype(np.float32).itemsize
        pictures = [item.image for item in self.items if item.image is not None]
        return sum(one.width * one.height * (PIXEL + made * len(one.getbands())) for one in pictures)


@dataclass
class Work:
    """How many of `cores` the model keeps busy: processor time in the time of batches beside which nothing is done."""

    cores: int
    wall: float = 0.0
    processor: float = 0.0
    batches: int = 0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure one batch. The first does not count: libraries prepare themselves on one core."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.batches += 1
        if self.batches > 1:
            self.wall += time.perf_counter() - wall
            self.processor += time.process_time() - processor

    def idle(self) -> int:
        """Return how many cores may prepare beside the model; 0 where that is none, or not known yet."""
        left = self.cores - self.processor / self.wall if self.wall else 0.0
        return max(1, round(left)) if left >= self.cores / IDLE else 0


def batches(encoder: Encoder, table: ItemTable, first: Rows, todo: Rows, role: Role, tally: Tally) -> Iterator[Batch]:
    """Yield the rows `first[todo]` of `table` in batches of `tally.batch_size`, in their order.

    Some are prepared at a time, and then the model works on them alone, until it is known to leave cores idle. From
    then on one batch is made ahead, and one more each time that the model had to wait for one, as long as there are
    such cores, and memory for their pictures: the first item of all has the largest. Raises ImageError, ModelError when
    memory runs out for the pictures of one batch, and what preparing raises.
    """
    work, beside = Work(_cores()), 0
    threads = min(MOST_AHEAD, work.cores)
    waiting: deque[Future[Batch]] = deque()
    most = min(TURN * threads, MOST_AHEAD, _affordable(encoder, table, first[todo], role, tally.batch_size))
    done, wanted = 0, min(2, most)
    pool = _threads(threads)
    try:
        while done < len(todo) or waiting:
            while done < len(todo) and len(waiting) < wanted:
                places = todo[done : done + tally.batch_size]
                waiting.append(pool.submit(_made, encoder, table, first, places, role))
                done += len(places)
            late = not waiting[0].done()
            if not beside:
                wait(waiting)
            batch = waiting.popleft().result()
            if beside:
                yield batch
                wanted = min(min(most, beside) + 1, wanted + late)
                continue
            with work.measured():
                yield batch
            beside = work.idle()
            wanted = 2 if beside else 0 if waiting else most
            if beside:
                pool.shutdown()
                pool = _threads(min(threads, beside))
    finally:
        pool.shutdown(cancel_futures=True)


def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="mbench-ahead")


def _made(encoder: Encoder, table: ItemTable, first: Rows, places: Rows, role: Role) -> Batch:
    items = _decoded(encoder, table, first[places], role)
    in_stages = staged(encoder)
    if in_stages is None:
        return Batch(places, items)
    try:
        return Batch(places, items, prepare_checked(in_stages, items, role))
    except MemoryError:
        return Batch(places, items)  # encoding it will run out of memory too, and then goes on with half of it


def _decoded(encoder: Encoder, table: ItemTable, rows: Rows, role: Role) -> list[Item]:
    try:
        return items_for(encoder, table, rows, role)
    except MemoryError:
        raise ModelError(
            f"Out of memory while {len(rows)} {role} pictures were decoded; give a smaller --batch-size."
        ) from None


def _affordable(encoder: Encoder, table: ItemTable, rows: Rows, role: Role, size: int) -> int:
    """Return how many batches of `size` of these rows may wait, were all as large as the first."""
    left = host_memory_left()
    if left is None or len(rows) <= size:
        return MOST_AHEAD
    largest = Batch(rows[:1], _decoded(encoder, table, rows[:1], role), staged(encoder))
    return max(1, left // SHARE // max(largest.nbytes() * size, 1))


def _cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
