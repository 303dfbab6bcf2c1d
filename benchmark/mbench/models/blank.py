"""Any model whose pictures are made blank: what is left of a composed query when its picture tells nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mbench.core.errors import UnsupportedModalityError
from mbench.core.types import Encoder, Item, Role, Vectors, needs_of
from mbench.models.identity import extended

if TYPE_CHECKING:
    from PIL.Image import Image

GREY = (128, 128, 128)


class BlankPictures:
    """The model with every picture replaced by a grey one of the same size.

    The item keeps its picture's place, so the adapter still takes its path for composed items, with its prompt, its
    image tokens and its fusion. Mid-grey is what is used to hide parts of a picture from a network, being near the mean
    that preprocessing subtracts (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014).
    """

    def __init__(self, inner: Encoder) -> None:
        """Raises UnsupportedModalityError for a model that never looks at pictures: it would not notice."""
        if "image" not in needs_of(inner):
            raise UnsupportedModalityError(f"Model {inner.card.id!r} never looks at the image of an item.")
        self.inner, self.card, self.needs = inner, inner.card, needs_of(inner)
        self.identity = extended(inner, pictures=f"blank {GREY}")

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return the model's vectors [n, d] of the items with blank pictures."""
        return self.inner.encode([replace(item, image=_blank(item.image)) for item in items], role=role)


def _blank(image: Image | None) -> Image | None:
    from PIL.Image import new

    return None if image is None else new("RGB", image.size, GREY)
