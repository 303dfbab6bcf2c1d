"""Networks of the embedded models: one fused transformer, or two towers whose outputs are summed.

Both begin with the same convolutional stem, which turns a picture into one token per 16 x 16 pixels, and
both read words from hashed tables. Pictures and words meet in the fused network's attention; in the dual
one they meet only in a sum, as in CLIP score fusion (UniIR's CLIP-SF, https://arxiv.org/abs/2311.17136).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mbench.models.tiny_input import BUCKETS, PLACES

DIM = 128
STEM_WIDTH = 28
STEM_OUT = 144


class _ConvNorm(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = _ConvNorm(width, width), _ConvNorm(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class Stem(nn.Sequential):
    """Pictures [n, 3, s, s] with values 0-1 to features [n, 144, s/16, s/16]."""

    def __init__(self, width: int = STEM_WIDTH) -> None:
        layers: list[nn.Module] = [_ConvNorm(3, width, 2), nn.ReLU()]
        for _ in range(3):
            layers += [_ConvNorm(width, 2 * width, 2), nn.ReLU(), _Residual(2 * width)]
            width *= 2
        super().__init__(*layers, nn.Conv2d(width, STEM_OUT, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Features of pictures [n, 3, s, s], s a multiple of 16."""
        x = ((pictures - 0.5) * 2).contiguous(memory_format=torch.channels_last)
        for layer in self:
            x = layer(x)
        return x


class _Block(nn.Module):
    """Pre-norm transformer block. Attention is spelled out: on CPUs torch's fused kernel is slow backward in bf16."""

    def __init__(self, width: int, heads: int, ratio: int = 3) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        n, length, width = x.shape
        parts = self.qkv(self.norm_attention(x)).chunk(3, -1)
        q, k, v = (part.view(n, length, self.heads, -1).transpose(1, 2) for part in parts)
        scores = ((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)).float() + bias
        mixed = scores.softmax(-1).to(v.dtype) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(n, length, width))
        changed: Tensor = self.down(functional.relu(self.up(self.norm_mlp(x))))
        return x + changed


def grid_code(height: int, width: int, dim: int) -> Tensor:
    """Sines and cosines [height * width, dim] of token coordinates whose origin is the picture's centre."""
    waves = torch.exp(torch.linspace(math.log(2.0), math.log(0.1), dim // 4))

    def code(length: int) -> Tensor:
        angles = (torch.arange(length) - (length - 1) / 2)[:, None] * waves
        return torch.cat([angles.sin(), angles.cos()], 1)

    rows = code(height)[:, None].expand(height, width, dim // 2)
    columns = code(width)[None].expand(height, width, dim // 2)
    return torch.cat([rows, columns], 2).reshape(height * width, dim)


class Trunk(nn.Module):
    """A transformer over [cls] + picture tokens + words; gives [n, 128] from cls and an attention pool."""

    def __init__(self, width: int, layers: int, heads: int = 4, *, sees: bool, reads: bool) -> None:
        super().__init__()
        self.width = width
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        if sees:
            self.see_in, self.where = nn.Linear(STEM_OUT, width), nn.Linear(width, width)
        if reads:
            self.word_a = nn.Embedding(BUCKETS, width, padding_idx=0)
            self.word_b = nn.Embedding(BUCKETS, width, padding_idx=0)
            self.place = nn.Embedding(PLACES, width)
            for table, spread in ((self.word_a, 0.05), (self.word_b, 0.05), (self.place, 0.02)):
                nn.init.normal_(table.weight, std=spread)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(width, width)
        self.head = nn.Linear(2 * width, DIM)

    def forward(self, features: Tensor | None, words: Tensor | None) -> Tensor:
        """Features [n, 144, h, w] or None, words [n, length, 4] or None (not both) to [n, 128], not normalised."""
        seen = [] if features is None else [self._picture_tokens(features)]
        read = [] if words is None else [self._word_tokens(words)]
        n = (seen + read)[0].shape[0]
        start = self.cls.expand(n, 1, self.width)
        x = torch.cat([part.to(self.cls.dtype) for part in (start, *seen, *read)], 1)
        bias = x.new_zeros(n, 1, 1, x.shape[1])
        if words is not None and words.shape[1]:
            bias[:, 0, 0, -words.shape[1] :].masked_fill_(words[..., 0] == 0, -1e4)
        for block in self.blocks:
            x = block(x, bias)
        return self._pooled(self.norm(x), bias[:, 0, 0])

    def _picture_tokens(self, features: Tensor) -> Tensor:
        code = grid_code(features.shape[2], features.shape[3], self.width).to(features.device, self.cls.dtype)
        tokens: Tensor = self.see_in(features.flatten(2).transpose(1, 2)) + self.where(code)
        return tokens

    def _word_tokens(self, words: Tensor) -> Tensor:
        first, second, start, place = words.unbind(-1)
        tokens: Tensor = self.word_a(first) + self.word_b(second) + self.word_b(start) + self.place(place)
        return tokens

    def _pooled(self, x: Tensor, bias: Tensor) -> Tensor:
        cls, rest = x[:, 0], x[:, 1:]
        scores = torch.einsum("nd,ntd->nt", self.pool(cls), rest) / math.sqrt(self.width) + bias[:, 1:]
        mean = torch.einsum("nt,ntd->nd", scores.softmax(1).to(rest.dtype), rest)
        pooled: Tensor = self.head(torch.cat([cls, mean], 1))
        return pooled


class FusedNet(nn.Module):
    """One transformer over the tokens of the picture, the text and the instruction together."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.trunk = Trunk(144, 3, sees=True, reads=True)

    def forward(self, features: Tensor | None, words: Tensor | None) -> Tensor:
        """Stem features [n, 144, h, w] and words [n, length, 4], either None, to unit vectors [n, 128]."""
        return functional.normalize(self.trunk(features, words).float(), dim=-1)


class DualNet(nn.Module):
    """Two towers that never see each other's input: the sum of their outputs, then unit length.

    The towers' outputs are not normalised before the sum, so training may let either weigh more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.picture = Trunk(144, 1, sees=True, reads=False)
        self.text = Trunk(128, 2, sees=False, reads=True)

    def forward(self, features: Tensor | None, words: Tensor | None) -> Tensor:
        """Stem features [n, 144, h, w] and words [n, length, 4], either None, to unit vectors [n, 128].

        A row without words gets nothing from the text tower.
        """
        outputs: list[Tensor] = []
        if features is not None:
            outputs.append(self.picture(features, None).float())
        if words is not None and words.shape[1]:
            outputs.append((words[:, :1, 0] > 0).float() * self.text(None, words).float())
        return functional.normalize(torch.stack(outputs).sum(0), dim=-1)


NETS: dict[str, type[FusedNet] | type[DualNet]] = {"tiny": FusedNet, "tiny-dual": DualNet}
