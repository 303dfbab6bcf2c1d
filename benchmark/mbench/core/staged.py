"""Encoders whose work falls in parts: what is done to each picture, then to a batch of items, and the model's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import isfunction
from typing import TYPE_CHECKING, Any, Protocol, cast

from mbench.core.types import Encoder, Item, Role, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image


class Staged(Encoder, Protocol):
    """An `Encoder` that also lets its pictures and texts be prepared while the model is busy with others.

    `encode(items, role=role)` must equal `encode_prepared(prepare(items, role=role))`. Both methods or none; an
    adapter without them is given whole batches of items, whose pictures are decoded ahead all the same.
    """

    def prepare(self, items: Sequence[Item], *, role: Role) -> object:
        """Return anything (token ids, pixels) that `encode_prepared` takes; it should not hold the items' pictures.

        Called from other threads, several batches at once: it must not change the encoder, nor touch the device.
        """

    def encode_prepared(self, prepared: Any) -> Vectors:
        """Return float32 [n, d], one vector for each item that was prepared. Called from one thread only."""


def staged(encoder: Encoder) -> Staged | None:
    """Return the encoder if its work may be done in two stages.

    One whose `encode` was replaced, by a subclass or on the object, is asked through that: it may do more.
    """
    classes = type(encoder).__mro__
    places = {name: _place(name, classes) for name in ("prepare", "encode_prepared", "encode")}
    if "encode" in getattr(encoder, "__dict__", {}) or None in places.values():
        return None
    nearest = min(place for name, place in places.items() if name != "encode" and place is not None)
    return cast(Staged, encoder) if nearest <= (places["encode"] or 0) else None


class Reducing(Encoder, Protocol):
    """An `Encoder` that makes pictures as small as it sees them, so that a batch of photographs takes less memory.

    `encode` must return the same for an item whose picture was reduced, bit for bit.
    """

    def reduced(self, picture: Image) -> Image:
        """Return a picture to take the place of `picture`. Called from other threads, several at once."""


def reducer(encoder: Encoder) -> Callable[[Image], Image] | None:
    """Return how the encoder reduces a picture, if it does.

    One of whose other public methods was replaced, by a subclass or on the object, is given whole pictures: the new one
    may see more of them.
    """
    classes = type(encoder).__mro__
    mine = _place("reduced", classes)
    if mine is None:
        return None
    later = set(getattr(encoder, "__dict__", {})).union(*map(vars, classes[:mine]))
    replaced = (name for name in later if isfunction(getattr(classes[mine], name, None)) and not name.startswith("_"))
    return None if any(replaced) else cast(Reducing, encoder).reduced


def _place(name: str, classes: Sequence[type]) -> int | None:
    return next((place for place, one in enumerate(classes) if name in vars(one)), None)
