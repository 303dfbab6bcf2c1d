"""VLM2Vec on Qwen2-VL: no chat template, causal attention, plain positions, a rule of its own for small pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mbench.models.device import Placement
from mbench.models.pictures import rgb
from mbench.models.qwen2vl import Prompted, Qwen2VL
from mbench.models.qwen2vl_image import LONGEST_RATIO, Budget, target_size
from mbench.models.qwen2vl_load import PICTURE_PLACE, renamed
from mbench.models.vlm2vec_base import Vlm2VecArgs, token_limit

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

BUDGET = Budget.tokens(4, 1280)
TOKEN_SIDE = 28
SMALL_SIDE = 56
"""The side, in pixels, of the square that a picture becomes whose height or width makes no token."""


class Qwen2VLBackbone:
    """The backbone that `vlm2vec` runs for checkpoints of the type `qwen2_vl`.

    The official code gives the tokenizer no `<|vision_start|>`, so that its M-RoPE finds no picture and counts plainly.
    """

    marker = PICTURE_PLACE

    def __init__(self, base: Path, processing: Path, args: Vlm2VecArgs, where: Placement) -> None:
        """Load `base`, with the tokenizer and image settings of `processing`. Raises CheckpointError, ModelError."""
        self.backbone = Qwen2VL(base, where, causal=True, processing=processing)
        self.network: Any = self.backbone.model
        self.dimension = self.backbone.dimension
        self.limit = token_limit(processing, args.max_tokens)
        self.settings: Mapping[str, object] = {"pixels": [BUDGET.least, BUDGET.most], "token_limit": self.limit}

    def renamed(self, name: str) -> str:
        """Return what the network calls a layer of an adapter."""
        return renamed(name)

    def read(self, prompt: str, picture: Image | None) -> Prompted:
        """Return the input; without a picture it is cut where `token_limit` says, as by the official code.

        Raises DataError when the prompt holds further places of pictures.
        """
        if picture is None:
            return Prompted(self.backbone.read(prompt).ids[: self.limit])
        return self.backbone.read(prompt, fitted(picture))

    def last_states(self, inputs: Sequence[Prompted]) -> Tensor:
        """Return [n, d]: the last layer's state at the last token of each input."""
        import torch

        return torch.stack([states[-1] for states in self.backbone.hidden(inputs)])


def fitted(picture: Image) -> Image:
    """Return the picture in RGB, in whole tokens and within the budget, as the official image processor resizes it.

    One with a side below 28 pixels becomes a square of 56 first, in its own mode and with Pillow's default filter; one
    more than 200 times as long as wide becomes a square. Transparency is dropped, EXIF orientation left alone.
    """
    from PIL.Image import Resampling

    if min(picture.size) < TOKEN_SIDE:
        picture = picture.resize((SMALL_SIDE, SMALL_SIDE))
    width, height = picture.size
    if max(width, height) > LONGEST_RATIO * min(width, height):
        width = height = max(width, height)
    size = target_size(width, height, factor=TOKEN_SIDE, budget=BUDGET)
    return rgb(picture).resize(size, Resampling.BICUBIC)
