"""A random Qwen2-VL of a few thousand weights, and ABC's two adapters for it, saved in the official layouts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from tests.models.tiny_clip import MEAN, STD, byte_letters
from torch import Tensor

from mbench.core.types import LoadOptions

if TYPE_CHECKING:
    from mbench.models.abc import Abc

torch.set_num_threads(1)

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
WIDTH, HIDDEN, LAYERS, VISION = 16, 32, 2, 8
VOCABULARY = 256 + len(SPECIAL)
LANGUAGE = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
MLP = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
TOWER = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
WEIGHTS, ADAPTER = "model.safetensors", "adapter_model.safetensors"

CONFIG: dict[str, Any] = {
    "model_type": "qwen2_vl",
    "image_token_id": VOCABULARY - 1,
    "vision_start_token_id": VOCABULARY - 3,
    "hidden_size": WIDTH,
    "intermediate_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "use_sliding_window": False,
    "rope_theta": 1000000.0,
    "rope_scaling": {"type": "mrope", "mrope_section": [2, 1, 1]},
    "vision_config": {"depth": 1, "embed_dim": VISION, "hidden_size": WIDTH, "num_heads": 2, "mlp_ratio": 2},
}
PREPROCESSING: dict[str, Any] = {
    "patch_size": 14,
    "merge_size": 2,
    "temporal_patch_size": 2,
    "image_mean": MEAN,
    "image_std": STD,
    "min_pixels": 3136,
    "max_pixels": 12845056,
}


def save_tiny_base(folder: Path, seed: int = 0) -> Path:
    """Save a base model with the names of transformers 4 and return its folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    save_file(random_tensors(base_shapes(), seed), folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def save_tiny_adapter(folder: Path, targets: tuple[str, ...], *, head: bool, seed: int = 1, **settings: Any) -> Path:
    """Save a LoRA adapter of rank 2 as PEFT does, with ABC's head and temperature if asked, and return its folder."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": list(targets), "bias": "none", **settings}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    shapes = {}
    for name, (outputs, inputs) in linear_layers().items():
        if name.endswith(targets):
            shapes[f"base_model.model.{name}.lora_A.weight"] = (2, inputs)
            shapes[f"base_model.model.{name}.lora_B.weight"] = (outputs, 2)
            if config.get("use_dora"):
                shapes[f"base_model.model.{name}.lora_magnitude_vector"] = (outputs,)
    if head:
        shapes["base_model.model.mlp_head.linear_layer1.weight"] = (24, WIDTH)
        shapes["base_model.model.mlp_head.linear_layer1.bias"] = (24,)
        shapes["base_model.model.mlp_head.linear_layer2.weight"] = (WIDTH, 24)
        shapes["base_model.model.mlp_head.linear_layer2.bias"] = (WIDTH,)
        shapes["base_model.model.temperature.temp"] = ()
    save_file(random_tensors(shapes, seed), folder / ADAPTER)
    return folder


def save_tiny_abc(folder: Path) -> dict[str, str]:
    """Save the three parts below `folder` and return them as the adapter's arguments."""
    return {
        "base": str(save_tiny_base(folder / "base")),
        "pretrain": str(save_tiny_adapter(folder / "pretrain", (*LANGUAGE, *MLP, *TOWER), head=True)),
        "instruct": str(save_tiny_adapter(folder / "instruct", (*LANGUAGE, *MLP), head=False, seed=2)),
    }


def load_abc(arguments: Mapping[str, str], **options: Any) -> Abc:
    from mbench.models.abc import Abc

    return Abc.load(LoadOptions(args=arguments, **{"device": "cpu", "dtype": "fp32", **options}))


def change(path: Path, **tensors: Tensor | None) -> None:
    """Replace, add or (with None) remove tensors of a file; in their names `__` stands for a dot."""
    kept: dict[str, Any] = dict(load_file(path))
    for name, tensor in tensors.items():
        kept[name.replace("__", ".")] = tensor
    save_file({name: tensor for name, tensor in kept.items() if tensor is not None}, path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def random_tensors(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=source) * 0.3 for name, shape in shapes.items()}


def linear_layers() -> dict[str, tuple[int, int]]:
    """The layers that can be adapted, [out, in] by the names of transformers 4."""
    shapes: dict[str, tuple[int, int]] = {}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}"
        shapes |= {f"{at}.self_attn.{one}_proj": (WIDTH, WIDTH) for one in "qo"}
        shapes |= {f"{at}.self_attn.{one}_proj": (WIDTH // 2, WIDTH) for one in "kv"}
        shapes |= {f"{at}.mlp.{one}_proj": (HIDDEN, WIDTH) for one in ("gate", "up")}
        shapes[f"{at}.mlp.down_proj"] = (WIDTH, HIDDEN)
    at = "visual.blocks.0"
    shapes |= {f"{at}.attn.qkv": (3 * VISION, VISION), f"{at}.attn.proj": (VISION, VISION)}
    return shapes | {f"{at}.mlp.fc1": (2 * VISION, VISION), f"{at}.mlp.fc2": (VISION, 2 * VISION)}


def base_shapes() -> dict[str, tuple[int, ...]]:
    embedded, merged = (VOCABULARY, WIDTH), 4 * VISION
    shapes: dict[str, tuple[int, ...]] = {"lm_head.weight": embedded, "model.embed_tokens.weight": embedded}
    for name, shape in linear_layers().items():
        shapes[f"{name}.weight"] = shape
        if name.startswith("visual") or name.endswith(("q_proj", "k_proj", "v_proj")):
            shapes[f"{name}.bias"] = shape[:1]
    norms = [f"model.layers.{layer}.{one}_layernorm" for layer in range(LAYERS) for one in ("input", "post_attention")]
    shapes |= {f"{name}.weight": (WIDTH,) for name in (*norms, "model.norm")}
    for name in ("blocks.0.norm1", "blocks.0.norm2", "merger.ln_q"):
        shapes |= {f"visual.{name}.{part}": (VISION,) for part in ("weight", "bias")}
    shapes |= {"visual.merger.mlp.0.weight": (merged, merged), "visual.merger.mlp.0.bias": (merged,)}
    shapes |= {"visual.merger.mlp.2.weight": (WIDTH, merged), "visual.merger.mlp.2.bias": (WIDTH,)}
    return shapes | {"visual.patch_embed.proj.weight": (VISION, 3, 2, 14, 14)}


def tokenizer() -> dict[str, Any]:
    """Bytes as tokens, in the order of the real vocabulary: `!` is token 0."""
    added = [{"id": 256 + place, "content": word, "special": True} for place, word in enumerate(SPECIAL)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": None,
        "added_tokens": [flags | one for one in added],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "model": {"type": "BPE", "vocab": {one: at for at, one in enumerate(byte_letters())}, "merges": []},
    }
