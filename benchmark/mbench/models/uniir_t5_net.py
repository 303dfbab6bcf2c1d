"""The encoder of T5 (Raffel et al. 2020, https://arxiv.org/abs/1910.10683), with the names of transformers' `T5Stack`.

UniIR's CLIP_FF puts it on top of CLIP's two towers. There is no mask: every position sees all others.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mbench.models.uniir_net import attend, table
from mbench.models.uniir_sizes import T5Sizes


class Scale(nn.Module):
    """Division by the root mean square, and a weight a channel; the mean is not taken off."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.epsilon = epsilon

    def forward(self, states: Tensor) -> Tensor:
        """Return [n, t, w] for states [n, t, w]; the mean square is taken in fp32."""
        exact = states.float()
        return (exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + self.epsilon)).to(states) * self.weight


class SelfAttention(nn.Module):
    """Attention that adds a learned number for each relative position; the first layer holds the table for all."""

    def __init__(self, sizes: T5Sizes, *, first: bool) -> None:
        super().__init__()
        inner = sizes.num_heads * sizes.d_kv
        self.heads = sizes.num_heads
        self.SelfAttention = nn.ModuleDict(
            {
                "q": nn.Linear(sizes.d_model, inner, bias=False),
                "k": nn.Linear(sizes.d_model, inner, bias=False),
                "v": nn.Linear(sizes.d_model, inner, bias=False),
                "o": nn.Linear(inner, sizes.d_model, bias=False),
            }
        )
        if first:
            self.SelfAttention["relative_attention_bias"] = table(sizes.relative_attention_num_buckets, sizes.num_heads)
        self.layer_norm = Scale(sizes.d_model, sizes.layer_norm_epsilon)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """Return [n, t, w] for states [n, t, w] and a bias [1, heads, t, t]. T5 does not scale its scores."""
        part = self.SelfAttention
        normalised = self.layer_norm(states)
        query, key, value = (part[name](normalised) for name in "qkv")
        after: Tensor = states + part["o"](attend(query, key, value, self.heads, mask=bias, scale=1.0))
        return after


class FeedForward(nn.Module):
    """The perceptron of a layer."""

    def __init__(self, sizes: T5Sizes) -> None:
        super().__init__()
        self.DenseReluDense = nn.ModuleDict(
            {
                "wi": nn.Linear(sizes.d_model, sizes.d_ff, bias=False),
                "wo": nn.Linear(sizes.d_ff, sizes.d_model, bias=False),
            }
        )
        self.layer_norm = Scale(sizes.d_model, sizes.layer_norm_epsilon)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """Return [n, t, w] for states [n, t, w]; the bias is not used."""
        hidden = functional.relu(self.DenseReluDense["wi"](self.layer_norm(states)))
        after: Tensor = states + self.DenseReluDense["wo"](hidden)
        return after


class Block(nn.Module):
    """One layer: attention, then the perceptron."""

    def __init__(self, sizes: T5Sizes, *, first: bool) -> None:
        super().__init__()
        self.layer = nn.ModuleList([SelfAttention(sizes, first=first), FeedForward(sizes)])

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """Return [n, t, w] for states [n, t, w] and a bias [1, heads, t, t]."""
        for part in self.layer:
            states = part(states, bias)
        return states


class FusionStack(nn.Module):
    """The layers that fuse text and picture."""

    def __init__(self, sizes: T5Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.block = nn.ModuleList(Block(sizes, first=place == 0) for place in range(sizes.num_layers))
        self.final_layer_norm = Scale(sizes.d_model, sizes.layer_norm_epsilon)

    def forward(self, states: Tensor) -> Tensor:
        """Return [n, t, w] for states [n, t, w]."""
        learned = self.get_submodule("block.0.layer.0.SelfAttention.relative_attention_bias")
        buckets = relative_buckets(states.shape[1], self.sizes).to(states.device)
        bias = learned(buckets).permute(2, 0, 1)[None]
        for block in self.block:
            states = block(states, bias)
        normalised: Tensor = self.final_layer_norm(states)
        return normalised


def relative_buckets(length: int, sizes: T5Sizes) -> Tensor:
    """Return [t, t] the bucket of each position (column) as another one (row) sees it: half of them lie ahead.

    Near positions have a bucket each, farther ones share them on a logarithmic scale up to the greatest distance.
    """
    half = sizes.relative_attention_num_buckets // 2
    near = half // 2
    places = torch.arange(length)
    relative = places[None, :] - places[:, None]
    distance = relative.abs()
    span = math.log(sizes.relative_attention_max_distance / near)
    far = near + (torch.log(distance.clamp(min=1).float() / near) / span * (half - near)).long()
    return (relative > 0) * half + torch.where(distance < near, distance, far.clamp(max=half - 1))
