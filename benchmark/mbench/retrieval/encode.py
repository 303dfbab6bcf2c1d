"""From a table of items to one vector a row: each content once, costly items first, pictures decoded ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mbench.core.errors import EncodingError, ModelError
from mbench.core.lookup import Lookup
from mbench.core.types import Encoder, Item, ItemTable, Keys, Role, Rows, Vectors, needs_of
from mbench.retrieval.assembly import Assembly, Pending
from mbench.retrieval.checks import encode_checked
from mbench.retrieval.keys import Located, distinct
from mbench.retrieval.passing import passed_on
from mbench.retrieval.space import Space
from mbench.retrieval.store import Store

DEFAULT_BATCH = 64
KEY_BYTES = 16
BATCHES_AHEAD = 2


class Watch(Protocol):
    """Who is told how far the work is."""

    def start(self, phase: str, total: int) -> None:
        """A phase of `total` items begins."""

    def advance(self, items: int) -> None:
        """So many items of the phase are done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What encoding a table takes: `first` [n_u] rows of distinct contents, `place` [n] each row's content among them.

    `keys` [n_u, 16] and `stored` [n_u] say where the store has them; both are empty when nothing is shared because the
    embedding depends on the item's id. `todo` are the positions in `first` that the store lacks, the costly ones first.
    """

    first: Rows
    place: Rows
    keys: Keys
    stored: Located
    todo: Rows


@dataclass(slots=True)
class Tally:
    """What happened while encoding: for the result's provenance."""

    batch_size: int
    width: int | None = None
    encoded: int = 0
    reused: int = 0
    notes: list[str] = field(default_factory=list)


def plan(encoder: Encoder, table: ItemTable, store: Store | None) -> Plan:
    """Find the distinct contents of `table` and which of them have to be encoded."""
    rows = np.arange(len(table), dtype=np.int64)
    needs = needs_of(encoder)
    if "id" in needs:
        return Plan(rows, rows, np.zeros((0, KEY_BYTES), dtype=np.uint8), Located.nowhere(0), rows)
    keys = table.content_keys(rows, needs) if needs else np.zeros((len(rows), KEY_BYTES), dtype=np.uint8)
    found = distinct(keys)
    keys = keys if found.first is found.place else keys[found.first]
    stored = Located.nowhere(len(keys)) if store is None else store.find(keys)
    todo = _costly_first(table, found.first, stored.shards < 0)
    return Plan(found.first, found.place, keys, stored, todo)


def embed(
    encoder: Encoder,
    table: ItemTable,
    role: Role,
    tally: Tally,
    watch: Watch,
    store: Store | None = None,
    memory: int | None = None,
) -> Vectors:
    """Return float32 [len(table), d]: normalised for a cosine model, as the adapter gave them for a dot-product one.

    Candidates that are looked up (core/lookup.py) stay float16 where they are. An array that would take more than its
    share of `memory` bytes (default: the machine's) is mapped from a file that nobody has to remove. Running out of
    memory halves `tally.batch_size` and goes on. What was finished before an interruption is in the store.

    Raises EncodingError for embeddings that cannot be scored, ModelError when the adapter raises, OutputError when the
    disk is full.
    """
    space = Space(memory, None if store is None else store.cache)
    if isinstance(encoder, Lookup):
        watch.start(f"{role}s", 0)
        tally.encoded += len(table)
        return passed_on(encoder, encoder.card, table, role, space)
    work = plan(encoder, table, store)
    vectors = Assembly(len(work.first), space, encoder.card.id)
    pending = None
    if store is not None and len(work.keys):
        work = replace(work, todo=_reused(store, table, work, vectors))
        tally.width = tally.width or vectors.width
        pending = Pending(store, work.keys)
    watch.start(f"{role}s", len(work.todo))
    try:
        for places, items in _batches(encoder, table, work, tally):
            fresh = encode_backing_off(encoder, items, role, tally)
            vectors.put(places, fresh)
            if pending is not None:
                pending.add(places, fresh)
            watch.advance(len(items))
    finally:
        if pending is not None:
            pending.save()
    tally.encoded += len(work.todo)
    tally.reused += len(work.first) - len(work.todo)
    return vectors.rows(work.place)


def _reused(store: Store, table: ItemTable, work: Plan, vectors: Assembly) -> Rows:
    """Fill in what is stored; return what is left to do, the costly ones first, damaged shards included."""
    lacking = np.ones(len(work.first), dtype=bool)
    for places, stored in store.read(work.stored):
        vectors.put(places, stored)
        lacking[places] = False
    return work.todo if lacking.sum() == len(work.todo) else _costly_first(table, work.first, lacking)


def _costly_first(table: ItemTable, first: Rows, lacking: npt.NDArray[np.bool_]) -> Rows:
    todo = np.flatnonzero(lacking)
    return todo[np.argsort(-table.costs(first[todo]), kind="stable")]


def _batches(encoder: Encoder, table: ItemTable, work: Plan, tally: Tally) -> Iterator[tuple[Rows, list[Item]]]:
    """Yield batches of items; the next ones are decoded by a thread while the model works on the current one."""
    images = "image" in needs_of(encoder)
    waiting: list[tuple[Rows, Future[list[Item]]]] = []
    done = 0
    with ThreadPoolExecutor(1) as pool:
        try:
            while done < len(work.todo) or waiting:
                while done < len(work.todo) and len(waiting) < BATCHES_AHEAD:
                    places = work.todo[done : done + tally.batch_size]
                    waiting.append((places, pool.submit(table.items, work.first[places], images=images)))
                    done += len(places)
                places, future = waiting.pop(0)
                yield places, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def encode_backing_off(
    encoder: Encoder, items: list[Item], role: Role, tally: Tally, *, keep_zeros: bool = False
) -> Vectors:
    """Encode in parts of at most the current batch size, which halves whenever memory runs out.

    Raises what `encode_checked` raises, and ModelError when a single item does not fit.
    """
    parts: list[Vectors] = []
    start = 0
    while start < len(items):
        part = items[start : start + tally.batch_size]
        try:
            parts.append(encode_checked(encoder, part, role, keep_zeros=keep_zeros))
            _check_width(parts[-1], tally, encoder.card.id)
            start += len(part)
        except MemoryError:
            if len(part) == 1:
                raise ModelError(
                    f"Out of memory with a single {role}, {part[0].id!r}; no smaller batch is left."
                ) from None
            tally.batch_size = len(part) // 2
            tally.notes.append(f"out of memory at a batch of {len(part)}; went on with {tally.batch_size}")
    return np.concatenate(parts)


def _check_width(vectors: Vectors, tally: Tally, name: str) -> None:
    tally.width = tally.width or vectors.shape[1]
    if vectors.shape[1] != tally.width:
        raise EncodingError(
            f"Model {name!r} returned vectors of different dimensions: {tally.width}, then {vectors.shape[1]}; "
            "all embeddings of one model must have the same."
        )
