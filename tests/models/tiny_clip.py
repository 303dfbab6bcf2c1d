"""A random CLIP of a few thousand weights with a tokenizer and preprocessing of its own, saved in the Hub's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.clip import Clip

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
SIDE = 32
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def byte_letters() -> list[str]:
    """The 256 letters in which byte-level vocabularies write bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = [256 + place for place in range(256 - len(printable))]
    return [chr(code) for code in printable + spare]


def vocabulary() -> tuple[dict[str, int], list[str]]:
    letters = byte_letters()
    merges = ["c a", "ca t</w>", "d o", "do g</w>", "r e", "re d</w>"]
    words = [*letters, *(letter + "</w>" for letter in letters), *(one.replace(" ", "") for one in merges), BEGIN, END]
    return {word: place for place, word in enumerate(words)}, merges


def save_tiny_clip(folder: Path, **text_settings: Any) -> Path:
    """Save the checkpoint into `folder` and return it. `text_settings` change the text tower's configuration."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    folder.mkdir(parents=True, exist_ok=True)
    vocab, merges = vocabulary()
    tower = {"intermediate_size": 48, "num_hidden_layers": 2, "projection_dim": 16, "initializer_range": 0.2}
    text = {
        "hidden_size": 24, "num_attention_heads": 2, "vocab_size": len(vocab), "max_position_embeddings": 20,
        "bos_token_id": vocab[BEGIN], "eos_token_id": vocab[END], "pad_token_id": vocab[END],
    }  # fmt: skip
    vision = {"hidden_size": 32, "num_attention_heads": 4, "image_size": SIDE, "patch_size": 8}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=tower | text | text_settings, vision_config=tower | vision, projection_dim=16)
    CLIPModel(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    tokenizer = {
        "tokenizer_class": "CLIPTokenizer", "bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": END,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    processor = {
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": SIDE}, "resample": 3,
        "do_center_crop": True, "crop_size": {"height": SIDE, "width": SIDE}, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": MEAN, "image_std": STD, "do_convert_rgb": True,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture of random blobs, the same for the same arguments."""
    import numpy as np

    coarse = np.random.default_rng(seed).integers(0, 256, (max(1, height // 4), max(1, width // 4), 4), dtype=np.uint8)
    picture = Image.fromarray(coarse, "RGBA").resize((width, height), Image.Resampling.BILINEAR)
    return picture if mode == "RGBA" else picture.convert("RGB").convert(mode)


def load(folder: Path, **args: str) -> Clip:
    options = LoadOptions(args={"checkpoint": str(folder), **args}, device="cpu", offline=True)
    model = load_model("clip", options)
    assert isinstance(model, Clip)
    return model


ITEMS = [
    Item("text", text="a red cat"),
    Item("picture", image=noise(50, 40)),
    Item("pair", text="Dog!", image=noise(40, 70, seed=1), instruction="find"),
    Item("long", text="cat dog " * 40),
    Item("told", image=noise(33, 32, seed=2), instruction="the red one"),
    Item("empty", text=""),
    Item("snow", text="☃ é 狗"),
]
