"""What UniIR's networks share: attention by heads, and weights that take memory once, in the wanted precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mbench.models.device import Placement

Network = TypeVar("Network", bound=nn.Module)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    mask: Tensor | None = None,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Return [n, t, w] of queries [n, t, w], keys and values [n, s, w], whose width is split among `heads`.

    `mask` broadcasts to [n, heads, t, s]: true where it may look, or numbers to add to the scores. `scale` multiplies
    the scores; None is one over the root of a head's width.
    """
    mixed = functional.scaled_dot_product_attention(
        _split(query, heads), _split(key, heads), _split(value, heads), attn_mask=mask, is_causal=causal, scale=scale
    )
    return mixed.transpose(1, 2).flatten(2)


def _split(states: Tensor, heads: int) -> Tensor:
    return states.reshape(*states.shape[:2], heads, -1).transpose(1, 2)


def table(rows: int, width: int) -> nn.Embedding:
    """Return an embedding that is not filled with random numbers, which on the device "meta" takes torch seconds."""
    found: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(rows, width))  # type: ignore[no-untyped-call]
    return found


def without_weights(build: Callable[[], Network], where: Placement) -> Network:
    """Build a network for inference whose weights are reserved on the device, and still to be filled, all of them."""
    with torch.device("meta"):
        network = build()
    return network.to(where.torch_dtype).to_empty(device=where.device).eval().requires_grad_(False)
