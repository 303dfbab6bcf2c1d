"""Batches that are decoded and prepared by other threads while the model works on the one before."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from mbench.core.staged import staged
from mbench.core.types import Encoder, Item, ItemTable, Role, Rows, needs_of
from mbench.retrieval.batching import Tally
from mbench.retrieval.checks import prepare_checked

MOST_AHEAD = 8
"""Batches that may be in memory, prepared or in the making, beside the one that the model has."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Items to encode, the places that their vectors go to, and what a staged encoder has made of them (or None)."""

    places: Rows
    items: list[Item]
    prepared: object = None


def batches(encoder: Encoder, table: ItemTable, first: Rows, todo: Rows, role: Role, tally: Tally) -> Iterator[Batch]:
    """Yield the rows `first[todo]` of `table` in batches of `tally.batch_size`, in their order.

    One batch is made ahead, and one more each time that the model had to wait for one, as long as there are cores for
    it. One core is left to the thread that drives the model: threads beyond the cores slow a model on the CPU down.
    Raises ImageError, and what preparing raises.
    """
    threads = min(MOST_AHEAD, max(1, _cores() - 1))
    waiting: deque[Future[Batch]] = deque()
    done, ahead = 0, 1
    with ThreadPoolExecutor(threads, thread_name_prefix="mbench-ahead") as pool:
        try:
            while done < len(todo) or waiting:
                while done < len(todo) and len(waiting) < ahead + 1:
                    places = todo[done : done + tally.batch_size]
                    waiting.append(pool.submit(_made, encoder, table, first, places, role))
                    done += len(places)
                late = not waiting[0].done()
                yield waiting.popleft().result()
                ahead = min(threads, ahead + late)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _made(encoder: Encoder, table: ItemTable, first: Rows, places: Rows, role: Role) -> Batch:
    items = table.items(first[places], images="image" in needs_of(encoder))
    in_stages = staged(encoder)
    if in_stages is None:
        return Batch(places, items)
    try:
        return Batch(places, items, prepare_checked(in_stages, items, role))
    except MemoryError:
        return Batch(places, items)  # encoding it will run out of memory too, and then goes on with half of it


def _cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
