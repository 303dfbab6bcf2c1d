"""From a table of items to one vector a row: each content once, costly items first, pictures decoded ahead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mbench.core.lookup import Lookup
from mbench.core.types import Encoder, ItemTable, Keys, Role, Rows, Vectors, needs_of
from mbench.retrieval.ahead import batches
from mbench.retrieval.assembly import Assembly, Pending
from mbench.retrieval.batching import DEFAULT_BATCH, Tally, encode_backing_off, fit_batch
from mbench.retrieval.keys import Located, distinct
from mbench.retrieval.passing import passed_on
from mbench.retrieval.space import Space
from mbench.retrieval.store import Store

__all__ = ["DEFAULT_BATCH", "Plan", "Tally", "Watch", "embed", "encode_backing_off", "plan"]

KEY_BYTES = 16

PLURAL: dict[Role, str] = {"query": "queries", "candidate": "candidates"}


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
    todo = _costly_first(_read(table, needs), found.first, stored.shards < 0)
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
        watch.start(PLURAL[role], 0)
        tally.encoded += len(table)
        return passed_on(encoder, encoder.card, table, role, space)
    work = plan(encoder, table, store)
    vectors = Assembly(len(work.first), space, encoder.card.id)
    pending = None
    if store is not None and len(work.keys):
        work = replace(work, todo=_reused(store, _read(table, needs_of(encoder)), work, vectors))
        tally.width = tally.width or vectors.width
        pending = Pending(store, work.keys)
    fit_batch(encoder, table, work.first, work.todo, role, tally)
    watch.start(_phase(role, work, tally), len(work.todo))
    try:
        for batch in batches(encoder, table, work.first, work.todo, role, tally):
            fresh = encode_backing_off(encoder, batch.items, role, tally, prepared=batch.prepared)
            vectors.put(batch.places, fresh)
            if pending is not None:
                pending.add(batch.places, fresh)
            watch.advance(len(batch.items))
    finally:
        if pending is not None:
            pending.save()
    tally.encoded += len(work.todo)
    tally.reused += len(work.first) - len(work.todo)
    return vectors.rows(work.place)


def _phase(role: Role, work: Plan, tally: Tally) -> str:
    """Return what is being done, in the words of the progress display."""
    stored = len(work.first) - len(work.todo)
    known = f", {stored:,} from the cache" if stored else ""
    return f"{PLURAL[role]} in batches of {tally.batch_size}{known}"


def _reused(store: Store, table: ItemTable, work: Plan, vectors: Assembly) -> Rows:
    """Fill in what is stored; return what is left to do, the costly ones first, damaged shards included."""
    lacking = np.ones(len(work.first), dtype=bool)
    for places, stored in store.read(work.stored):
        vectors.put(places, stored)
        lacking[places] = False
    return work.todo if lacking.sum() == len(work.todo) else _costly_first(table, work.first, lacking)


def _read(table: ItemTable, needs: frozenset[str]) -> ItemTable:
    """Return the table as a model sees it that has such `needs`: pictures that it does not look at cost nothing."""
    return table if "image" in needs else table.replaced(image=None)


def _costly_first(table: ItemTable, first: Rows, lacking: npt.NDArray[np.bool_]) -> Rows:
    todo = np.flatnonzero(lacking)
    return todo[np.argsort(-table.costs(first[todo]), kind="stable")]
