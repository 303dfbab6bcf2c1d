"""Late fusion: a picture and a text are embedded apart, and an item of both is a weighted sum of the two vectors.

UniIR (https://arxiv.org/abs/2311.17136) calls this score fusion (its baselines CLIP-SF and BLIP-SF without training),
since the inner product of two such sums is the sum of the four scores between their parts; it adds the features as the
towers give them (`fusion=sum`). The "Image + Text" baseline of Pic2Word (https://arxiv.org/abs/2302.03084) adds
normalised ones (`fusion=normalized-sum`, the default).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
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


class LateFusion(ABC):
    """Base of models of two towers. A subclass gives the towers and loads itself.

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
    def image_features(self, pictures: Sequence[Image]) -> Vectors:
        """Return [n, d], not normalised."""

    @abstractmethod
    def text_features(self, texts: Sequence[str]) -> Vectors:
        """Return [n, d], not normalised."""

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d], not normalised. Raises UnsupportedModalityError for an item without picture and text."""
        texts = [self.text_of(item, role) for item in items]
        pictures = [item.image for item in items]
        for item, text, picture in zip(items, texts, pictures, strict=True):
            if text is None and picture is None:
                raise UnsupportedModalityError(
                    f"Model {self.card.id!r}: {role} {item.id!r} has no picture and no text."
                )
        vectors = np.zeros((len(items), self.dimension), dtype=np.float32)
        both = np.array([t is not None and p is not None for t, p in zip(texts, pictures, strict=True)])
        self._add(vectors, both, self.options.image_weight, pictures, self.image_features)
        self._add(vectors, both, self.options.text_weight, texts, self.text_features)
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

    def _add(
        self,
        vectors: Vectors,
        both: Any,
        weight: float,
        parts: Sequence[Any],
        features: Callable[[Sequence[Any]], Vectors],
    ) -> None:
        """Add one tower's features where its part exists; the weight matters only where the other one's does, too."""
        rows = [row for row, part in enumerate(parts) if part is not None]
        if not rows:
            return
        found = features([parts[row] for row in rows])
        if self.options.fusion == "normalized-sum":
            found = found / np.linalg.norm(found, axis=1, keepdims=True)
        vectors[rows] += found * np.where(both[rows], weight, 1.0).astype(np.float32)[:, None]

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
