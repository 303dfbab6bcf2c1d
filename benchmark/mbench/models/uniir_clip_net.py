"""OpenAI's CLIP with the names of its own state dictionary (https://github.com/openai/CLIP, `clip/model.py`)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from mbench.models.uniir_net import attend, table
from mbench.models.uniir_sizes import ClipSizes, T5Sizes
from mbench.models.uniir_t5_net import FusionStack


class Attention(nn.Module):
    """Self-attention whose queries, keys and values come from one matrix."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, states: Tensor, causal: bool) -> Tensor:
        """Return [n, t, w] for states [n, t, w]."""
        query, key, value = functional.linear(states, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        mixed: Tensor = self.out_proj(attend(query, key, value, self.heads, causal=causal))
        return mixed


class QuickGelu(nn.Module):
    """The approximation of GELU that CLIP was trained with."""

    def forward(self, states: Tensor) -> Tensor:
        """Return the activations, in the shape of `states`."""
        return states * torch.sigmoid(1.702 * states)


class Block(nn.Module):
    """One layer of a transformer that normalises before attention and before the perceptron."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(c_fc=nn.Linear(width, 4 * width), gelu=QuickGelu(), c_proj=nn.Linear(4 * width, width))
        )
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, states: Tensor, causal: bool) -> Tensor:
        """Return [n, t, w] for states [n, t, w]."""
        states = states + self.attn(self.ln_1(states), causal)
        after: Tensor = states + self.mlp(self.ln_2(states))
        return after


class Transformer(nn.Module):
    """A stack of layers; with `causal` no position sees a later one."""

    def __init__(self, width: int, layers: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.causal = causal
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    def forward(self, states: Tensor) -> Tensor:
        """Return [n, t, w] for states [n, t, w]."""
        for block in self.resblocks:
            states = block(states, self.causal)
        return states


class VisionTower(nn.Module):
    """A vision transformer over square patches, projected into the common space."""

    def __init__(self, sizes: ClipSizes) -> None:
        super().__init__()
        width, patch = sizes.vision_width, sizes.vision_patch_size
        self.conv1 = nn.Conv2d(3, width, kernel_size=patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.positional_embedding = nn.Parameter(torch.empty((sizes.image_resolution // patch) ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = Transformer(width, sizes.vision_layers, sizes.vision_heads, causal=False)
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(torch.empty(width, sizes.embed_dim))

    def forward(self, pixels: Tensor, *, every: bool = False) -> Tensor:
        """Return [n, d] for pixels [n, 3, h, w], or with `every` [n, 1 + patches, d], the projection of each token."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        states = self.transformer(self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding))
        projected: Tensor = self.ln_post(states if every else states[:, 0]) @ self.proj
        return projected


class Clip(nn.Module):
    """CLIP's two towers. Without `projects_text` there is no projection of the text, as in feature fusion."""

    def __init__(self, sizes: ClipSizes, *, projects_text: bool) -> None:
        super().__init__()
        width = sizes.transformer_width
        self.visual = VisionTower(sizes)
        self.token_embedding = table(sizes.vocab_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(sizes.context_length, width))
        self.transformer = Transformer(width, sizes.transformer_layers, sizes.transformer_heads, causal=True)
        self.ln_final = nn.LayerNorm(width)
        if projects_text:
            self.text_projection = nn.Parameter(torch.empty(width, sizes.embed_dim))

    def text_states(self, ids: Tensor) -> Tensor:
        """Return [n, t, w] for token ids [n, t], normalised but not projected."""
        states = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        normalised: Tensor = self.ln_final(self.transformer(states))
        return normalised

    def text(self, ids: Tensor) -> Tensor:
        """Return [n, d] for token ids [n, t]: the projected state of the first end mark, which has the highest id."""
        ends = ids.argmax(dim=1)
        # What follows the last end mark is not seen by any end mark.
        states = self.text_states(ids[:, : int(ends.max()) + 1])
        return states[torch.arange(len(ids), device=ids.device), ends] @ self.text_projection


class ClipScore(nn.Module):
    """CLIP_SF: the two towers, whose features the adapter adds."""

    def __init__(self, sizes: ClipSizes) -> None:
        super().__init__()
        self.clip_model = Clip(sizes, projects_text=True)


class ClipFeature(nn.Module):
    """CLIP_FF: T5 layers over all tokens of both towers."""

    def __init__(self, sizes: ClipSizes, fusion: T5Sizes) -> None:
        super().__init__()
        self.clip_model = Clip(sizes, projects_text=False)
        self.t5_layers = FusionStack(fusion)

    def forward(self, text: Tensor, image: Tensor) -> Tensor:
        """Return [n, d] of a text's states [n, t, d] and a picture's [n, s, d]: the mean over all fused positions."""
        fused: Tensor = self.t5_layers(torch.cat([text, image], dim=1))
        return fused.mean(dim=1)
