"""SigLIP and SigLIP 2 through transformers, with late fusion (https://arxiv.org/abs/2303.15343, 2502.14786).

Both were trained on texts of exactly 64 tokens, the end token always there and the rest filled up, without an attention
mask; the embedding is read off the last place. So the filling is part of the input, and the same text not filled up has
another embedding. What is done to a text before follows
https://github.com/google-research/big_vision/tree/main/big_vision/configs/proj/image_text (SigLIP_demo, SigLIP2_demo).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from mbench.core.errors import CheckpointError
from mbench.core.specs import ModelCard
from mbench.core.types import LoadOptions, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.fusion import FusionArgs, LateFusion
from mbench.models.hf import (
    features_of,
    load_part,
    load_pretrained,
    pil_processor,
    processed,
    read_config,
    require_transformers,
)
from mbench.models.hub import Located, locate
from mbench.models.options import Text
from mbench.models.pixels import reduced
from mbench.models.siglip_text import Words, gemma_words, sentencepiece_words

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

STORED_WITHOUT_EFFECT = ("*.position_ids", "logit_scale", "logit_bias")


class SiglipArgs(FusionArgs):
    """Arguments of `siglip`."""

    checkpoint: Text = Field(
        default="google/siglip-so400m-patch14-384", description="a folder or a name on the Hugging Face Hub"
    )
    id: Text = Field(default="siglip", description="the model's name in results")


class Siglip2Args(SiglipArgs):
    """Arguments of `siglip2`."""

    checkpoint: Text = Field(
        default="google/siglip2-so400m-patch14-384", description="a folder or a name on the Hugging Face Hub"
    )
    id: Text = Field(default="siglip2", description="the model's name in results")


class Siglip(LateFusion):
    """A SigLIP checkpoint in the layout of transformers."""

    card: ModelCard = shipped_card("siglip")
    args: ClassVar[type[SiglipArgs]] = SiglipArgs
    roles_alike = True
    family = "SigLIP"

    def __init__(self, located: Located, args: SiglipArgs, where: Placement) -> None:
        from transformers import SiglipModel

        config = read_config(located.folder, self.card.id, ["siglip", "siglip2"])
        if config["model_type"] == "siglip2":
            raise CheckpointError(
                f"{located.folder}: a NaFlex checkpoint, whose pictures keep their proportions; {self.card.id!r} loads "
                f"those of fixed resolution. Try --model hf:{located.name}."
            )
        self.processor = load_part(pil_processor("Siglip"), located.folder, "preprocessor_config.json")
        model = load_pretrained(SiglipModel, located.folder, where, STORED_WITHOUT_EFFECT)
        self.words = self._words(located.folder, model.config.text_config.vocab_size)
        super().__init__(args.id, args, located, where, model, model.config.vision_config.hidden_size)

    @classmethod
    def load(cls, options: LoadOptions) -> Self:
        """Load `--model-args checkpoint=`. Raises UserError, ModelError, CheckpointError, MissingDependencyError."""
        args = cls.args.read(options, cls.card.id)
        require_transformers(cls.card.id, "siglip")
        pinned = cls.card.revision if args.checkpoint == cls.card.checkpoint else None
        return cls(locate(args.checkpoint, options, pinned), args, placement(options, official="fp32"))

    def pixels(self, pictures: Sequence[Image]) -> Tensor:
        """Return [n, 3, h, w] as the checkpoint's preprocessor_config says: resize to a square, rescale, normalise."""
        return processed(self.processor, pictures)["pixel_values"]

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Return [n, length] token ids; the length is the one that the model was trained on."""
        import torch

        return torch.tensor(self.words.rows(texts, self.model.config.text_config.max_position_embeddings))

    def reduced(self, picture: Image) -> Image:
        """Return the picture as small as the processor makes it."""
        return reduced(self.processor, picture)

    def image_inputs(self, pictures: Sequence[Image]) -> Tensor:
        """Return the pixels."""
        return self.pixels(pictures)

    def image_features(self, pictures: Tensor) -> Vectors:
        """Return [n, d], not normalised, of pixels [n, 3, h, w]."""
        return features_of(self.model.get_image_features, self.where, pixel_values=pictures)

    def text_inputs(self, texts: Sequence[str]) -> Tensor:
        """Return the tokens."""
        return self.tokens(texts)

    def text_features(self, texts: Tensor) -> Vectors:
        """Return [n, d], not normalised, of tokens [n, length]."""
        return features_of(self.model.get_text_features, self.where, input_ids=texts)

    def _words(self, folder: Path, embedded: int) -> Words:
        return sentencepiece_words(folder, embedded)


class Siglip2(Siglip):
    """A SigLIP 2 checkpoint of fixed resolution: SigLIP's architecture with Gemma's vocabulary."""

    card: ModelCard = shipped_card("siglip2")
    args = Siglip2Args
    family = "SigLIP 2"

    def _words(self, folder: Path, embedded: int) -> Words:
        return gemma_words(folder, embedded)
