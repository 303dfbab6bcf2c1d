"""A small adapter that does all that it should, and others that each do one thing wrong."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL.ImageOps import exif_transpose

from mbench.core.errors import UnsupportedModalityError
from mbench.core.specs import ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors

WORDS, PIXELS = 64, 4


class Sound:
    """Counts hashed words beside a picture of 4 x 4 pixels; the last number is 1, so that no vector is zero."""

    card = ModelCard(
        id="sound",
        modalities=["text", "image", "image+text"],
        uses_instructions=True,
        roles_differ=False,
        dimension=WORDS + 3 * PIXELS * PIXELS + 1,
        license="MIT",
    )
    identity: Mapping[str, object] = MappingProxyType({"version": 1})

    @classmethod
    def load(cls, options: LoadOptions) -> Sound:
        return cls()

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        vectors = np.zeros((len(items), WORDS + 3 * PIXELS * PIXELS + 1), dtype=np.float32)
        for row, item in enumerate(items):
            vectors[row] = self.vector(item, role)
        return vectors

    def vector(self, item: Item, role: Role) -> Vectors:
        if item.image is None and item.text is None and item.instruction is None:
            raise UnsupportedModalityError(f"{role} {item.id!r} has no picture and no words")
        return np.concatenate([self.words(item), self.picture(item), [np.float32(1)]])

    def words(self, item: Item) -> Vectors:
        counts = np.zeros(WORDS, dtype=np.float32)
        for word in f"{item.instruction or ''} {item.text or ''}".split():
            counts[zlib.crc32(word.encode()) % WORDS] += 1
        return counts

    def picture(self, item: Item) -> Vectors:
        if item.image is None:
            return np.zeros(3 * PIXELS * PIXELS, dtype=np.float32)
        pixels: Vectors = np.asarray(item.image.convert("RGB").resize((PIXELS, PIXELS)), dtype=np.float32)
        return pixels.ravel() / np.float32(255)


class AddsTheMeanOfItsBatch(Sound):
    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        vectors = super().encode(items, role=role)
        return vectors + vectors.mean(axis=0) if len(items) else vectors


class KnowsItsPlace(Sound):
    """Mixes the vectors of neighbours of equal count: a lone item is its own neighbour."""

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        vectors = super().encode(items, role=role)
        mixed: Vectors = vectors + 0.5 * np.roll(vectors, 1, axis=0)
        return mixed


class ShrinksThePicture(Sound):
    def picture(self, item: Item) -> Vectors:
        if item.image is not None and item.image.mode == "RGB":
            item.image.thumbnail((8, 8))
        return super().picture(item)


class IgnoresInstructions(Sound):
    def words(self, item: Item) -> Vectors:
        return super().words(replace(item, instruction=None))


class ReadsInstructionsUntold(Sound):
    card = Sound.card.model_copy(update={"uses_instructions": False})


class PrefixesQueriesUntold(Sound):
    def words(self, item: Item) -> Vectors:
        return super().words(item) + np.float32(0 if self.role == "candidate" else 0.25)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.role = role
        return super().encode(items, role=role)


class IgnoresTextBesidePictures(Sound):
    def words(self, item: Item) -> Vectors:
        return super().words(item if item.image is None else replace(item, text=None))


class IgnoresPicturesBesideText(Sound):
    def picture(self, item: Item) -> Vectors:
        return super().picture(item if item.text is None else replace(item, image=None))


class ReturnsItsBuffer(Sound):
    buffer = np.zeros((64, WORDS + 3 * PIXELS * PIXELS + 1), dtype=np.float32)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.buffer[: len(items)] = super().encode(items, role=role)
        return self.buffer[: len(items)]


class GivesTensorsWithGradients(Sound):
    def encode(self, items: Sequence[Item], *, role: Role) -> Any:
        import torch

        return torch.from_numpy(super().encode(items, role=role)).requires_grad_()


class GivesDoubles(Sound):
    def encode(self, items: Sequence[Item], *, role: Role) -> Any:
        return super().encode(items, role=role).astype(np.float64)


class GivesLists(Sound):
    def encode(self, items: Sequence[Item], *, role: Role) -> Any:
        return list(super().encode(items, role=role)) or super().encode(items, role=role)


class LosesItselfInUnicode(Sound):
    def words(self, item: Item) -> Vectors:
        return super().words(item) * np.float32(1 if (item.text or "").isascii() else np.nan)


class NeedsAWord(Sound):
    def words(self, item: Item) -> Vectors:
        return super().words(replace(item, text=item.text if item.text is None else item.text.split()[0] + item.text))


class ForgetsToConvert(Sound):
    def picture(self, item: Item) -> Vectors:
        if item.image is None:
            return super().picture(item)
        small: Vectors = np.asarray(item.image.resize((PIXELS, PIXELS)), dtype=np.float32)
        return small.reshape(PIXELS * PIXELS * 3) / np.float32(255)


class TurnsPicturesUntold(Sound):
    def picture(self, item: Item) -> Vectors:
        return super().picture(item if item.image is None else replace(item, image=exif_transpose(item.image)))


class HashesTheId(Sound):
    def words(self, item: Item) -> Vectors:
        return super().words(replace(item, text=f"{item.text or ''} {item.id}"))


class LooksAtPicturesUntold(Sound):
    needs = frozenset({"text"})


class HasAnotherDimension(Sound):
    card = Sound.card.model_copy(update={"dimension": 512})


class FusesUntold(Sound):
    card = Sound.card.model_copy(update={"modalities": ["text", "image"]})


class RefusesWithoutAName(Sound):
    def vector(self, item: Item, role: Role) -> Vectors:
        if item.text is not None and len(item.text) > 5000:
            raise UnsupportedModalityError("the text is too long")
        return super().vector(item, role)


class HasNoVectorForAnA(Sound):
    def vector(self, item: Item, role: Role) -> Vectors:
        return super().vector(item, role) * (item.text != "a")


class StacksNothing(Sound):
    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return np.stack([self.vector(item, role) for item in items])


class NeverTheSame(Sound):
    calls = 0

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.calls += 1
        return super().encode(items, role=role) + np.float32(1e-6 * self.calls)


class IsAnotherInEveryProcess(Sound):
    def __init__(self) -> None:
        self.identity = {"process": os.getpid()}


class DrawsItsWeights(Sound):
    """As a loader that leaves a layer at random does."""

    def __init__(self) -> None:
        self.weights = np.random.default_rng().normal(size=WORDS).astype(np.float32)

    def words(self, item: Item) -> Vectors:
        return super().words(item) * self.weights


class DiesInAWorker(Sound):
    def __init__(self) -> None:
        import multiprocessing

        if multiprocessing.parent_process() is not None:
            os._exit(7)


class RunsOutOfMemory(Sound):
    def vector(self, item: Item, role: Role) -> Vectors:
        if item.text is not None and len(item.text) > 5000:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().vector(item, role)


class NeverHasMemory(Sound):
    def vector(self, item: Item, role: Role) -> Vectors:
        raise MemoryError
