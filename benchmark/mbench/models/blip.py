"""BLIP's contrastive features through transformers, with late fusion (https://arxiv.org/abs/2201.12086).

The picture's and the text's first tokens, projected: what BLIP ranks with before its matching head looks at the best
candidates (https://github.com/salesforce/BLIP/blob/main/train_retrieval.py, `evaluation`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mbench.core.errors import UserError
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
from mbench.models.options import Args, Count, Text
from mbench.models.pixels import reduced

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

STORED_WITHOUT_EFFECT = ("*.position_ids",)


class BlipArgs(FusionArgs):
    """Arguments of `blip`."""

    checkpoint: Text = Field(
        default="Salesforce/blip-itm-large-coco", description="a folder or a name on the Hugging Face Hub"
    )
    id: Text = Field(default="blip", description="the model's name in results")
    max_length: Count = Field(default=35, description="tokens of a text that are read, two of them its frame")


class Blip(LateFusion):
    """A BLIP checkpoint for image-text retrieval in the layout of transformers."""

    card: ModelCard = shipped_card("blip")
    args: ClassVar[type[Args]] = BlipArgs
    roles_alike = True
    family = "BLIP"

    def __init__(self, located: Located, args: BlipArgs, where: Placement) -> None:
        from transformers import BlipForImageTextRetrieval

        read_config(located.folder, "blip", ["blip"])
        self.processor = load_part(pil_processor("Blip"), located.folder, "preprocessor_config.json")
        model = load_pretrained(BlipForImageTextRetrieval, located.folder, where, STORED_WITHOUT_EFFECT)
        self.tokenizer = load_tokenizer(located.folder, model.config.to_dict(), padding_side="right")
        self.length = _length(args.max_length, model.config.text_config.max_position_embeddings)
        super().__init__(args.id, args, located, where, model, model.config.image_text_hidden_size)

    @classmethod
    def load(cls, options: LoadOptions) -> Blip:
        """Load `--model-args checkpoint=`. Raises UserError, ModelError, CheckpointError, MissingDependencyError."""
        args = BlipArgs.read(options, "blip")
        require_transformers("blip", "clip")
        pinned = cls.card.revision if args.checkpoint == cls.card.checkpoint else None
        return cls(locate(args.checkpoint, options, pinned), args, placement(options, official="fp32"))

    def pixels(self, pictures: Sequence[Image]) -> Tensor:
        """Return [n, 3, h, w] as the checkpoint's preprocessor_config says: resize to a square, rescale, normalise."""
        return processed(self.processor, pictures)["pixel_values"]

    def reduced(self, picture: Image) -> Image:
        """Return the picture as small as the processor makes it."""
        return reduced(self.processor, picture)

    def image_inputs(self, pictures: Sequence[Image]) -> Tensor:
        """Return the pixels."""
        return self.pixels(pictures)

    def image_features(self, pictures: Tensor) -> Vectors:
        """Return [n, d], not normalised, of pixels [n, 3, h, w]."""
        return features_of(self._project_picture, self.where, pixel_values=pictures)

    def text_inputs(self, texts: Sequence[str]) -> Mapping[str, Tensor]:
        """Return tokens and mask; texts are cut after the length that the arguments give."""
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=self.length, return_tensors="pt")
        return {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}

    def text_features(self, texts: Mapping[str, Tensor]) -> Vectors:
        """Return [n, d], not normalised, of tokens and mask."""
        return features_of(self._project_text, self.where, **texts)

    def _project_picture(self, pixel_values: Tensor) -> Any:
        states = self.model.vision_model(pixel_values=pixel_values).last_hidden_state
        return self.model.vision_proj(states[:, 0])

    def _project_text(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        states = self.model.text_encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.model.text_proj(states[:, 0])


def _length(wanted: int, places: int) -> int:
    """Return `wanted`, if a text of so many tokens has room in it and in the model. Raises UserError."""
    if not 3 <= wanted <= places:
        raise UserError(
            f"--model-args of model 'blip': max_length={wanted}: the checkpoint takes 3 to {places} tokens."
        )
    return wanted
