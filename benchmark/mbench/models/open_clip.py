"""`open_clip:ARCH/PRETRAINED`: two towers of open_clip and late fusion (https://github.com/mlfoundations/open_clip)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mbench.core.specs import ModelCard
from mbench.core.types import LoadOptions, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.fusion import FusionArgs, LateFusion
from mbench.models.hf import features_of
from mbench.models.open_clip_load import Ready, Source, load_open_clip, require_open_clip, source_of
from mbench.models.options import Args, ExistingFile, Text
from mbench.models.pictures import LONG_RATIO, rgb, shortened

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

RESIZED_AS_THEY_ARE = ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "YCbCr", "HSV")
"""Modes that open_clip resizes before it converts them to RGB; others it cannot take, and they are converted first."""


class OpenClipArgs(FusionArgs):
    """Arguments of `open_clip:ARCH/PRETRAINED`."""

    checkpoint: ExistingFile | None = Field(default=None, description="a file of weights; the tag's are fetched")
    config: ExistingFile | None = Field(default=None, description="ARCH.json of an architecture that open_clip lacks")
    id: Text | None = Field(default=None, description="the model's name in results; open_clip:ARCH/PRETRAINED")


class OpenClip(LateFusion):
    """A model of open_clip: an architecture and a tag, a folder in its layout, or hf-hub:NAME."""

    card: ModelCard = shipped_card("open_clip")
    args: ClassVar[type[Args]] = OpenClipArgs
    argument: ClassVar[str] = "ARCH/PRETRAINED"
    family = "open_clip"

    def __init__(self, source: Source, ready: Ready, args: OpenClipArgs, where: Placement) -> None:
        import open_clip

        self.model, self.where = ready.network, where
        self.transform, self.tokenizer = ready.transform, ready.tokenizer
        name = args.id or f"open_clip:{source.located.name}"
        super().__init__(name, args, source.located, where, ready.network, self.text_features(["a"]).shape[1])
        told = {key: value for key, value in self.identity.items() if key != "config"}
        self.identity = {**told, "open_clip": open_clip.__version__}

    @classmethod
    def load(cls, options: LoadOptions) -> OpenClip:
        """Load the model that the name's argument tells.

        Raises UserError, UnknownNameError, ModelError, CheckpointError, MissingDependencyError.
        """
        args = OpenClipArgs.read(options, "open_clip")
        require_open_clip()
        where = placement(options, official="fp32")
        source = source_of(options, args.checkpoint, args.config)
        return cls(source, load_open_clip(source, where, options.offline), args, where)

    def pixels(self, pictures: Sequence[Image]) -> Tensor:
        """Return [n, 3, h, w] as open_clip's own transform for inference makes them."""
        import torch

        return torch.stack([self.transform(self._shorter(picture)) for picture in pictures])

    def image_features(self, pictures: Sequence[Image]) -> Vectors:
        """Return [n, d], not normalised."""
        return features_of(self._encoded_pictures, self.where, pixels=self.pixels(pictures))

    def text_features(self, texts: Sequence[str]) -> Vectors:
        """Return [n, d], not normalised; texts are cut after the model's length, the end token stays."""
        return features_of(self._encoded_texts, self.where, tokens=self.tokenizer(list(texts)))

    def _encoded_pictures(self, pixels: Tensor) -> Any:
        return self.model.encode_image(pixels, normalize=False)

    def _encoded_texts(self, tokens: Tensor) -> Any:
        return self.model.encode_text(tokens, normalize=False)

    def _shorter(self, picture: Image) -> Image:
        """Return a picture that open_clip can resize; of a very long one its middle, which is what is left of it."""
        if picture.mode not in RESIZED_AS_THEY_ARE:
            picture = rgb(picture)
        told = self.model.visual.preprocess_cfg
        side, resample = told["size"], 2 if told["interpolation"] == "bilinear" else 3
        side, other = (side, side) if isinstance(side, int) else side
        if told["resize_mode"] != "shortest" or side != other:
            return picture
        short, long = sorted(picture.size)
        return shortened(rgb(picture), side, side, resample) if long > LONG_RATIO * short else picture
