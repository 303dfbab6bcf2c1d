"""From a table of items to one vector a row: each content once, costly items first, pictures decoded ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mbench.core.errors import EncodingError, ModelError
from mbench.core.types import Encoder, Item, ItemTable, Role, Rows, Vectors, needs_of
from mbench.retrieval.checks import encode_checked
from mbench.retrieval.store import Store

DEFAULT_BATCH = 64
SHARD_ROWS = 4096
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

    `todo` are the positions in `first` that the store lacks, the costly ones first; `keys` are empty when nothing is
    shared because the embedding depends on the item's id.
    """

    first: Rows
    place: Rows
    keys: list[bytes]
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
        return Plan(rows, rows, [], rows)
    place_of: dict[bytes, int] = {}
    digests = table.content_keys(rows, needs) if needs else [bytes(16)] * len(rows)
    place = np.fromiter((place_of.setdefault(key, len(place_of)) for key in digests), np.int64, len(digests))
    first = np.unique(place, return_index=True)[1].astype(np.int64)
    keys = list(place_of)
    lacking = [i for i, key in enumerate(keys) if store is None or key not in store]
    todo = np.asarray(lacking, dtype=np.int64)
    costly_first = np.argsort(-table.costs(first[todo]), kind="stable")
    return Plan(first, place, keys, todo[costly_first])


def embed(
    encoder: Encoder, table: ItemTable, role: Role, tally: Tally, watch: Watch, store: Store | None = None
) -> Vectors:
    """Return float32 [len(table), d]: normalised for a cosine model, as the adapter gave them for a dot-product one.

    Running out of memory halves `tally.batch_size` and goes on. What was finished before an interruption is in the
    store. Raises EncodingError for embeddings that cannot be scored, ModelError when the adapter raises.
    """
    work = plan(encoder, table, store)
    watch.start(f"{role}s", len(work.todo))
    parts: list[tuple[Rows, Vectors]] = []
    saved = 0
    try:
        for places, items in _batches(encoder, table, work, tally):
            parts.append((places, encode_backing_off(encoder, items, role, tally)))
            watch.advance(len(items))
            if sum(len(p) for p, _ in parts[saved:]) >= SHARD_ROWS:
                saved = _save(work, parts, saved, store)
    finally:
        _save(work, parts, saved, store)
    tally.encoded += len(work.todo)
    tally.reused += len(work.first) - len(work.todo)
    return _assembled(work, parts, store, encoder.card.id)[work.place]


def _assembled(work: Plan, parts: list[tuple[Rows, Vectors]], store: Store | None, name: str) -> Vectors:
    """Put the fresh vectors and the stored ones into one array [n_u, d]."""
    fresh = {int(place) for places, _ in parts for place in places}
    stored = [(place, store[key]) for place, key in enumerate(work.keys) if store and place not in fresh]
    widths = {vectors.shape[1] for _, vectors in parts} | {len(vector) for _, vector in stored}
    if len(widths) > 1:
        raise EncodingError(
            f"Model {name!r} returned vectors of different dimensions: {', '.join(map(str, sorted(widths)))}; "
            "all embeddings of one model must have the same."
        )
    vectors = np.zeros((len(work.first), widths.pop() if widths else 0), dtype=np.float32)
    for places, values in parts:
        vectors[places] = values
    for place, value in stored:
        vectors[place] = value
    return vectors


def _save(work: Plan, parts: list[tuple[Rows, Vectors]], start: int, store: Store | None) -> int:
    """Store the parts from `start` on as one shard; return how many parts are stored now."""
    if store is not None and work.keys and len(parts) > start:
        keys = [work.keys[place] for places, _ in parts[start:] for place in places]
        store.add(keys, np.concatenate([vectors for _, vectors in parts[start:]]))
    return len(parts)


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
