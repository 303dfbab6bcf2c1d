"""Textual inversion: a picture becomes a word of CLIP's text tower, which then reads it within a prompt.

A query of picture and text, and one of a picture alone, are prompts with that word; a candidate of a picture alone is
CLIP's feature of the picture, and a text alone is CLIP's feature of the text. SEARLE and Pic2Word differ in the prompt,
the network that makes the word, and what they do to pictures before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from mbench.core.errors import CheckpointError, MissingDependencyError, UnsupportedModalityError
from mbench.core.specs import ModelCard
from mbench.core.types import Item, Role, Vectors
from mbench.models.clip import DEFAULT_CHECKPOINT
from mbench.models.device import Placement
from mbench.models.hf import features_of, load_part, load_tokenizer, pil_processor, pooled
from mbench.models.hub import Located
from mbench.models.identity import Identity
from mbench.models.options import Args, Text
from mbench.models.targetpad import normalised, padded_view, plain_view
from mbench.models.uniir_bpe import cleaned

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

VIEWS: dict[str, Callable[[Image, int], Image]] = {"targetpad": padded_view, "clip": plain_view}
PACKAGES = ("transformers", "ftfy", "regex")


class InversionArgs(Args):
    """Arguments of both models; each gives `preprocess` and `id` its own defaults."""

    checkpoint: Text = Field(default=DEFAULT_CHECKPOINT, description="CLIP: a folder or a name on the Hub")
    preprocess: Literal["targetpad", "clip"] = Field(description="borders for long pictures, or CLIP's plain crop")
    id: Text = Field(description="the model's name in results")
    use_instruction: bool = Field(default=False, description="put a query's instruction before its text")


@dataclass(frozen=True, slots=True)
class Prompt:
    """`alone` is the prompt of a picture alone, `with_text` that of one with a text; `slot` stands for the word."""

    slot: str
    alone: str
    with_text: str


@dataclass(frozen=True, slots=True)
class Networks:
    """CLIP, and what makes a word [n, w] of a feature [n, d].

    `file` is the name of the released file, `revision` changes with all files.
    """

    clip: Any
    words: nn.Module
    file: str
    revision: str


class Inversion:
    """Base of both models. A subclass loads the networks."""

    card: ModelCard
    prompt: ClassVar[Prompt]
    family: ClassVar[str]

    def __init__(self, args: InversionArgs, located: Located, where: Placement, networks: Networks) -> None:
        config = networks.clip.config
        self.options, self.where, self.clip = args, where, networks.clip
        self.words = networks.words.eval().requires_grad_(False).to(where.device, where.torch_dtype)
        self.tokenizer = load_tokenizer(located.folder, config.to_dict(), padding_side="right")
        self.slot = slot_token(self.tokenizer, self.prompt.slot, located.folder)
        self.processor = load_part(pil_processor("CLIP"), located.folder, "preprocessor_config.json")
        self.side = config.vision_config.image_size
        self.card = self._card_of(located, networks)
        self.identity: Identity = {
            "preprocess": args.preprocess,
            "use_instruction": args.use_instruction,
            "checkpoint": networks.revision,
            "dtype": where.dtype,
        }

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d], not normalised. Raises UnsupportedModalityError for an item without picture and text."""
        vectors = np.zeros((len(items), self.clip.config.projection_dim), dtype=np.float32)
        texts = [self.text_of(item, role) for item in items]
        ways = [self._way(item, text, role) for item, text in zip(items, texts, strict=True)]
        for way in dict.fromkeys(ways):
            rows = [row for row, one in enumerate(ways) if one == way]
            vectors[rows] = way([items[row].image for row in rows], [texts[row] for row in rows])
        return vectors

    def text_of(self, item: Item, role: Role) -> str | None:
        """Return the item's text, for queries after the instruction where that is asked for; None if it is blank.

        A blank text that stands alone is kept.
        """
        instruction = item.instruction if role == "query" and self.options.use_instruction else None
        parts = [part for part in (instruction, item.text) if part and part.strip()]
        if parts:
            return " ".join(parts)
        return item.text if item.image is None else None

    def pixels(self, pictures: Sequence[Image]) -> Tensor:
        """Return [n, 3, side, side], normalised as the checkpoint's preprocessor_config says."""
        import torch

        view = VIEWS[self.options.preprocess]
        mean, std = self.processor.image_mean, self.processor.image_std
        return torch.from_numpy(np.stack([normalised(view(one, self.side), mean, std) for one in pictures]))

    def _card_of(self, located: Located, networks: Networks) -> ModelCard:
        """Return the card of what was loaded; what is known of the default CLIP's does not hold for others."""
        changed: dict[str, object] = {
            "id": self.options.id,
            "revision": networks.revision,
            "checkpoint": networks.file,
            "base_model": located.name,
            "dimension": self.clip.config.projection_dim,
            "parameters": sum(one.numel() for part in (self.clip, self.words) for one in part.parameters()),
            "uses_instructions": self.options.use_instruction,
        }
        if located.name != DEFAULT_CHECKPOINT:
            title = f"{self.family} ({located.name})"
            changed |= {"title": title, "license": "not stated", "training_datasets": None}
        return self.card.model_copy(update=changed)

    def _way(self, item: Item, text: str | None, role: Role) -> Callable[..., Vectors]:
        if item.image is not None:
            return self._of_picture if text is None and role == "candidate" else self._of_prompt
        if text is None:
            raise UnsupportedModalityError(f"Model {self.card.id!r}: {role} {item.id!r} has no picture and no text.")
        return self._of_text

    def _of_picture(self, pictures: Sequence[Image], _texts: Sequence[None]) -> Vectors:
        return features_of(self.clip.get_image_features, self.where, pixel_values=self.pixels(pictures))

    def _of_text(self, _pictures: Sequence[None], texts: Sequence[str]) -> Vectors:
        return features_of(self.clip.get_text_features, self.where, **self._tokens(texts))

    def _of_prompt(self, pictures: Sequence[Image], texts: Sequence[str | None]) -> Vectors:
        prompt = self.prompt
        tokens = self._tokens([prompt.alone if text is None else prompt.with_text.format(text) for text in texts])
        return features_of(self._read, self.where, pixel_values=self.pixels(pictures), **tokens)

    def _read(self, pixel_values: Tensor, **tokens: Tensor) -> Tensor:
        from mbench.models.inversion_net import inserted

        words = self.words(pooled(self.clip.get_image_features(pixel_values=pixel_values)))
        # A text may hold the slot's sign, too; the prompt's own comes first.
        places = (tokens["input_ids"] == self.slot).int().argmax(dim=1)
        with inserted(self.clip.text_model.embeddings.token_embedding, places, words):
            return pooled(self.clip.get_text_features(**tokens))

    def _tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        length = self.clip.config.text_config.max_position_embeddings
        found = self.tokenizer(
            [cleaned(text) for text in texts], padding=True, truncation=True, max_length=length, return_tensors="pt"
        )
        return {name: found[name] for name in ("input_ids", "attention_mask")}


def require_packages(model: str) -> None:
    """Raise MissingDependencyError that names the extra to install unless all that `model` needs is there."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(f"Model {model!r} needs {', '.join(missing)}: pip install 'mbench-eval[searle]'")


def slot_token(tokenizer: Any, slot: str, folder: Path) -> int:
    """Return the id of the token that `slot` is. Raises CheckpointError when the vocabulary cuts it or lacks it."""
    ids = tokenizer(slot, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise CheckpointError(f"{folder}: its vocabulary has no single token for {slot!r}, as CLIP's has.")
    return int(ids[0])


def combined_revision(*parts: str) -> str:
    """Return 12 hex digits that change with any of `parts`, the revisions of several files."""
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
