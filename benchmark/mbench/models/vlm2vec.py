"""VLM2Vec (Jiang et al. 2024, https://arxiv.org/abs/2410.05160; code: https://github.com/TIGER-AI-Lab/VLM2Vec).

A vision-language model on Qwen2-VL or Phi-3.5-V, trained whole or by an adapter; an embedding is the last token's
state. What the model reads is a bare string, without chat template: the marker of the picture, where there is one, and
the words, which are instruction and text. Queries and candidates are read alike:

- `instruction` and `text` are joined by a space, and the marker is put before them with a space: `<|image_pad|>
  Represent the given image with the following question: What is it?`. Where white space stands already, none is added:
  MMEB's strings, which hold line breaks, come out byte by byte;
- a picture without words reads `<|image_pad|> Represent the given image.`, the words of the official examples;
- words without a picture are read as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mbench.core.errors import CheckpointError, DataError, UnsupportedModalityError
from mbench.core.files import fingerprint
from mbench.core.specs import ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import Placement, placement
from mbench.models.hf import read_config, require_transformers
from mbench.models.hub import Located, locate
from mbench.models.identity import Identity
from mbench.models.lora import SETTINGS_FILE as ADAPTER_FILE
from mbench.models.lora import merge, read_adapter
from mbench.models.options import Args
from mbench.models.vlm2vec_base import DEFAULT_ADAPTER, DEFAULT_BASE, Backbone, BackboneLoader, Vlm2VecArgs
from mbench.models.vlm2vec_prompt import NOTHING, PICTURE_ALONE, prompt_of
from mbench.models.weights_io import complain

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
"""To be raised by a change of this adapter that can change an embedding."""
BACKBONES = {
    "qwen2_vl": "mbench.models.vlm2vec_qwen2vl:Qwen2VLBackbone",
    "phi3_v": "mbench.models.vlm2vec_phi3v:Phi3VBackbone",
}
"""By the model_type of the base's config.json. The official code has others, such as LLaVA-NeXT, which are refused."""
SQUASHED = {"low": 128, "mid": 672, "high": 1344}
PROCESSING_FILES = ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json")


@dataclass(frozen=True, slots=True)
class Parts:
    """Where the checkpoints lie; without an adapter the base is a model that was trained whole."""

    base: Located
    adapter: Located | None

    @property
    def revisions(self) -> dict[str, str]:
        """The commit, or the hash of the files, of each."""
        found = {"base": self.base.revision}
        return found if self.adapter is None else found | {"adapter": self.adapter.revision}

    @property
    def processing(self) -> Path:
        """The folder of tokenizer and image settings: the adapter's where it has them, as in the official code."""
        folder = self.base.folder if self.adapter is None else self.adapter.folder
        return folder if all((folder / name).is_file() for name in PROCESSING_FILES) else self.base.folder


class Vlm2Vec:
    """VLM2Vec from its official checkpoints, or from others in their layout."""

    card: ModelCard = shipped_card("vlm2vec")
    args: ClassVar[type[Args]] = Vlm2VecArgs

    def __init__(self, parts: Parts, args: Vlm2VecArgs, where: Placement) -> None:
        self.backbone = _backbone(parts, args, where)
        self.squashed = SQUASHED.get(args.resolution)
        self.card = self._card_of(parts, args)
        self.identity: Identity = {
            "adapter_version": VERSION,
            **parts.revisions,
            "dtype": where.dtype,
            "prompts": [self.backbone.marker, PICTURE_ALONE, NOTHING],
            "resolution": args.resolution,
            **self.backbone.settings,
        }

    @classmethod
    def load(cls, options: LoadOptions) -> Vlm2Vec:
        """Load `--model-args base=,adapter=`; `--model-revision` is the commit of the adapter, or of a base alone.

        Raises UserError, ModelError, CheckpointError, MissingDependencyError.
        """
        args = Vlm2VecArgs.read(options, "vlm2vec")
        require_transformers("vlm2vec", "clip")
        where = placement(options, official="bf16")
        adapter = args.adapter or (DEFAULT_ADAPTER if args.base is None else None)
        base_revision = options.revision if adapter is None else args.base_revision
        base = locate(args.base or DEFAULT_BASE, replace(options, revision=base_revision))
        return cls(Parts(base, None if adapter is None else locate(adapter, options)), args, where)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d] of length 1. Raises UnsupportedModalityError for an item with neither picture nor words,
        ImageError for a picture of impossible proportions, DataError for words that hold the place of a picture.
        """
        import torch

        inputs = [self.read(item, role) for item in items]
        if not inputs:
            return np.empty((0, self.backbone.dimension), dtype=np.float32)
        with torch.inference_mode():
            states = self.backbone.last_states(inputs).float()
            vectors: Vectors = torch.nn.functional.normalize(states, dim=-1).cpu().numpy()
        return vectors

    def read(self, item: Item, role: Role) -> Any:
        """Return what the backbone takes for an item. Raises as `encode` does."""
        prompt = prompt_of(item, self.backbone.marker)
        if prompt is None:
            raise UnsupportedModalityError(f"Model {self.card.id!r}: {role} {item.id!r} has no picture and no text.")
        try:
            return self.backbone.read(prompt, self._squashed(item.image))
        except DataError as error:
            raise type(error)(f"Model {self.card.id!r}: {role} {item.id!r}: {error}.") from None

    def _squashed(self, picture: Image | None) -> Image | None:
        """Return the picture, as a square if `resolution` says so: in its own mode, as the official code does it."""
        if picture is None or self.squashed is None:
            return picture
        return picture.resize((self.squashed, self.squashed))

    def _card_of(self, parts: Parts, args: Vlm2VecArgs) -> ModelCard:
        """Return the card of what was loaded; what is known of the default model does not hold for others."""
        main = parts.adapter or parts.base
        revision = main.revision if parts.adapter is None else fingerprint(parts.revisions)[:12]
        changed: dict[str, object] = {
            "id": args.id,
            "revision": revision,
            "checkpoint": main.name,
            "base_model": parts.base.name if parts.adapter else None,
            "dimension": self.backbone.dimension,
            "parameters": sum(one.numel() for one in self.backbone.network.parameters()),
        }
        if main.name != self.card.checkpoint:
            changed |= {"title": f"VLM2Vec {main.name}", "license": "not stated", "training_datasets": None}
        return self.card.model_copy(update=changed)


def _backbone(parts: Parts, args: Vlm2VecArgs, where: Placement) -> Backbone:
    base = parts.base.folder
    if (base / ADAPTER_FILE).is_file() and not (base / "config.json").is_file():
        raise CheckpointError(f"{base} is an adapter: give it as adapter=, and the model it was made for as base=.")
    module, _, name = BACKBONES[read_config(base, "vlm2vec", BACKBONES)["model_type"]].partition(":")
    load: BackboneLoader = getattr(import_module(module), name)
    backbone = load(base, parts.processing, args, where)
    if parts.adapter is not None:
        adapter = read_adapter(parts.adapter.folder, backbone.network, backbone.renamed)
        complain(adapter.where, [], adapter.saved, [])
        merge(backbone.network, adapter)
    return backbone
