"""BLIP's vision transformer and text encoder, with the names of their official state dictionaries.

Li et al. 2022 (https://arxiv.org/abs/2201.12086); UniIR keeps BLIP's own files (`vit.py`, `med.py`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mbench.models.uniir_net import attend, table
from mbench.models.uniir_sizes import BlipSizes, MedSizes, VitSizes


class Joint(nn.Module):
    """Self-attention whose queries, keys and values come from one matrix."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, states: Tensor) -> Tensor:
        """Return [n, t, w] for states [n, t, w]."""
        query, key, value = self.qkv(states).chunk(3, dim=-1)
        mixed: Tensor = self.proj(attend(query, key, value, self.heads))
        return mixed


class VisionBlock(nn.Module):
    """One layer, which normalises before attention and before the perceptron."""

    def __init__(self, sizes: VitSizes) -> None:
        super().__init__()
        width = sizes.embed_dim
        self.norm1 = nn.LayerNorm(width, eps=sizes.layer_norm_eps)
        self.attn = Joint(width, sizes.num_heads)
        self.norm2 = nn.LayerNorm(width, eps=sizes.layer_norm_eps)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})

    def forward(self, states: Tensor) -> Tensor:
        """Return [n, t, w] for states [n, t, w]."""
        states = states + self.attn(self.norm1(states))
        after: Tensor = states + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm2(states))))
        return after


class VisionTransformer(nn.Module):
    """Patches and a class token through all layers."""

    def __init__(self, sizes: VitSizes) -> None:
        super().__init__()
        width, patch = sizes.embed_dim, sizes.patch_size
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, (sizes.image_size // patch) ** 2 + 1, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, kernel_size=patch, stride=patch)})
        self.blocks = nn.ModuleList(VisionBlock(sizes) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(width, eps=sizes.layer_norm_eps)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return [n, 1 + patches, w] for pixels [n, 3, h, w], the class token first."""
        patches = self.patch_embed["proj"](pixels).flatten(2).transpose(1, 2)
        states = torch.cat([self.cls_token.expand(len(pixels), -1, -1), patches], dim=1) + self.pos_embed
        for block in self.blocks:
            states = block(states)
        normalised: Tensor = self.norm(states)
        return normalised


class Output(nn.Module):
    """The end of each half of a layer: a matrix, the residual and the norm after it."""

    def __init__(self, inner: int, sizes: MedSizes) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, sizes.hidden_size)
        self.LayerNorm = nn.LayerNorm(sizes.hidden_size, eps=sizes.layer_norm_eps)

    def forward(self, states: Tensor, residual: Tensor) -> Tensor:
        """Return [n, t, w] for inner states [n, t, inner] and the residual [n, t, w]."""
        normalised: Tensor = self.LayerNorm(self.dense(states) + residual)
        return normalised


class Attention(nn.Module):
    """Attention of the text to states of width `seen`: its own, or the picture's."""

    def __init__(self, seen: int, sizes: MedSizes) -> None:
        super().__init__()
        width = sizes.hidden_size
        self.heads = sizes.num_attention_heads
        widths = {"query": width, "key": seen, "value": seen}
        self.self = nn.ModuleDict({name: nn.Linear(size, width) for name, size in widths.items()})
        self.output = Output(width, sizes)

    def forward(self, states: Tensor, seen: Tensor, mask: Tensor | None) -> Tensor:
        """Return [n, t, w] for states [n, t, w] that look at [n, s, seen] where `mask` [n, 1, 1, s] allows it."""
        query, key, value = self.self["query"](states), self.self["key"](seen), self.self["value"](seen)
        mixed: Tensor = self.output(attend(query, key, value, self.heads, mask=mask), states)
        return mixed


class TextBlock(nn.Module):
    """One layer: attention to the text, with `crosses` to the picture, and the perceptron."""

    def __init__(self, sizes: MedSizes, *, crosses: bool) -> None:
        super().__init__()
        self.attention = Attention(sizes.hidden_size, sizes)
        if crosses:
            self.crossattention = Attention(sizes.encoder_width, sizes)
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(sizes.hidden_size, sizes.intermediate_size)})
        self.output = Output(sizes.intermediate_size, sizes)

    def forward(self, states: Tensor, mask: Tensor, picture: Tensor | None) -> Tensor:
        """Return [n, t, w] for states [n, t, w] of the text and [n, s, v] of the picture."""
        states = self.attention(states, states, mask)
        if picture is not None:
            states = self.crossattention(states, picture, None)
        inner = functional.gelu(self.intermediate["dense"](states))
        after: Tensor = self.output(inner, states)
        return after


class TextEncoder(nn.Module):
    """BERT without token types; with `crosses` it also looks at a picture and ends in BERT's pooler."""

    def __init__(self, sizes: MedSizes, *, crosses: bool) -> None:
        super().__init__()
        width = sizes.hidden_size
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": table(sizes.vocab_size, width),
                "position_embeddings": table(sizes.max_position_embeddings, width),
                "LayerNorm": nn.LayerNorm(width, eps=sizes.layer_norm_eps),
            }
        )
        blocks = [TextBlock(sizes, crosses=crosses) for _ in range(sizes.num_hidden_layers)]
        self.encoder = nn.ModuleDict({"layer": nn.Sequential(*blocks)})
        if crosses:
            self.pooler = nn.ModuleDict({"dense": nn.Linear(width, width)})

    def forward(self, ids: Tensor, present: Tensor, picture: Tensor | None = None) -> Tensor:
        """Return [n, w], the first token's state, for ids [n, t] of which `present` [n, t] are no padding.

        With the states [n, s, v] of a picture the state is pooled: a matrix and tanh.
        """
        part = self.embeddings
        places = torch.arange(ids.shape[1], device=ids.device)
        states = part["LayerNorm"](part["word_embeddings"](ids) + part["position_embeddings"](places))
        for block in self.encoder["layer"].children():
            states = block(states, present[:, None, None, :], picture)
        first: Tensor = states[:, 0]
        return first if picture is None else torch.tanh(self.pooler["dense"](first))


class BlipScore(nn.Module):
    """BLIP_SF: two towers and a projection for each; the text encoder's layers that look at pictures are not used."""

    def __init__(self, sizes: BlipSizes) -> None:
        super().__init__()
        self.visual_encoder = VisionTransformer(sizes.vit)
        self.text_encoder = TextEncoder(sizes.med, crosses=False)
        self.vision_proj = nn.Linear(sizes.vit.embed_dim, sizes.embed_dim)
        self.text_proj = nn.Linear(sizes.med.hidden_size, sizes.embed_dim)

    def text(self, ids: Tensor, present: Tensor) -> Tensor:
        """Return [n, d] for token ids [n, t], of which `present` [n, t] are no padding."""
        projected: Tensor = self.text_proj(self.text_encoder(ids, present))
        return projected

    def image(self, pixels: Tensor) -> Tensor:
        """Return [n, d] for pixels [n, 3, h, w]."""
        projected: Tensor = self.vision_proj(self.visual_encoder(pixels)[:, 0])
        return projected


class BlipFeature(nn.Module):
    """BLIP_FF: a text encoder that looks at the picture's tokens."""

    def __init__(self, sizes: BlipSizes) -> None:
        super().__init__()
        self.visual_encoder = VisionTransformer(sizes.vit)
        self.text_encoder = TextEncoder(sizes.med, crosses=True)
