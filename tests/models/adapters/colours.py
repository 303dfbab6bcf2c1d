"""A complete adapter: an item is the colours of its picture and the colour names in its text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mbench.core.specs import ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.options import Args, Weight

NAMES = ("red", "green", "blue")


class ColoursArgs(Args):
    text_weight: Weight = 1.0


class Colours:
    card = ModelCard(
        id="colours",
        modalities=["text", "image", "image+text"],
        uses_instructions=False,
        dimension=3,
        license="MIT",
    )
    args = ColoursArgs

    def __init__(self, text_weight: float) -> None:
        self.text_weight = text_weight
        self.identity = {"text_weight": text_weight}

    @classmethod
    def load(cls, options: LoadOptions) -> Colours:
        return cls(ColoursArgs.read(options, "colours").text_weight)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        rows = [self.picture(item) + self.text_weight * self.words(item) for item in items]
        return np.array(rows, dtype=np.float32)

    def picture(self, item: Item) -> Vectors:
        if item.image is None:
            return np.zeros(3, dtype=np.float32)
        pixels = np.asarray(item.image.convert("RGB"), dtype=np.float32)
        return np.array(pixels.mean(axis=(0, 1)) / 255)

    def words(self, item: Item) -> Vectors:
        return np.array([name in (item.text or "").split() for name in NAMES], dtype=np.float32)
