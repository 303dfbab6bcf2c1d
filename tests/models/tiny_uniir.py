"""Random UniIR models of a few thousand weights, saved as the official training saves them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tests.models.tiny_clip import noise

from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.uniir_base import Uniir

SCRATCH = TemporaryDirectory(prefix="mbench-uniir-")
NAMES = ("uniir-clip-sf", "uniir-clip-ff", "uniir-blip-sf", "uniir-blip-ff")
SIDE = 32
CLIP: dict[str, Any] = {
    "embed_dim": 16, "image_resolution": SIDE, "vision_layers": 2, "vision_width": 24, "vision_patch_size": 8,
    "vision_heads": 3, "context_length": 77, "vocab_size": 49408, "transformer_width": 16, "transformer_heads": 2,
    "transformer_layers": 2, "note": "left alone",
}  # fmt: skip
T5: dict[str, Any] = {"num_layers": 2, "num_heads": 3, "d_model": 16, "d_kv": 6, "d_ff": 20}
VIT = {"image_size": SIDE, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
WORDS = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "square", "isn", "'", "t", "it", "?", "naive", "cafe",
    "日", "本", "猫", "の", "語", "οδος", "οδοσ", "i", "istanbul", "##s", "s", "un", "##aff", "##able", ",", ".", "-",
    "new", "york", "##er", "e", "##é", "é", "x", "##x", "5", "°", "[", "]", "cls",
]  # fmt: skip
MED = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20,
    "max_position_embeddings": 128, "vocab_size": len(WORDS) + 2, "encoder_width": 24,
}  # fmt: skip
ARCHS: Mapping[str, dict[str, Any]] = {
    "uniir-clip-sf": {"clip": CLIP},
    "uniir-clip-ff": {"clip": CLIP, "t5": T5},
    "uniir-blip-sf": {"vit": VIT, "med": MED, "embed_dim": 12, "tokenizer_max_length": 30},
    "uniir-blip-ff": {"vit": VIT, "med": MED, "embed_dim": 16, "tokenizer_max_length": 30},
}


class Setting:
    """Stands for the OmegaConf object that official checkpoints pickle."""

    def __init__(self) -> None:
        self.content = {"model": {"name": "CLIPScoreFusion"}}


def network(name: str) -> Any:
    """The network of `name` in its tiny sizes, with random weights."""
    import torch

    from mbench.models import uniir_blip_net, uniir_clip_net, uniir_sizes

    arch = ARCHS[name]
    torch.manual_seed(sum(map(ord, name)))
    built: Any
    if name == "uniir-clip-sf":
        built = uniir_clip_net.ClipScore(uniir_sizes.ClipSizes(**CLIP))
    elif name == "uniir-clip-ff":
        built = uniir_clip_net.ClipFeature(uniir_sizes.ClipSizes(**CLIP), uniir_sizes.T5Sizes(**T5))
    else:
        sizes = uniir_sizes.BlipSizes.model_validate(arch)
        built = (uniir_blip_net.BlipScore if name.endswith("sf") else uniir_blip_net.BlipFeature)(sizes)
    for parameter in built.parameters():
        parameter.data.normal_(std=0.3)
    return built.eval().requires_grad_(False)


def official_weights(name: str) -> dict[str, Any]:
    """The state dictionary as the official code has it: with what only its training needs."""
    import torch

    weights: dict[str, Any] = network(name).state_dict()
    if "clip" in name:
        weights["clip_model.logit_scale"] = torch.tensor(4.6)
        return weights
    twins = ("visual_encoder", "text_encoder", "vision_proj", "text_proj")
    for key in [key for key in weights if key.startswith(twins)]:
        part, rest = key.split(".", 1)
        weights[f"{part}_m.{rest}"] = weights[key] * 0.7
    weights["text_encoder.embeddings.position_ids"] = torch.arange(128)[None]
    weights |= {"query_queue": torch.ones(12, 8), "cand_queue": torch.ones(12, 8), "temp": torch.tensor(0.07)}
    weights |= {"idx_queue": torch.full((1, 8), -100), "new_ptr_queue": torch.zeros(1, dtype=torch.int64)}
    if name.endswith("sf"):
        weights["text_encoder.encoder.layer.0.crossattention.self.query.bias"] = torch.ones(16)
    return weights


def save_tiny(folder: Path, name: str, weights: dict[str, Any] | None = None) -> Path:
    """Save the checkpoint of `name`, with a vocabulary where it needs one, into `folder` and return it."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    saved = official_weights(name) if weights is None else weights
    optimizer = {"state": {0: {"step": 3, "exp_avg": torch.zeros(4)}}, "param_groups": [{"lr": 1e-5}]}
    torch.save({"model": saved, "optimizer": optimizer, "config": Setting(), "epoch": 7}, folder / "tiny.pth")
    (folder / "arch.json").write_text(json.dumps(ARCHS[name]))
    if "blip" in name:
        (folder / "tokenizer").mkdir(exist_ok=True)
        (folder / "tokenizer" / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return folder


def load(name: str, folder: Path, dtype: str = "auto", **args: str) -> Uniir[Any]:
    options = LoadOptions(args={"checkpoint": str(folder), **args}, device="cpu", dtype=dtype, offline=True)
    model = load_model(name, options)
    assert isinstance(model, Uniir)
    return model


@cache
def folder(name: str) -> Path:
    """A checkpoint of `name` that tests may read."""
    return save_tiny(Path(SCRATCH.name) / name, name)


@cache
def model(name: str) -> Uniir[Any]:
    """The encoder of that checkpoint."""
    return load(name, folder(name))


def unit(vectors: Any) -> Any:
    """The vectors at unit length; zero stays zero."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(norms == 0, 1, norms)


QUERIES = [
    Item("text", text="a red cat", instruction="find it"),
    Item("picture", image=noise(50, 40), instruction="find it"),
    Item("pair", text='"it?"', image=noise(40, 70, seed=1), instruction="find:"),
    Item("plain", image=noise(33, 32, seed=2)),
    Item("long", text="a red square " * 90, image=noise(90, 20, seed=3)),
    Item("told", instruction="the red one"),
]
