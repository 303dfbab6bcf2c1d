"""How many items go to the model at once: what memory allows, and half of it whenever memory runs out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mbench.core.errors import EncodingError, ModelError
from mbench.core.memory import memory_growth, memory_left, uses_gpu
from mbench.core.types import Encoder, Item, ItemTable, Role, Rows, Vectors
from mbench.retrieval.checks import encode_checked, items_for

DEFAULT_BATCH = 64
"""On a CPU: larger batches are not faster there."""
DEFAULT_ON_GPU = 256
PROBED = 4
SHARE = 0.5
"""Of the memory that is left, how much a batch may take."""
LARGE = 20_000_000
"""Parameters from which on a model's need for memory is measured before a batch is put together."""


@dataclass(slots=True)
class Tally:
    """What happened while encoding: for the result's provenance.

    `batch_size` is the one in use. With `auto` each table begins with what memory allows, up to `most`; both fall when
    memory runs out.
    """

    batch_size: int
    auto: bool = False
    most: int | None = None
    width: int | None = None
    encoded: int = 0
    reused: int = 0
    notes: list[str] = field(default_factory=list)

    @staticmethod
    def of(batch_size: int | None) -> Tally:
        """Begin with the size that the user asked for; None is `auto`."""
        return Tally(batch_size or DEFAULT_BATCH, auto=batch_size is None)


def fit_batch(encoder: Encoder, table: ItemTable, first: Rows, todo: Rows, role: Role, tally: Tally) -> None:
    """Set the batch size for the rows `first` of `table`, of which `todo` are still to encode, where it is `auto`.

    What memory allows is told by the costliest rows of the whole table, so that a run that goes on after an
    interruption cuts the same batches: with other ones, many models' vectors differ in their last bits. For the same
    reason neither time nor what the first batches took has a say, and the size is a power of two.
    """
    if not tally.auto:
        return
    most = tally.most or (DEFAULT_ON_GPU if uses_gpu() else DEFAULT_BATCH)
    tally.batch_size = most
    if len(todo) <= 2 * PROBED or (encoder.card.parameters or 0) < LARGE:
        return
    tally.batch_size = min(most, _allowed(encoder, table, first, role, most))
    if tally.batch_size < most:
        tally.notes.append(f"batches of {tally.batch_size} {role} items: what memory allows")


def _allowed(encoder: Encoder, table: ItemTable, first: Rows, role: Role, most: int) -> int:
    """Return the largest power of two of items that fit; the first one alone allocates what is needed only once."""
    costliest = np.argsort(-table.costs(first), kind="stable")[:PROBED]
    try:
        items = items_for(encoder, table, first[costliest], role)
        encode_checked(encoder, items[:1], role, keep_zeros=True)
        growth = memory_growth(lambda: encode_checked(encoder, items, role, keep_zeros=True))
    except MemoryError:
        return 1
    left = memory_left()
    if not growth or left is None:
        return most
    # What the first item took may still be held, so that only the others show.
    each = growth / max(1, len(items) - 1)
    return 1 << max(0, int(SHARE * max(0, left) / each).bit_length() - 1)


def encode_backing_off(
    encoder: Encoder,
    items: list[Item],
    role: Role,
    tally: Tally,
    *,
    keep_zeros: bool = False,
    prepared: object = None,
) -> Vectors:
    """Encode in parts of at most the current batch size, which halves whenever memory runs out.

    `prepared` is what a staged encoder has made of all the items, if anything. Raises what `encode_checked` raises, and
    ModelError when a single item does not fit.
    """
    parts: list[Vectors] = []
    start = 0
    while start < len(items):
        part = items[start : start + tally.batch_size]
        whole = prepared if len(part) == len(items) else None
        try:
            found = encode_checked(encoder, part, role, keep_zeros=keep_zeros, prepared=whole)
            # The next call may overwrite what an adapter returned from a buffer of its own.
            parts.append(found if len(part) == len(items) else found.copy())
            _check_width(parts[-1], tally, encoder.card.id)
            start += len(part)
        except MemoryError:
            if len(part) == 1:
                raise ModelError(
                    f"Out of memory with a single {role}, {part[0].id!r}; no smaller batch is left."
                ) from None
            tally.batch_size = tally.most = len(part) // 2
            tally.notes.append(f"out of memory at a batch of {len(part)}; went on with {tally.batch_size}")
    return np.concatenate(parts)


def _check_width(vectors: Vectors, tally: Tally, name: str) -> None:
    tally.width = tally.width or vectors.shape[1]
    if vectors.shape[1] != tally.width:
        raise EncodingError(
            f"Model {name!r} returned vectors of different dimensions: {tally.width}, then {vectors.shape[1]}; "
            "all embeddings of one model must have the same."
        )
