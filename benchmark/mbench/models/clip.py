"""CLIP through transformers: two towers and late fusion (Radford et al. 2021, https://arxiv.org/abs/2103.00020).

An item of picture and text is a weighted sum of the two towers' features. UniIR (https://arxiv.org/abs/2311.17136)
calls this CLIP score fusion, since the inner product of two such sums is the sum of the four scores between their
parts; it adds the features as the towers give them (`fusion=sum`). The "Image + Text" baseline of Pic2Word
(https://arxiv.org/abs/2302.03084) adds normalised ones (`fusion=normalized-sum`, the default).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from mbench.core.errors import UnsupportedModalityError
from mbench.core.specs import ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.hf import load_part, load_pretrained, load_tokenizer, read_config, require_transformers
from mbench.models.hub import Located, locate
from mbench.models.identity import Identity
from mbench.models.options import Args, Text, Weight
from mbench.models.pictures import rgb, shortened

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

DEFAULT_CHECKPOINT = "openai/clip-vit-large-patch14"
STORED_WITHOUT_EFFECT = ("*.position_ids", "logit_scale")


class ClipArgs(Args):
    """Arguments of `clip`."""

    checkpoint: Text = Field(default=DEFAULT_CHECKPOINT, description="a folder or a name on the Hugging Face Hub")
    fusion: Literal["normalized-sum", "sum"] = Field(
        default="normalized-sum", description="how picture and text add up"
    )
    image_weight: Weight = Field(default=1.0, description="weight of the picture's features in the sum")
    text_weight: Weight = Field(default=1.0, description="weight of the text's features in the sum")
    id: Text = Field(default="clip", description="the model's name in results")
    use_instruction: bool = Field(default=True, description="put a query's instruction before its text")

    @model_validator(mode="after")
    def _some_weight(self) -> ClipArgs:
        if self.image_weight == self.text_weight == 0:
            raise ValueError("image_weight and text_weight are both 0")
        return self


class Clip:
    """A CLIP checkpoint in the layout of transformers."""

    card: ModelCard = shipped_card("clip")
    args: ClassVar[type[Args]] = ClipArgs

    def __init__(self, located: Located, args: ClipArgs, where: Placement) -> None:
        from transformers import CLIPModel

        config = read_config(located.folder, "clip", ["clip"])
        self.options, self.where = args, where
        self.tokenizer = load_tokenizer(located.folder, config, padding_side="right")
        self.processor = load_part(_processor_class(), located.folder, "preprocessor_config.json")
        self.model = load_pretrained(CLIPModel, located.folder, where, STORED_WITHOUT_EFFECT)
        self.card = _card(args, located, self.model)
        self.identity: Identity = {
            **args.model_dump(exclude={"checkpoint", "id"}),
            "checkpoint": located.revision,
            "dtype": where.dtype,
        }

    @classmethod
    def load(cls, options: LoadOptions) -> Clip:
        """Load `--model-args checkpoint=`. Raises UserError, ModelError, CheckpointError, MissingDependencyError."""
        args = ClipArgs.read(options, "clip")
        require_transformers("clip", "clip")
        pinned = cls.card.revision if args.checkpoint == DEFAULT_CHECKPOINT else None
        return cls(locate(args.checkpoint, options, pinned), args, placement(options, official="fp32"))

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d], not normalised. Raises UnsupportedModalityError for an item without picture and text."""
        texts = [self.text_of(item, role) for item in items]
        pictures = [item.image for item in items]
        for item, text, picture in zip(items, texts, pictures, strict=True):
            if text is None and picture is None:
                raise UnsupportedModalityError(
                    f"Model {self.card.id!r}: {role} {item.id!r} has no picture and no text."
                )
        vectors = np.zeros((len(items), self.model.config.projection_dim), dtype=np.float32)
        both = np.array([t is not None and p is not None for t, p in zip(texts, pictures, strict=True)])
        self._add(vectors, both, self.options.image_weight, pictures, self._image_features)
        self._add(vectors, both, self.options.text_weight, texts, self._text_features)
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

    def pixels(self, pictures: Sequence[Any]) -> Tensor:
        """Return [n, 3, h, w] as the checkpoint's preprocessor_config says: resize, crop, rescale, normalise."""
        ready = [self._shortened(rgb(picture)) for picture in pictures]
        found: Tensor = self.processor(ready, return_tensors="pt")["pixel_values"]
        return found

    def _shortened(self, picture: Image) -> Image:
        size = dict(self.processor.size)
        if not (self.processor.do_resize and self.processor.do_center_crop and size.keys() == {"shortest_edge"}):
            return picture
        crop = max(dict(self.processor.crop_size).values())
        return shortened(picture, size["shortest_edge"], crop, self.processor.resample)

    def _add(
        self, vectors: Vectors, both: Any, weight: float, parts: Sequence[Any], features: Callable[[list[Any]], Vectors]
    ) -> None:
        """Add one tower's features where its part exists; the weight matters only where the other one's does, too."""
        rows = [row for row, part in enumerate(parts) if part is not None]
        if not rows:
            return
        found = features([parts[row] for row in rows])
        if self.options.fusion == "normalized-sum":
            found = found / np.linalg.norm(found, axis=1, keepdims=True)
        vectors[rows] += found * np.where(both[rows], weight, 1.0).astype(np.float32)[:, None]

    def _image_features(self, pictures: list[Any]) -> Vectors:
        pixels = self.pixels(pictures).to(self.where.device, self.where.torch_dtype)
        return self._run(self.model.get_image_features, pixel_values=pixels)

    def _text_features(self, texts: list[str]) -> Vectors:
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        return self._run(
            self.model.get_text_features,
            input_ids=ids.to(self.where.device),
            attention_mask=mask.to(self.where.device),
        )

    def _run(self, features: Callable[..., Any], **inputs: Tensor) -> Vectors:
        import torch

        with torch.inference_mode():
            found = features(**inputs)
        # transformers 4 returns the projected features themselves, 5 a record that holds them.
        projected = found if torch.is_tensor(found) else found.pooler_output
        vectors: Vectors = projected.float().cpu().numpy()
        return vectors


def _processor_class() -> Any:
    """Return the image processor that works on PIL and numpy and needs no torchvision."""
    try:
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    except ModuleNotFoundError:
        from transformers import CLIPImageProcessor

        return CLIPImageProcessor
    return CLIPImageProcessorPil


def _card(args: ClipArgs, located: Located, model: Any) -> ModelCard:
    """Return the card of the loaded checkpoint; what is known of the default one does not hold for others."""
    changed: dict[str, object] = {
        "id": args.id,
        "revision": located.revision,
        "checkpoint": located.name,
        "dimension": model.config.projection_dim,
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "uses_instructions": args.use_instruction,
    }
    if located.name != DEFAULT_CHECKPOINT:
        changed |= {"title": f"CLIP {located.name}", "license": "not stated", "training_datasets": None}
    return Clip.card.model_copy(update=changed)
