"""Late fusion: a picture and a text are embedded apart, and an item of both is a weighted sum of the two vectors.

UniIR (https://arxiv.org/abs/2311.17136) calls this score fusion (its baselines CLIP-SF and BLIP-SF without training),
since the inner product of two such sums is the sum of the four scores between their parts; it adds the features as the
towers give them (`fusion=sum`). The "Image + Text" baseline of Pic2Word (https://arxiv.org/abs/2302.03084) adds
normalised ones (`fusion=normalized-sum`, the default).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from mbench.core.errors import UnsupportedModalityError
from mbench.core.specs import ModelCard
from mbench.core.types import Item, Role, Vectors
from mbench.models.device import Placement
from mbench.models.hub import Located
from mbench.models.identity import Identity
from mbench.models.options import Args, Weight

if TYPE_CHECKING:
    from PIL.Image import Image


_tokenizing = Lock()
"""Tokenizers of transformers set themselves up with each call and fail when two threads do so at once."""


class FusionArgs(Args):
    """Arguments of every model of this kind, beside its own."""

    fusion: Literal["normalized-sum", "sum"] = Field(
        default="normalized-sum", description="how picture and text add up"
    )
    image_weight: Weight = Field(default=1.0, description="weight of the picture's features in the sum")
    text_weight: Weight = Field(default=1.0, description="weight of the text's features in the sum")
    use_instruction: bool = Field(default=True, description="put a query's instruction before its text")

    @model_validator(mode="after")
    def _some_weight(self) -> FusionArgs:
        if self.image_weight == self.text_weight == 0:
            raise ValueError("image_weight and text_weight are both 0")
        return self


@dataclass(frozen=True, slots=True)
class Part:
    """One tower's share of a batch: what goes into it, for which `rows` of the batch, and how much each counts."""

    inputs: Any
    rows: list[int]
    weights: Vectors


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch of `count` items as the towers take it."""

    count: int
    pictures: Part
    texts: Part


class LateFusion(ABC):
    """Base of models of two towers. A subclass gives the towers and loads itself.

    `image_inputs` and `text_inputs` are what can be done beforehand by another thread (core/staged.py); a subclass
    leaves them out whose towers take pictures and texts.

    `family` begins the title of cards of checkpoints other than the card's own.
    """

    card: ModelCard
    identity: Identity
    family: ClassVar[str]

    def __init__(
        self, name: str, args: FusionArgs, located: Located, where: Placement, model: Any, dimension: int
    ) -> None:
        self.options, self.where, self.model, self.dimension = args, where, model, dimension
        self.card = self._card_of(name, located)
        self.identity = {
            **args.model_dump(exclude={"checkpoint", "id"}),
            "checkpoint": located.revision,
            "dtype": where.dtype,
        }

    @abstractmethod
    def image_features(self, pictures: Any) -> Vectors:
        """Return [n, d], not normalised, of pictures or of what `image_inputs` makes of them."""

    @abstractmethod
    def text_features(self, texts: Any) -> Vectors:
        """Return [n, d], not normalised, of texts or of what `text_inputs` makes of them."""

    def image_inputs(self, pictures: Sequence[Image]) -> Any:
        """Return what `image_features` takes: the pictures themselves, unless a subclass prepares them."""
        return pictures

    def text_inputs(self, texts: Sequence[str]) -> Any:
        """Return what `text_features` takes: the texts themselves, unless a subclass prepares them."""
        return texts

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d], not normalised. Raises UnsupportedModalityError for an item without picture and text."""
        return self.encode_prepared(self.prepare(items, role=role))

    def prepare(self, items: Sequence[Item], *, role: Role) -> Prepared:
        """Return what the towers take. Raises UnsupportedModalityError for an item without picture and text."""
        texts = [self.text_of(item, role) for item in items]
        pictures = [item.image for item in items]
        for item, text, picture in zip(items, texts, pictures, strict=True):
            if text is None and picture is None:
                raise UnsupportedModalityError(
                    f"Model {self.card.id!r}: {role} {item.id!r} has no picture and no text."
                )
        both = np.array([t is not None and p is not None for t, p in zip(texts, pictures, strict=True)])
        seen = part_of(pictures, both, self.options.image_weight, self.image_inputs)
        with _tokenizing:
            read = part_of(texts, both, self.options.text_weight, self.text_inputs)
        return Prepared(len(items), seen, read)

    def encode_prepared(self, prepared: Prepared) -> Vectors:
        """Return [n, d], not normalised."""
        vectors = np.zeros((prepared.count, self.dimension), dtype=np.float32)
        self._add(vectors, prepared.pictures, self.image_features)
        self._add(vectors, prepared.texts, self.text_features)
        return vectors

    def text_of(self, item: Item, role: Role) -> str | None:
        """Return what the text tower reads: for queries the instruction, a space and the text, as far as they exist.

        A blank text beside a picture counts as none.
        """
        instruction = item.instruction if role == "query" and self.options.use_instruction else None
        parts = [part for part in (instruction, item.text) if part and part.strip()]
        if parts:
            return " ".join(parts)
        return item.text if item.image is None else None

    def _add(self, vectors: Vectors, part: Part, features: Callable[[Any], Vectors]) -> None:
        """Add one tower's features where its part exists."""
        if not part.rows:
            return
        found = features(part.inputs)
        if self.options.fusion == "normalized-sum":
            found = found / np.linalg.norm(found, axis=1, keepdims=True)
        vectors[part.rows] += found * part.weights[:, None]

    def _card_of(self, name: str, located: Located) -> ModelCard:
        """Return the card of the loaded checkpoint; what is known of the default one does not hold for others."""
        changed: dict[str, object] = {
            "id": name,
            "revision": located.revision,
            "checkpoint": located.name,
            "dimension": self.dimension,
            "parameters": sum(weights.numel() for weights in self.model.parameters()),
            "uses_instructions": self.options.use_instruction,
        }
        if located.name != self.card.checkpoint:
            changed |= {
                "title": f"{self.family} {located.name}".strip(),
                "license": "not stated",
                "training_datasets": None,
            }
        return self.card.model_copy(update=changed)


def part_of(parts: Sequence[Any], both: Any, weight: float, inputs: Callable[[Sequence[Any]], Any] = list) -> Part:
    """Prepare with `inputs` what there is of `parts` (None where there is nothing) for one tower.

    The weight matters only for items of `both` parts.
    """
    rows = [row for row, part in enumerate(parts) if part is not None]
    weights = np.where(both[rows], weight, 1.0).astype(np.float32)
    return Part(inputs([parts[row] for row in rows]) if rows else None, rows, weights)
