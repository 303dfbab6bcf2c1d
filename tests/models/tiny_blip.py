"""A random BLIP for retrieval of a few thousand weights with a vocabulary of its own, saved in the Hub's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.models.tiny_clip import MEAN, STD, noise

from mbench.core.types import Item, LoadOptions
from mbench.models.blip import Blip
from mbench.models.catalog import load_model

SIDE, PLACES = 32, 48
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz!", "a", "red", "cat", "dog", "find",
         *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]  # fmt: skip

ITEMS = [
    Item("text", text="a red cat"),
    Item("picture", image=noise(50, 40)),
    Item("pair", text="Dog!", image=noise(40, 70, seed=1), instruction="find"),
    Item("long", text="cat dog " * 40),
    Item("told", image=noise(33, 32, seed=2), instruction="the red one"),
    Item("empty", text=""),
    Item("snow", text="☃ é 狗"),
]


def save_tiny_blip(folder: Path) -> Path:
    """Save the checkpoint into `folder` and return it."""
    import torch
    from transformers import BlipConfig, BlipForImageTextRetrieval

    folder.mkdir(parents=True, exist_ok=True)
    words = list(dict.fromkeys(WORDS))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512})
    )
    tower = {"intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.2}
    # The published model embeds two tokens more than its vocabulary has: those that begin decoding and matching.
    text: dict[str, Any] = tower | {
        "hidden_size": 24, "encoder_hidden_size": 32, "vocab_size": len(words) + 2, "max_position_embeddings": PLACES,
        "bos_token_id": len(words), "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3,
    }  # fmt: skip
    vision = tower | {"hidden_size": 32, "image_size": SIDE, "patch_size": 8}
    torch.manual_seed(0)
    model = BlipForImageTextRetrieval(BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=16))
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.1)
    model.save_pretrained(folder)
    processor = {
        "image_processor_type": "BlipImageProcessor", "do_resize": True, "size": {"height": SIDE, "width": SIDE},
        "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": MEAN,
        "image_std": STD, "do_convert_rgb": True,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def load(folder: Path, **args: str) -> Blip:
    options = LoadOptions(args={"checkpoint": str(folder), **args}, device="cpu", offline=True)
    model = load_model("blip", options)
    assert isinstance(model, Blip)
    return model
