"""CLIP's weights under OpenAI's names (https://github.com/openai/CLIP, `clip/model.py`), read under transformers'."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mbench.models.weights_io import Checkpoint, Shape

if TYPE_CHECKING:
    from torch import Tensor

NAMES = (
    (r"visual\.class_embedding", "vision_model.embeddings.class_embedding"),
    (r"visual\.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
    (r"visual\.conv1\.", "vision_model.embeddings.patch_embedding."),
    (r"visual\.ln_pre\.", "vision_model.pre_layrnorm."),
    (r"visual\.ln_post\.", "vision_model.post_layernorm."),
    (r"visual\.proj$", "visual_projection.weight"),
    (r"visual\.transformer\.resblocks\.", "vision_model.encoder.layers."),
    (r"transformer\.resblocks\.", "text_model.encoder.layers."),
    (r"token_embedding\.", "text_model.embeddings.token_embedding."),
    (r"positional_embedding", "text_model.embeddings.position_embedding.weight"),
    (r"ln_final\.", "text_model.final_layer_norm."),
    (r"text_projection$", "text_projection.weight"),
)
"""How names begin. transformers has misspelt one of its own."""
INNER = {
    ".ln_1.": ".layer_norm1.",
    ".ln_2.": ".layer_norm2.",
    ".mlp.c_fc.": ".mlp.fc1.",
    ".mlp.c_proj.": ".mlp.fc2.",
    ".attn.": ".self_attn.",
}
TRANSPOSED = ("visual_projection.weight", "text_projection.weight")
JOINED = re.compile(r"in_proj_(weight|bias)$")
SIZES = ("input_resolution", "context_length", "vocab_size")
"""Numbers that some files hold beside the weights."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A tensor of transformers: a change of one of OpenAI's."""

    name: str
    shape: Shape
    source: str
    change: Callable[[Tensor], Tensor]


def as_in_transformers(checkpoint: Checkpoint) -> Checkpoint:
    """Return the tensors of a CLIP as `CLIPModel` names and shapes them; unknown names stay."""
    parts = {part.name: part for name, shape in checkpoint.shapes.items() for part in _parts(name, shape)}
    return Checkpoint(
        checkpoint.where,
        {name: part.shape for name, part in parts.items()},
        lambda name: parts[name].change(checkpoint.read(parts[name].source)),
    )


def without_prefix(checkpoint: Checkpoint, prefix: str) -> Checkpoint:
    """Return the tensors under their names without `prefix`, where all names begin with it."""
    if not all(name.startswith(prefix) for name in checkpoint.shapes):
        return checkpoint
    shapes = {name.removeprefix(prefix): shape for name, shape in checkpoint.shapes.items()}
    return Checkpoint(checkpoint.where, shapes, lambda name: checkpoint.read(prefix + name))


def _parts(source: str, shape: Shape) -> Iterator[_Part]:
    if source in SIZES:
        return
    name = _translated(source)
    if name in TRANSPOSED:
        yield _Part(name, shape[::-1], source, lambda tensor: tensor.T)
    elif JOINED.search(name):
        rows = shape[0] // 3
        for place, letter in enumerate("qkv"):
            third = partial(_rows, start=place * rows, stop=(place + 1) * rows)
            yield _Part(JOINED.sub(rf"{letter}_proj.\1", name), (rows, *shape[1:]), source, third)
    else:
        yield _Part(name, shape, source, lambda tensor: tensor)


def _translated(name: str) -> str:
    for old, new in NAMES:
        translated, found = re.subn(f"^{old}", new, name)
        if found:
            for part, other in INNER.items():
                translated = translated.replace(part, other)
            return translated
    return name


def _rows(tensor: Tensor, start: int, stop: int) -> Tensor:
    return tensor[start:stop]
