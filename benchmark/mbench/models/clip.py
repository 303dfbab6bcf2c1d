"""CLIP through transformers: two towers and late fusion (Radford et al. 2021, https://arxiv.org/abs/2103.00020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from mbench.core.specs import ModelCard
from mbench.core.types import LoadOptions, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.fusion import FusionArgs, LateFusion
from mbench.models.hf import (
    features_of,
    load_part,
    load_pretrained,
    load_tokenizer,
    pil_processor,
    processed,
    read_config,
    require_transformers,
)
from mbench.models.hub import Located, locate
from mbench.models.options import Args, Text
from mbench.models.pixels import reduced

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

DEFAULT_CHECKPOINT = "openai/clip-vit-large-patch14"
STORED_WITHOUT_EFFECT = ("*.position_ids", "logit_scale")


class ClipArgs(FusionArgs):
    """Arguments of `clip`."""

    checkpoint: Text = Field(default=DEFAULT_CHECKPOINT, description="a folder or a name on the Hugging Face Hub")
    id: Text = Field(default="clip", description="the model's name in results")


class Clip(LateFusion):
    """A CLIP checkpoint in the layout of transformers."""

    card: ModelCard = shipped_card("clip")
    args: ClassVar[type[Args]] = ClipArgs
    roles_alike = True
    family = "CLIP"

    def __init__(self, located: Located, args: ClipArgs, where: Placement) -> None:
        from transformers import CLIPModel

        config = read_config(located.folder, "clip", ["clip"])
        self.tokenizer = load_tokenizer(located.folder, config, padding_side="right")
        self.processor = load_part(pil_processor("CLIP"), located.folder, "preprocessor_config.json")
        model = load_pretrained(CLIPModel, located.folder, where, STORED_WITHOUT_EFFECT)
        super().__init__(args.id, args, located, where, model, model.config.projection_dim)

    @classmethod
    def load(cls, options: LoadOptions) -> Clip:
        """Load `--model-args checkpoint=`. Raises UserError, ModelError, CheckpointError, MissingDependencyError."""
        args = ClipArgs.read(options, "clip")
        require_transformers("clip", "clip")
        pinned = cls.card.revision if args.checkpoint == DEFAULT_CHECKPOINT else None
        return cls(locate(args.checkpoint, options, pinned), args, placement(options, official="fp32"))

    def pixels(self, pictures: Sequence[Image]) -> Tensor:
        """Return [n, 3, h, w] as the checkpoint's preprocessor_config says: resize, crop, rescale, normalise."""
        return processed(self.processor, pictures)["pixel_values"]

    def reduced(self, picture: Image) -> Image:
        """Return the picture as small as the processor makes it."""
        return reduced(self.processor, picture)

    def image_inputs(self, pictures: Sequence[Image]) -> Tensor:
        """Return the pixels."""
        return self.pixels(pictures)

    def image_features(self, pictures: Tensor) -> Vectors:
        """Return [n, d], not normalised, of pixels [n, 3, h, w]."""
        return features_of(self.model.get_image_features, self.where, pixel_values=pictures)

    def text_inputs(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """Return tokens and mask; texts are cut after the tower's length (77 tokens), the end token stays."""
        length = self.model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=length, return_tensors="pt")
        return {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}

    def text_features(self, texts: Mapping[str, Tensor]) -> Vectors:
        """Return [n, d], not normalised, of tokens and mask."""
        return features_of(self.model.get_text_features, self.where, **texts)
