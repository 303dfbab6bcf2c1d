"""A linear layer with a LoRA adapter that can be turned on and off."""

from __future__ import annotations

from torch import Tensor, nn


class LoraLinear(nn.Module):
    """`base` as it is, or with `on` plus `scale * up @ down` of its input (down [rank, in], up [out, rank]).

    The change is not added to the weights, so that turning it off restores them to the last bit.
    """

    def __init__(self, base: nn.Linear, down: Tensor, up: Tensor, scale: float) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(down.to(base.weight), requires_grad=False)
        self.up = nn.Parameter(up.to(base.weight), requires_grad=False)
        self.scale = scale
        self.on = False

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., out] for [..., in]."""
        outputs: Tensor = self.base(x)
        if not self.on:
            return outputs
        return outputs + nn.functional.linear(nn.functional.linear(x, self.down), self.up) * self.scale
