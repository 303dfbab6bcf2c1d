"""What stands between an adapter and a score: embeddings that cannot be scored are refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
import numpy.typing as npt

from mbench.core.calls import called
from mbench.core.errors import EncodingError, ModelError
from mbench.core.specs import ModelCard
from mbench.core.staged import Staged, reducer
from mbench.core.types import Encoder, Item, ItemTable, Role, Rows, Vectors, needs_of

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")


def encode_checked(
    encoder: Encoder, items: Sequence[Item], role: Role, *, keep_zeros: bool = False, prepared: object = None
) -> Vectors:
    """Encode one batch: float32 [n, d], normalised for a cosine model, as the adapter gave them for a dot-product one.

    A zero vector has no direction, so it cannot be scored; with `keep_zeros` it is handed on (some official codes give
    one for an empty item). `prepared` is what a staged encoder has made of the items before, if anything.

    Raises EncodingError (wrong type or shape, NaN, infinity, zero norm; names the item), MemoryError when the device or
    the machine is out of memory, and ModelError with the cause for whatever else the adapter raises.
    """

    def vectors_of() -> npt.NDArray[np.floating]:
        if prepared is None:
            return np.asarray(encoder.encode(items, role=role))
        return np.asarray(cast(Staged, encoder).encode_prepared(prepared))

    vectors = _called(vectors_of, encoder, items, role)
    name = encoder.card.id
    if vectors.ndim != 2 or len(vectors) != len(items) or vectors.shape[1] == 0 or vectors.dtype.kind != "f":
        raise EncodingError(
            f"Model {name!r} returned {vectors.dtype} {list(vectors.shape)} for {len(items)} {role} items; expected "
            f"float32 [{len(items)}, dimension]."
        )
    return checked(vectors, encoder.card, lambda row: items[row].id, keep_zeros=keep_zeros)


def prepare_checked(encoder: Staged, items: Sequence[Item], role: Role) -> object:
    """Return what the encoder makes of a batch beforehand.

    Raises ModelError with the cause for whatever the adapter raises, MemoryError when memory has run out.
    """
    return _called(lambda: encoder.prepare(items, role=role), encoder, items, role)


def items_for(encoder: Encoder, table: ItemTable, rows: Rows, role: Role) -> list[Item]:
    """Return the items of `rows`, with pictures only if the encoder looks at them, reduced if it does that.

    Raises ImageError, ModelError with the cause for whatever the adapter raises and for what is no picture, MemoryError
    when memory has run out.
    """
    reduce = reducer(encoder)
    reducing = None if reduce is None else partial(_reduced, encoder, reduce, role)
    return table.items(rows, images="image" in needs_of(encoder), reduced=reducing)


def checked(
    vectors: npt.NDArray[np.floating], card: ModelCard, id_of: Callable[[int], str], *, keep_zeros: bool = False
) -> Vectors:
    """Return vectors [n, d] as float32, normalised for a cosine model; `id_of` tells the id of a row for messages.

    Raises EncodingError for NaN, infinity and, without `keep_zeros`, zero vectors.
    """
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float32, copy=False)
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    _refuse(~np.isfinite(norms), "NaN or infinity", card.id, id_of)
    if keep_zeros:
        norms = np.where(norms == 0, 1.0, norms)
    _refuse(norms == 0, "a zero vector", card.id, id_of)
    if card.similarity == "dot":
        return vectors
    return normalised(vectors, norms)


def normalised(vectors: Vectors, norms: npt.NDArray[np.float64] | None = None) -> Vectors:
    """Return the vectors [n, d] at unit length, divided in float64 and stored as float32."""
    if norms is None:
        norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    return (vectors / norms[:, None]).astype(np.float32)


def _reduced(encoder: Encoder, reduce: Callable[[Image], Image], role: Role, item: Item) -> Item:
    import PIL.Image

    picture = item.image
    if picture is None:
        return item
    what = f"the picture of {role} {item.id!r} ({picture.width} x {picture.height} pixels, {picture.mode})"
    found = called(
        lambda: reduce(picture),
        lambda error: ModelError(
            f"Model {encoder.card.id!r} raised {type(error).__name__} while it reduced {what}: {error}"
        ),
    )
    if not isinstance(found, PIL.Image.Image):
        raise ModelError(
            f"Model {encoder.card.id!r} reduced {what} to {type(found).__name__}; expected a picture of PIL."
        )
    return replace(item, image=found)


def _called(work: Callable[[], T], encoder: Encoder, items: Sequence[Item], role: Role) -> T:
    return called(
        work,
        lambda error: ModelError(
            f"Model {encoder.card.id!r} raised {type(error).__name__} while encoding {role} items {items[0].id!r} to "
            f"{items[-1].id!r}: {error}"
        ),
    )


def _refuse(bad: npt.NDArray[np.bool_], what: str, name: str, id_of: Callable[[int], str]) -> None:
    if bad.any():
        raise EncodingError(
            f"Model {name!r} returned {what} for {int(bad.sum())} of {len(bad)} items, first "
            f"{id_of(int(np.argmax(bad)))!r}. Nothing was scored; check the adapter, its dtype and that item."
        )
