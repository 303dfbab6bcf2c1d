"""A random model of open_clip of a few weights beside its vocabulary's, saved in the layout of open_clip."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.models.tiny_clip import noise

from mbench.core.types import Item, LoadOptions, Vectors
from mbench.models.catalog import load_model
from mbench.models.open_clip import OpenClip

TIER = [
    pytest.mark.open_clip,
    pytest.mark.skipif(find_spec("open_clip") is None, reason="open_clip is not installed: make test-open-clip"),
]
"""open_clip needs torchvision, which does not go with the CPU build of torch: its tests are a tier of their own."""
ARCH = "tiny-arch"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
PREPARED = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "interpolation": "bilinear", "resize_mode": "shortest"}
PICTURES = [noise(50, 40), noise(40, 70, "RGBA", seed=1), noise(64, 64, seed=2).quantize(16)]
TEXTS = ["a red cat", "", "dog " * 40]


def save_tiny_open_clip(root: Path) -> Path:
    """Save the model into `root` and the description of its architecture beside it; return `root`."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    root.mkdir()
    (root.parent / f"{ARCH}.json").write_text(json.dumps(CONFIG))
    (root / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": PREPARED}))
    open_clip.add_model_config(root.parent / f"{ARCH}.json")
    torch.manual_seed(0)
    model = open_clip.create_model(ARCH)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.1)
    save_file(
        {name: one.contiguous() for name, one in model.state_dict().items()}, root / "open_clip_model.safetensors"
    )
    return root


def load(name: str, dtype: str = "auto", **args: str) -> OpenClip:
    found = load_model(f"open_clip:{name}", LoadOptions(args=args, device="cpu", dtype=dtype, offline=True))
    assert isinstance(found, OpenClip)
    return found


def weights_of(folder: Path) -> str:
    return str(folder / "open_clip_model.safetensors")


def own(name: str, weights: str | None = None, **settings: Any) -> tuple[Vectors, Vectors]:
    """What open_clip's own code makes of the pictures and texts, normalised."""
    import open_clip
    import torch

    network, prepare = open_clip.create_model_from_pretrained(name, pretrained=weights, **settings)
    network.eval()
    with torch.no_grad():
        images = network.encode_image(torch.stack([prepare(one) for one in PICTURES]), normalize=True)
        texts = network.encode_text(open_clip.get_tokenizer(name)(TEXTS), normalize=True)
    return images.numpy(), texts.numpy()


def vectors(model: OpenClip) -> tuple[Vectors, Vectors]:
    images = [Item(str(place), image=one) for place, one in enumerate(PICTURES)]
    texts = [Item(str(place), text=one) for place, one in enumerate(TEXTS)]
    return model.encode(images, role="candidate"), model.encode(texts, role="query")
