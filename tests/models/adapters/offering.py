"""An adapter that does right what it may offer beside `encode`, and others that each do one thing wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from tests.models.adapters.conforming import PIXELS, Sound

from mbench.core.types import Item, Role, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image


class SoundInTwoStages(Sound):
    """Does what it may offer beside `encode`."""

    roles_alike = True

    def prepare(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return super().encode(items, role=role)

    def encode_prepared(self, prepared: Vectors) -> Vectors:
        return prepared

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return self.encode_prepared(self.prepare(items, role=role))


class SoundWithSmallPictures(SoundInTwoStages):
    def reduced(self, picture: Image) -> Image:
        return picture.convert("RGB").resize((PIXELS, PIXELS))


class ReducesTooFar(SoundWithSmallPictures):
    def reduced(self, picture: Image) -> Image:
        return super().reduced(picture).resize((PIXELS - 1, PIXELS - 1))


class ReducesWithAnotherFilter(SoundWithSmallPictures):
    """As a decoder does that is asked for a smaller picture."""

    def reduced(self, picture: Image) -> Image:
        return picture.convert("RGB").reduce(2) if picture.width > 300 else super().reduced(picture)


class ReducesWhatIsInRGB(SoundWithSmallPictures):
    def reduced(self, picture: Image) -> Image:
        if picture.mode == "CMYK":
            raise ValueError("four channels")
        return super().reduced(picture)


class PreparesOtherWords(SoundInTwoStages):
    """As a second path for prompts does that lacks the instruction."""

    def prepare(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return Sound.encode(self, [replace(item, instruction=None) for item in items], role=role)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return Sound.encode(self, items, role=role)


class RemembersOnlyTheLastBatch(SoundInTwoStages):
    """Right as long as nothing is prepared ahead."""

    def prepare(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.last = super().prepare(items, role=role)
        return self.last

    def encode_prepared(self, prepared: Vectors) -> Vectors:
        return self.last


class CountsTwiceWhatIsPrepared(SoundInTwoStages):
    def encode_prepared(self, prepared: Vectors) -> Vectors:
        return np.concatenate([prepared, prepared])

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return self.prepare(items, role=role)


class CallsItsRolesAlike(Sound):
    card = Sound.card.model_copy(update={"roles_differ": None})
    roles_alike = True

    def vector(self, item: Item, role: Role) -> Vectors:
        return super().vector(item, role) + np.float32(0 if role == "candidate" else 0.25)
