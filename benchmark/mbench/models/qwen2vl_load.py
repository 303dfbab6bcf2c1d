"""Loading Qwen2-VL: the network of transformers, built without weights and filled tensor by tensor.

`from_pretrained` of transformers 5 renames the tensors of older checkpoints for some classes only and leaves the others
at random values, silently.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mbench.core.errors import CheckpointError
from mbench.models.device import Placement
from mbench.models.hf import quiet, read_config
from mbench.models.output_layer import check_output_layer
from mbench.models.weights_io import Checkpoint, load_strict

PICTURE_PLACE = "<|image_pad|>"
OUTPUT_LAYER = "lm_head.weight"
MODEL_TYPES = ("qwen2_vl",)
VISION_BASE = 10_000.0
"""Base of the rotary frequencies of the vision tower, which no configuration file tells."""
RENAMED = (("model.language_model.", "language_model."), ("model.visual.", "visual."), ("model.", "language_model."))
"""Beginnings of names as transformers 5 and 4 save them, and what the backbone calls them."""


def renamed(name: str) -> str:
    """Return what the backbone calls a tensor or layer of a checkpoint or adapter."""
    for old, new in RENAMED:
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def load_backbone(folder: Path, where: Placement) -> Any:
    """Return transformers' Qwen2VLModel, which has no layer over the vocabulary, on the device, ready for inference.

    Memory: that of the weights in the wanted precision and of one tensor. Raises CheckpointError for another
    architecture, and names tensors that are missing, unexpected or of another shape.
    """
    model = _built(folder, where)
    _fill(model, folder)
    _fill_frequencies(model)
    return model


def load_tokenizer(folder: Path, config: Any) -> Any:
    """Return the tokenizer of tokenizer.json, which makes the ids of the official slow one; nothing is cut off.

    Raises CheckpointError when the file is not there, is damaged or does not go with the model's `config`.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file; a Qwen2-VL checkpoint has one.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        # The library raises bare exceptions.
        raise CheckpointError(f"{path}: not a tokenizer: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    size, place = config.text_config.vocab_size, tokenizer.token_to_id(PICTURE_PLACE)
    if tokenizer.get_vocab_size() > size:
        raise CheckpointError(
            f"{path}: {tokenizer.get_vocab_size()} tokens, but the model of config.json embeds {size}."
        )
    if place != config.image_token_id:
        raise CheckpointError(
            f"{path}: {PICTURE_PLACE} is token {place}, but image_token_id of config.json is {config.image_token_id}."
        )
    return tokenizer


def _built(folder: Path, where: Placement) -> Any:
    """Return the network with memory on the device in the wanted precision, but without values."""
    import torch
    from transformers import AutoConfig, AutoModel

    settings = read_config(folder, "Qwen2-VL", MODEL_TYPES)
    networks: Any = AutoModel
    try:
        with quiet(), torch.device("meta"):
            config = AutoConfig.for_model(**settings)
            model = networks.from_config(config, attn_implementation="sdpa")
    except Exception as error:
        # Validators of the library raise exceptions of their own.
        raise CheckpointError(f"{folder}/config.json: no network can be built of it: {error}") from error
    return model.to(where.torch_dtype).to_empty(device=where.device).eval().requires_grad_(False)


def _fill(model: Any, folder: Path) -> None:
    checkpoint = Checkpoint.open(folder)
    _refuse_twins(checkpoint)
    text = model.config.text_config
    shape = (text.vocab_size, text.hidden_size)
    check_output_layer(checkpoint, OUTPUT_LAYER, shape, tied=model.config.tie_word_embeddings)
    load_strict(model, checkpoint, renamed, ignore=[OUTPUT_LAYER])


def _refuse_twins(checkpoint: Checkpoint) -> None:
    seen: dict[str, str] = {}
    for name in checkpoint.shapes:
        twin = seen.setdefault(renamed(name), name)
        if twin != name:
            raise CheckpointError(f"{checkpoint.where}: {twin} and {name} are the same tensor of the model.")


def _fill_frequencies(model: Any) -> None:
    """Compute the rotary frequencies, which no checkpoint holds, and round them to the precision of the weights.

    ABC's official code casts the whole model, these included, for inference; so does DeepSpeed in training.
    """
    import torch

    for part, base in ((model.language_model, _rotary_base(model.config.text_config)), (model.visual, VISION_BASE)):
        for frequencies in part.buffers():
            count = len(frequencies)
            frequencies.copy_(1.0 / base ** (torch.arange(count) / count))


def _rotary_base(text: Any) -> float:
    """Return the base of the language model's rotary frequencies, wherever transformers 4 or 5 keeps it."""
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    kind = rope.get("rope_type", "default")
    if kind != "default":
        raise CheckpointError(
            f"config.json asks for rotary positions of the type {kind!r}, which is not followed here."
        )
    return float(rope.get("rope_theta") or text.rope_theta)
