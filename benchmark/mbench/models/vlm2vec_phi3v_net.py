"""The network of Phi-3.5-V (https://arxiv.org/abs/2404.14219) on the CLIP and Phi-3 modules of transformers.

The official code of the checkpoint is remote code, which is neither fetched nor run. This follows what it computes.
"""

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
    number_patches,
    patch_states,
    vision_network,
)
from mbench.models.vlm2vec_phi3v_image import CROP, Crops
from mbench.models.weights_io import Checkpoint, load_strict

VISION: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": CROP,
    "patch_size": 14,
    "projection_dim": 768,
}
"""CLIP ViT-L/14 at 336 pixels, whose sizes the checkpoint does not tell."""
FIXED: dict[str, dict[str, object]] = {
    "img_processor": {"name": "clip_vision_model", "model_name": "openai/clip-vit-large-patch14-336"},
    "embd_layer": {
        "hd_transform_order": "sub_glb",
        "projection_cls": "mlp",
        "use_hd_transform": True,
        "with_learnable_separator": True,
    },
}
"""Settings that are followed but not read: a checkpoint that asks for anything else is refused."""
LANGUAGE_KEYS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act"),
    *("num_key_value_heads", "rms_norm_eps", "max_position_embeddings", "sliding_window"),
)
"""What the network of the language model depends on; absent ones are those of Phi-3."""
MERGED = 2
"""Patches are joined 2 x 2 before they become tokens."""
IN_CROP = CROP // VISION["patch_size"] // MERGED
"""How many tokens stand beside each other in a crop."""
FEATURE_LAYER = -2
RENAMED = (
    ("model.vision_embed_tokens.img_processor.vision_model.", "vision."),
    ("model.vision_embed_tokens.wte.", "language.embed_tokens."),
    ("model.vision_embed_tokens.", ""),
    ("model.", "language."),
)
OUTPUT_LAYER = "lm_head.weight"
STORED_WITHOUT_EFFECT = (OUTPUT_LAYER, "*.position_ids")


class Phi3V(nn.Module):
    """A vision tower, learnt separators, a projection and the language model; parameters bear the official names."""

    def __init__(self, config: Mapping[str, Any], path: Path) -> None:
        from transformers import CLIPVisionConfig, Phi3Config

        super().__init__()
        language = Phi3Config(pad_token_id=None, **{key: config[key] for key in LANGUAGE_KEYS if key in config})
        self.rope = RopeSettings.of(config, language, path)
        self.language = language_network(language, self.rope)
        self.vision = vision_network(CLIPVisionConfig(**VISION))
        width, dimension = MERGED**2 * VISION["hidden_size"], language.hidden_size
        self.glb_GN = nn.Parameter(torch.empty(1, 1, width))
        self.sub_GN = nn.Parameter(torch.empty(1, 1, 1, width))
        self.img_projection = nn.Sequential(nn.Linear(width, dimension), nn.GELU(), nn.Linear(dimension, dimension))

    def words(self, ids: Sequence[int]) -> Tensor:
        """Return the embeddings [tokens, d] of token ids."""
        found: Tensor = self.language.embed_tokens(torch.tensor(ids, dtype=torch.long, device=self.glb_GN.device))
        return found

    def pictures(self, pictures: Sequence[Crops]) -> list[Tensor]:
        """Return the embeddings [tokens, d] of each picture: its crops in rows, a separator, the view of the whole."""
        if not pictures:
            return []
        values = torch.cat([one.values for one in pictures]).to(self.glb_GN)
        patches = patch_states(self.vision, values, FEATURE_LAYER)[:, 1:]
        parts = torch.split(patches, [len(one.values) for one in pictures])
        return [self._tokens(part, one) for part, one in zip(parts, pictures, strict=True)]

    def _tokens(self, patches: Tensor, picture: Crops) -> Tensor:
        crops, whole = self._rows(patches[1:], picture.rows, picture.columns), self._rows(patches[:1], 1, 1)
        tokens: Tensor = self.img_projection(torch.cat([crops, self.glb_GN[0], whole]))
        return tokens

    def _rows(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        """Return [tokens, width] of a grid of crops [rows * columns, patches, w], a separator behind each line."""
        grid = patches.reshape(rows, columns, IN_CROP, MERGED, IN_CROP, MERGED, -1)
        lines = grid.permute(0, 2, 1, 4, 3, 5, 6).reshape(rows * IN_CROP, columns * IN_CROP, -1)
        return torch.cat([lines, self.sub_GN[0].expand(len(lines), 1, -1)], dim=1).flatten(0, 1)


def load_network(folder: Path, config: Mapping[str, Any], where: Placement) -> Phi3V:
    """Return the network of a checkpoint folder, every tensor proven to have arrived; the output layer is not loaded.

    Raises CheckpointError for settings that are not followed, and names tensors that are missing, unexpected or of
    another shape.
    """
    path = folder / "config.json"
    _refuse_other(config, path)
    model = hollow(lambda: Phi3V(config, path), where, path)
    checkpoint = Checkpoint.open(folder)
    shape = tuple(model.language.embed_tokens.weight.shape)
    check_output_layer(checkpoint, OUTPUT_LAYER, shape, tied=bool(config.get("tie_word_embeddings")))
    load_strict(model, checkpoint, renamed, STORED_WITHOUT_EFFECT)
    number_patches(model.vision)
    return model


def renamed(name: str) -> str:
    """Return what the network calls a tensor or layer of a checkpoint or adapter."""
    for old, new in RENAMED:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _refuse_other(config: Mapping[str, Any], path: Path) -> None:
    for part, settings in FIXED.items():
        found = config.get(part)
        if not isinstance(found, dict):
            raise CheckpointError(f"{path}: has no part {part}, which a Phi-3.5-V checkpoint has.")
        for key, expected in settings.items():
            if found.get(key) != expected:
                raise CheckpointError(
                    f"{path}: {part}.{key} is {found.get(key)!r}; this adapter follows {expected!r} alone."
                )
