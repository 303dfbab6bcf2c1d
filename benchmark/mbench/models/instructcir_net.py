"""InstructCIR's network: a CLIP vision tower, a projector, and Phi-3.5 in the layout of Llama."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mbench.core.errors import CheckpointError
from mbench.models.device import Placement
from mbench.models.output_layer import check_output_layer
from mbench.models.phi3_net import (
    RopeSettings,
    hollow,
    language_network,
    last_states,
    number_patches,
    patch_states,
    vision_network,
)
from mbench.models.weights_io import Checkpoint, load_strict

RENAMED = (
    ("language_model.model.", "language."),
    ("vision_tower.vision_model.", "vision."),
    ("multi_modal_projector.", "projector."),
)
OUTPUT_LAYER = "language_model.lm_head.weight"
STORED_WITHOUT_EFFECT = (OUTPUT_LAYER, "*.position_ids")
LANGUAGE_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act"),
    *("num_key_value_heads", "rms_norm_eps", "attention_bias", "mlp_bias", "max_position_embeddings"),
)
"""What the network of the language model depends on; absent ones are those of Llama."""
LEFT_OUT = {"default": 1, "full": 0}
"""How many tokens of the vision tower come before the patches that are used, by vision_feature_select_strategy."""


class Projector(nn.Module):
    """`W2 f(W1 x + b1) + b2` from the width of the vision tower to that of the language model."""

    def __init__(self, width: int, dimension: int, activation: str) -> None:
        from transformers.activations import ACT2FN

        super().__init__()
        self.linear_1 = nn.Linear(width, dimension)
        self.act = ACT2FN[activation]
        self.linear_2 = nn.Linear(dimension, dimension)

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., dimension] for [..., width]."""
        projected: Tensor = self.linear_2(self.act(self.linear_1(x)))
        return projected


class LlavaPhi(nn.Module):
    """LLaVA (Liu et al. 2023, https://arxiv.org/abs/2304.08485) on Phi-3.5-mini, as InstructCIR's code builds it."""

    def __init__(self, config: Mapping[str, Any], path: Path) -> None:
        from transformers import CLIPVisionConfig, LlamaConfig

        super().__init__()
        text, vision = config["text_config"], CLIPVisionConfig(**config["vision_config"])
        language = LlamaConfig(**{key: text[key] for key in LANGUAGE_KEYS if key in text})
        self.rope = RopeSettings.of(text, language, path)
        self.language = language_network(language, self.rope)
        self.vision = vision_network(vision)
        activation = config.get("projector_hidden_act", "gelu")
        self.projector = Projector(vision.hidden_size, language.hidden_size, activation)
        self.layer = int(config.get("vision_feature_layer", -2))
        self.left_out = LEFT_OUT[config.get("vision_feature_select_strategy", "default")]
        self.padding = config.get("pad_token_id")

    def embed(self, before: Sequence[list[int]], pixels: Tensor, behind: Sequence[list[int]]) -> Tensor:
        """Return fp32 [n, d] of length 1 for n pictures [n, 3, side, side], each between its two runs of token ids."""
        pictures = self.projector(patch_states(self.vision, pixels, self.layer)[:, self.left_out :])
        rows = [
            torch.cat([self._words(first), picture, self._words(last)])
            for first, picture, last in zip(before, pictures, behind, strict=True)
        ]
        found = last_states(self.language, rows, self.rope.short_length)
        return nn.functional.normalize(found.float(), dim=-1)

    def _words(self, ids: list[int]) -> Tensor:
        """Return [tokens, d]. The padding token is zero even inside a text, as the official code makes it."""
        tokens = torch.tensor(ids, dtype=torch.long, device=self.language.device)
        embedded: Tensor = self.language.embed_tokens(tokens)
        return embedded if self.padding is None else embedded * (tokens != self.padding)[:, None]


def load_network(folder: Path, config: Mapping[str, Any], where: Placement) -> LlavaPhi:
    """Return the network of a checkpoint folder, every tensor proven to have arrived; the output layer is not loaded.

    Raises CheckpointError that names what config.json lacks, and tensors that are missing, unexpected or misshaped.
    """
    path = folder / "config.json"
    absent = [key for key in ("text_config", "vision_config") if not isinstance(config.get(key), dict)]
    if absent:
        raise CheckpointError(f"{path}: has no part {' and '.join(absent)}.")
    model = hollow(lambda: LlavaPhi(config, path), where, path)
    checkpoint = Checkpoint.open(folder)
    shape = tuple(model.language.embed_tokens.weight.shape)
    check_output_layer(checkpoint, OUTPUT_LAYER, shape, tied=bool(config["text_config"].get("tie_word_embeddings")))
    load_strict(model, checkpoint, renamed, STORED_WITHOUT_EFFECT)
    number_patches(model.vision)
    return model


def renamed(name: str) -> str:
    """Return what the network calls a tensor of a checkpoint."""
    for old, new in RENAMED:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
