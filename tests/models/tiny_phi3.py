"""Random InstructCIR and Phi-3.5-V checkpoints of a few thousand weights, saved in the official layouts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from tests.models.tiny_clip import MEAN, STD
from tests.models.tiny_qwen2vl import ADAPTER, WEIGHTS, random_tensors

from mbench.models import vlm2vec_phi3v_net

WIDTH, HIDDEN, HEADS, LAYERS, VISION = 16, 24, 2, 2, 8
SHORT_LENGTH = 60
"""Tokens up to which positions are those of short inputs: few, so that tests reach both kinds."""
ADDED = ("<|endoftext|>", "<|assistant|>", "<|user|>", "<|end|>", "<image>")
STRIPPING = ("<|assistant|>", "<|user|>", "<|end|>")
LETTERS = "▁abcdefghijklmnopqrstuvwxyzADFMRW.,:!\"'"
BYTES = [f"<0x{code:02X}>" for code in range(256)]
WORDS = ["<unk>", "<s>", "</s>", *BYTES, *LETTERS, *ADDED]
IDS = {word: place for place, word in enumerate(WORDS)}
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
ROPE = {"short_factor": [1.0, 1.1, 1.3, 2.0], "long_factor": [1.2, 2.0, 8.0, 40.0]}
TEXT: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": WIDTH,
    "intermediate_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 4096,
    "original_max_position_embeddings": SHORT_LENGTH,
}
SMALL_VISION: dict[str, Any] = {
    "hidden_size": VISION,
    "intermediate_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "patch_size": 14,
    "projection_dim": 4,
}
"""The sizes of the vision tower. That of Phi-3.5-V, which no checkpoint tells, is replaced by this one in tests."""
SIDE = 28
IN_LANGUAGE = ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj")
IN_VISION = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj")
TOWER = "model.vision_embed_tokens.img_processor.vision_model"

Shapes = dict[str, tuple[int, ...]]


def save_tiny_instructcir(folder: Path, seed: int = 0) -> Path:
    """Save a checkpoint whose pictures have 2 x 2 patches and return its folder."""
    config = {
        "model_type": "instructcir_llava_phi35",
        "image_token_index": IDS["<image>"],
        "pad_token_id": IDS["<|endoftext|>"],
        "text_config": TEXT | {"rope_scaling": {"type": "longrope", **ROPE}},
        "vision_config": SMALL_VISION | {"image_size": SIDE},
    }
    processor = {
        "size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}, "resample": 3,
        "image_mean": MEAN, "image_std": STD, "image_processor_type": "CLIPImageProcessor",
    }  # fmt: skip
    shapes = _llama("language_model.model") | {"language_model.lm_head.weight": (len(WORDS), WIDTH)}
    shapes |= _tower("vision_tower.vision_model", SIDE)
    for name, inputs in (("linear_1", VISION), ("linear_2", WIDTH)):
        shapes[f"multi_modal_projector.{name}.weight"] = (WIDTH, inputs)
        shapes[f"multi_modal_projector.{name}.bias"] = (WIDTH,)
    return _saved(folder, config, processor, shapes, seed)


def save_tiny_phi3v(folder: Path, seed: int = 0, **changed: Any) -> Path:
    """Save a Phi-3.5-V checkpoint for a tower of `SMALL_VISION` and return its folder."""
    config = {
        "model_type": "phi3_v",
        **TEXT,
        "rope_scaling": {"type": "su", **ROPE},
        "embd_layer": {
            "embedding_cls": "image", "hd_transform_order": "sub_glb", "projection_cls": "mlp",
            "use_hd_transform": True, "with_learnable_separator": True,
        },
        "img_processor": {"name": "clip_vision_model", "model_name": "openai/clip-vit-large-patch14-336"},
        **changed,
    }  # fmt: skip
    shapes = _phi3("model") | {"lm_head.weight": (len(WORDS), WIDTH)} | _tower(TOWER, 336)
    at = "model.vision_embed_tokens"
    shapes |= {f"{at}.glb_GN": (1, 1, 4 * VISION), f"{at}.sub_GN": (1, 1, 1, 4 * VISION)}
    for place, inputs in ((0, 4 * VISION), (2, WIDTH)):
        shapes |= {
            f"{at}.img_projection.{place}.weight": (WIDTH, inputs),
            f"{at}.img_projection.{place}.bias": (WIDTH,),
        }
    return _saved(folder, config, {"image_mean": MEAN, "image_std": STD}, shapes, seed)


def save_phi3v_adapter(folder: Path, seed: int = 1) -> Path:
    """Save a DoRA adapter of rank 2 for all that the official one adapts, and return its folder."""
    targets = [*IN_LANGUAGE, *IN_VISION]
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": targets, "use_dora": True}
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    shapes: Shapes = {}
    for name, shape in (_phi3("model") | _tower(TOWER, 336)).items():
        layer = name.removesuffix(".weight")
        if layer.endswith(tuple(targets)):
            at, (outputs, inputs) = f"base_model.model.{layer}", shape
            shapes |= {f"{at}.lora_A.weight": (2, inputs), f"{at}.lora_B.weight": (outputs, 2)}
            shapes[f"{at}.lora_magnitude_vector"] = (outputs,)
    save_file(random_tensors(shapes, seed), folder / ADAPTER)
    return folder


def tokenizer() -> dict[str, Any]:
    """A vocabulary of letters in the layout of Llama's: `▁` for spaces, bytes for unknown letters, no merges."""
    flags = {"single_word": False, "lstrip": False, "normalized": False, "special": True}
    added = [flags | {"id": IDS[word], "content": word, "rstrip": False} for word in ("<unk>", "<s>", "</s>", *ADDED)]
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    return {
        "version": "1.0",
        "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, spaces]},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, "merges": [],
            "vocab": {word: place for word, place in IDS.items() if word not in ADDED},
        },
    }  # fmt: skip


def tokenizer_settings() -> dict[str, Any]:
    """What tokenizer_config.json adds: that the tokens of turns swallow the white space behind them."""
    decoder = {str(IDS[word]): {"content": word, "rstrip": True, "special": True} for word in STRIPPING}
    return {
        "tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": {"content": "<|endoftext|>"},
        "chat_template": TEMPLATE, "added_tokens_decoder": decoder, "model_max_length": 4096,
    }  # fmt: skip


@contextmanager
def small_tower() -> Iterator[None]:
    """Let the vision tower of Phi-3.5-V, whose sizes are fixed, be a small one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vlm2vec_phi3v_net, "VISION", SMALL_VISION | {"image_size": 336})
        yield


def rewrite(path: Path, **changed: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    found = json.loads(path.read_text()) | changed
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


def _saved(folder: Path, config: Mapping[str, Any], processor: Mapping[str, Any], shapes: Shapes, seed: int) -> Path:
    folder.mkdir(parents=True)
    files = {"config": config, "preprocessor_config": processor, "tokenizer_config": tokenizer_settings()}
    for name, content in (files | {"tokenizer": tokenizer()}).items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    save_file(random_tensors(shapes, seed), folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def _llama(at: str) -> Shapes:
    layers = {f"self_attn.{one}_proj": (WIDTH, WIDTH) for one in "qkvo"}
    layers |= {"mlp.gate_proj": (HIDDEN, WIDTH), "mlp.up_proj": (HIDDEN, WIDTH), "mlp.down_proj": (WIDTH, HIDDEN)}
    return _language(at, layers)


def _phi3(at: str) -> Shapes:
    layers = {"self_attn.qkv_proj": (3 * WIDTH, WIDTH), "self_attn.o_proj": (WIDTH, WIDTH)}
    return _language(at, layers | {"mlp.gate_up_proj": (2 * HIDDEN, WIDTH), "mlp.down_proj": (WIDTH, HIDDEN)})


def _language(at: str, layers: Mapping[str, tuple[int, ...]]) -> Shapes:
    shapes: Shapes = {f"{at}.embed_tokens.weight": (len(WORDS), WIDTH), f"{at}.norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        shapes |= {f"{at}.layers.{layer}.{name}.weight": shape for name, shape in layers.items()}
        norms = ("input_layernorm", "post_attention_layernorm")
        shapes |= {f"{at}.layers.{layer}.{name}.weight": (WIDTH,) for name in norms}
    return shapes


def _tower(at: str, side: int) -> Shapes:
    shapes: Shapes = {f"{at}.embeddings.class_embedding": (VISION,)}
    shapes[f"{at}.embeddings.patch_embedding.weight"] = (VISION, 3, 14, 14)
    shapes[f"{at}.embeddings.position_embedding.weight"] = ((side // 14) ** 2 + 1, VISION)
    norms = ["pre_layrnorm", "post_layernorm"]
    for layer in (f"encoder.layers.{place}" for place in range(LAYERS)):
        norms += [f"{layer}.layer_norm1", f"{layer}.layer_norm2"]
        squares = {f"{layer}.{name}": (VISION, VISION) for name in IN_VISION}
        mlp = {f"{layer}.mlp.fc1": (HIDDEN, VISION), f"{layer}.mlp.fc2": (VISION, HIDDEN)}
        for name, shape in (squares | mlp).items():
            shapes |= {f"{at}.{name}.weight": shape, f"{at}.{name}.bias": shape[:1]}
    return shapes | {f"{at}.{name}.{part}": (VISION,) for name in norms for part in ("weight", "bias")}
