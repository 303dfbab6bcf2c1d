"""InstructCIR (Zhong et al. 2024, https://arxiv.org/abs/2412.05756; code: https://github.com/zhwl2117/InstructCIR).

LLaVA on Phi-3.5-mini; an embedding is the last token's state after a prompt that asks for one word. There are two
prompts, and what an item holds decides between them:

- a picture with words reads `Modify this image with "<words>", ...`, the prompt of the official queries. The words are
  the text alone: the general sentence that composed-retrieval tasks give as instruction is what the prompt itself says.
  A query without text, which asks by its instruction, has that for words. Empty words are words;
- a picture without words reads `Describe this image in one word:`, the prompt of the official candidates. The
  instruction of a candidate is not read;
- there is no official prompt for text alone: such items are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from mbench.core.errors import CheckpointError, DataError, UnsupportedModalityError
from mbench.core.specs import ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.hf import load_part, pil_processor, read_config, require_transformers
from mbench.models.hub import Located, locate
from mbench.models.identity import Identity
from mbench.models.instructcir_prompt import CUT, DESCRIBE, MODIFY, PICTURE_PLACE, ChatTemplate, message_of
from mbench.models.options import Args, Text
from mbench.models.phi3_tokens import LlamaTokens
from mbench.models.pictures import prepared

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

VERSION = 1
"""To be raised by a change of this adapter that can change an embedding."""
DEFAULT_CHECKPOINT = "uta-smile/instructcir_llava_phi35_clip224_lp"
DEFAULT_IMAGE_TOKEN = 32000
"""image_token_index of a config.json that does not tell it: the default of transformers' LLaVA."""


class InstructCirArgs(Args):
    """Arguments of `instructcir`."""

    checkpoint: Text = Field(DEFAULT_CHECKPOINT, description="a folder or a name on the Hugging Face Hub")
    id: Text = Field("instructcir", description="the model's name in results")


@dataclass(frozen=True, slots=True)
class Prompted:
    """One input: the ids of the tokens before and behind the picture."""

    before: list[int]
    behind: list[int]


class InstructCir:
    """InstructCIR from its official checkpoint, or from another one in its layout."""

    card: ModelCard = shipped_card("instructcir")
    args: ClassVar[type[Args]] = InstructCirArgs

    def __init__(self, located: Located, args: InstructCirArgs, where: Placement) -> None:
        from mbench.models.instructcir_net import load_network

        folder = located.folder
        config = read_config(folder, "instructcir", ["instructcir_llava_phi35"])
        self.where = where
        self.network = load_network(folder, config, where)
        self.tokens = LlamaTokens(folder, config)
        self.template = ChatTemplate(folder, self.tokens)
        self.image_id = self._image_token(config)
        self.processor = load_part(pil_processor("CLIP"), folder, "preprocessor_config.json")
        self._check_crop()
        self.dimension = int(self.network.language.config.hidden_size)
        self.card = self._card_of(located, args)
        self.identity: Identity = {
            "adapter_version": VERSION,
            "checkpoint": located.revision,
            "dtype": where.dtype,
            "prompts": [DESCRIBE, MODIFY, CUT],
        }

    @classmethod
    def load(cls, options: LoadOptions) -> InstructCir:
        """Load `--model-args checkpoint=`. Raises UserError, ModelError, CheckpointError, MissingDependencyError."""
        args = InstructCirArgs.read(options, "instructcir")
        require_transformers("instructcir", "clip")
        return cls(locate(args.checkpoint, options), args, placement(options, official="fp16"))

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d] of length 1. Raises UnsupportedModalityError for an item without a picture, DataError for
        words that hold the place of a picture.
        """
        import torch

        inputs = [self.read(item, role) for item in items]
        if not inputs:
            return np.empty((0, self.dimension), dtype=np.float32)
        pixels = self.pixels([item.image for item in items if item.image is not None])
        with torch.inference_mode():
            found = self.network.embed(
                [one.before for one in inputs],
                pixels.to(self.where.device, self.where.torch_dtype),
                [one.behind for one in inputs],
            )
        vectors: Vectors = found.cpu().numpy()
        return vectors

    def read(self, item: Item, role: Role) -> Prompted:
        """Return the tokens around an item's picture. Raises as `encode` does."""
        who = f"Model {self.card.id!r}: {role} {item.id!r}"
        if item.image is None:
            raise UnsupportedModalityError(
                f"{who} has no picture; InstructCIR embeds pictures, alone or with a text, and has no prompt for texts."
            )
        ids = self.tokens.ids(self.template.prompt(message_of(item, role)))
        places = ids.count(self.image_id)
        if places != 1:
            raise DataError(
                f"{who}: there are {places} places for one picture; its text must not contain {PICTURE_PLACE}."
            )
        place = ids.index(self.image_id)
        return Prompted(ids[:place], ids[place + 1 :])

    def pixels(self, pictures: Sequence[Image]) -> Tensor:
        """Return [n, 3, h, w]: RGB, the shorter side resized, the middle cut out, normalised.

        Transparency is dropped and EXIF orientation left alone, as the official code does.
        """
        ready = [prepared(one, self.processor) for one in pictures]
        found: Tensor = self.processor(ready, return_tensors="pt")["pixel_values"]
        return found

    def _card_of(self, located: Located, args: InstructCirArgs) -> ModelCard:
        """Return the card of what was loaded; what is known of the released checkpoint does not hold for others."""
        changed: dict[str, object] = {
            "id": args.id,
            "revision": located.revision,
            "checkpoint": located.name,
            "dimension": self.dimension,
            "parameters": sum(one.numel() for one in self.network.parameters()),
        }
        if located.name != DEFAULT_CHECKPOINT:
            changed |= {"title": f"InstructCIR {located.name}", "license": "not stated", "base_model": None}
        return self.card.model_copy(update=changed)

    def _image_token(self, config: dict[str, Any]) -> int:
        expected, found = config.get("image_token_index", DEFAULT_IMAGE_TOKEN), self.tokens.id_of(PICTURE_PLACE)
        if found != expected:
            raise CheckpointError(
                f"{self.tokens.path}: {PICTURE_PLACE} is token {found}, but image_token_index of config.json is "
                f"{expected}."
            )
        return found

    def _check_crop(self) -> None:
        side = self.network.vision.config.image_size
        crop = dict(self.processor.crop_size)
        if crop != {"height": side, "width": side}:
            raise CheckpointError(
                f"{self.tokens.path.parent}/preprocessor_config.json: crop_size is {crop}, but the vision tower of "
                f"config.json takes {side} x {side} pixels."
            )
