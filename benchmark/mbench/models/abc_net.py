"""What ABC adds to its backbone: a residual head on the mean of the hidden states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MASKED_ID = 0
"""The id that the official mean leaves out as if it were padding. In Qwen2's vocabulary it is the token `!`."""


class ResidualHead(nn.Module):
    """`x + W2 selu(W1 x + b1) + b2` for x [n, d], with `width` hidden units."""

    def __init__(self, dimension: int, width: int) -> None:
        super().__init__()
        self.linear_layer1 = nn.Linear(dimension, width)
        self.linear_layer2 = nn.Linear(width, dimension)

    def forward(self, x: Tensor) -> Tensor:
        """Return [n, d]."""
        changed: Tensor = self.linear_layer2(nn.functional.selu(self.linear_layer1(x)))
        return x + changed


class SavedModules(nn.Module):
    """All that the pretrain adapter stores beside its LoRA pairs. The temperature plays no part in an embedding."""

    def __init__(self, dimension: int, width: int) -> None:
        super().__init__()
        self.mlp_head = ResidualHead(dimension, width)
        self.temperature = nn.ParameterDict({"temp": torch.zeros(())})

    def embed(self, states: list[Tensor], ids: list[Tensor]) -> Tensor:
        """Return fp32 [n, d] of length 1 for the hidden states [tokens, d] of n inputs and their token ids [tokens].

        Tokens that are exactly `!` count in the divisor of the mean, but not in its sum.
        """
        means = [(one * (tokens != MASKED_ID)[:, None]).mean(dim=0) for one, tokens in zip(states, ids, strict=True)]
        return nn.functional.normalize(self.mlp_head(torch.stack(means)).float(), dim=-1)
