"""Random networks of SEARLE and Pic2Word in the layout of the released files, beside a tiny CLIP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.models.tiny_clip import noise, save_tiny_clip
from torch import nn

from mbench.core.types import Item, LoadOptions, Vectors
from mbench.models.catalog import load_model
from mbench.models.inversion import Inversion

PLACES = 64
ITEMS = [
    Item("text", text="a red cat"),
    Item("picture", image=noise(50, 40)),
    Item("pair", text="is a Dog!", image=noise(40, 70, seed=1), instruction="find"),
    Item("told", image=noise(33, 32, seed=2), instruction="the red one"),
    Item("blank", text=" ", image=noise(90, 31, seed=3)),
    Item("price", text="costs $ 5 or *", image=noise(64, 64, seed=4)),
    Item("long", text="cat dog " * 40, image=noise(30, 30, seed=5)),
    Item("empty", text=""),
    Item("snow", text="☃ é 狗"),
]


def save_clip(folder: Path) -> Path:
    return save_tiny_clip(folder, max_position_embeddings=PLACES)


def phi(given: int = 16, hidden: int = 40, made: int = 24) -> nn.Sequential:
    """SEARLE's network as its paper draws it: three layers, GELU and dropout between them."""
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Linear(given, hidden), nn.GELU(), nn.Dropout(0.5), nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(0.5),
        nn.Linear(hidden, made),
    )  # fmt: skip
    return network.apply(widened).eval()


def save_phi(path: Path, network: nn.Sequential, **others: Any) -> Path:
    weights = {f"layers.{name}": one for name, one in network.state_dict().items()}
    torch.save({"epoch": 20, "Phi": weights | others}, path)
    return path


def im2text(given: int = 16, hidden: int = 40, made: int = 24) -> nn.ModuleDict:
    """Pic2Word's network: two layers, dropout and ReLU after each, and a last one."""
    torch.manual_seed(2)
    blocks = [nn.Sequential(nn.Linear(width, hidden), nn.Dropout(0.1), nn.ReLU()) for width in (given, hidden)]
    network = nn.ModuleDict({"layers": nn.Sequential(*blocks), "fc_out": nn.Linear(hidden, made)})
    return network.apply(widened).eval()


def widened(layer: nn.Module) -> None:
    """Let the words of different pictures differ: as torch draws the weights, they hardly do."""
    if isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, std=4 / layer.in_features**0.5)


def openai_names(model: Any) -> dict[str, torch.Tensor]:
    """The weights of a CLIP of transformers as OpenAI names and shapes them."""
    weights = dict(model.state_dict())
    found: dict[str, torch.Tensor] = {
        "logit_scale": weights["logit_scale"],
        "visual.class_embedding": weights["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": weights["vision_model.embeddings.position_embedding.weight"],
        "visual.conv1.weight": weights["vision_model.embeddings.patch_embedding.weight"],
        "visual.proj": weights["visual_projection.weight"].T.contiguous(),
        "positional_embedding": weights["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": weights["text_model.embeddings.token_embedding.weight"],
        "text_projection": weights["text_projection.weight"].T.contiguous(),
    }
    for kind in ("weight", "bias"):
        found[f"visual.ln_pre.{kind}"] = weights[f"vision_model.pre_layrnorm.{kind}"]
        found[f"visual.ln_post.{kind}"] = weights[f"vision_model.post_layernorm.{kind}"]
        found[f"ln_final.{kind}"] = weights[f"text_model.final_layer_norm.{kind}"]
        for ours, tower in (("visual.transformer", "vision_model"), ("transformer", "text_model")):
            for layer in range(2):
                new, old = f"{ours}.resblocks.{layer}", f"{tower}.encoder.layers.{layer}"
                heads = [weights[f"{old}.self_attn.{letter}_proj.{kind}"] for letter in "qkv"]
                found[f"{new}.attn.in_proj_{kind}"] = torch.cat(heads)
                found[f"{new}.attn.out_proj.{kind}"] = weights[f"{old}.self_attn.out_proj.{kind}"]
                for short, long in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2")):
                    found[f"{new}.{short}.{kind}"] = weights[f"{old}.{long}.{kind}"]
                for short, long in (("c_fc", "fc1"), ("c_proj", "fc2")):
                    found[f"{new}.mlp.{short}.{kind}"] = weights[f"{old}.mlp.{long}.{kind}"]
    return found


def load(name: str, folder: Path, **args: str) -> Inversion:
    options = LoadOptions(args={"checkpoint": str(folder), **args}, device="cpu", offline=True)
    model = load_model(name, options)
    assert isinstance(model, Inversion)
    return model


class Reference:
    """Textual inversion with transformers alone: the word is written over a token that no text has."""

    spare = 5

    def __init__(self, folder: Path, slot: str, network: Any) -> None:
        from transformers import CLIPModel, CLIPTokenizer

        tokenizer: Any = CLIPTokenizer.from_pretrained(folder)
        model: Any = CLIPModel.from_pretrained(folder)
        self.tokenizer, self.model, self.network = tokenizer, model.eval(), network
        self.slot = tokenizer(slot)["input_ids"][1]

    def image(self, pixels: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return unwrapped(self.model.get_image_features(pixel_values=pixels[None]))

    def text(self, text: str) -> torch.Tensor:
        ids = torch.tensor([self.tokenizer(text, truncation=True, max_length=PLACES)["input_ids"]])
        with torch.no_grad():
            return unwrapped(self.model.get_text_features(input_ids=ids))

    def prompt(self, text: str, pixels: torch.Tensor) -> torch.Tensor:
        ids = self.tokenizer(text, truncation=True, max_length=PLACES)["input_ids"]
        assert self.spare not in ids
        ids[ids.index(self.slot)] = self.spare
        with torch.no_grad():
            word = self.network(self.image(pixels)[None])[0]
            self.model.text_model.embeddings.token_embedding.weight[self.spare] = word
            return unwrapped(self.model.get_text_features(input_ids=torch.tensor([ids])))


def unwrapped(found: Any) -> torch.Tensor:
    features: torch.Tensor = found if torch.is_tensor(found) else found.pooler_output
    return features.squeeze(0)


def unit(vectors: Vectors) -> Vectors:
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled
