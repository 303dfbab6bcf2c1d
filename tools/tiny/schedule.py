"""The optimiser and its schedule, counted in steps and never in seconds, so that a seed gives the same weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

PEAK = 2e-3
DECAY = 0.05
WARM_UP_STEPS = 60
FLOOR = 0.01


@dataclass(frozen=True)
class Group:
    """Parameters that learn at `factor` times the rate."""

    parameters: list[Parameter]
    factor: float = 1.0
    decay: float = DECAY


class Trainer:
    """AdamW with a warm-up and a cosine, each group of parameters at its own share of the rate."""

    def __init__(self, groups: Sequence[Group], steps: int) -> None:
        self.factors = [group.factor for group in groups]
        self.weights = [parameter for group in groups for parameter in group.parameters]
        self.optimizer = torch.optim.AdamW(
            [{"params": group.parameters, "weight_decay": group.decay} for group in groups], lr=PEAK, betas=(0.9, 0.98)
        )
        self.steps, self.done = steps, 0

    def step(self, loss: Tensor) -> None:
        """One update; gradients are clipped at norm 2."""
        rate = self._rate()
        for group, factor in zip(self.optimizer.param_groups, self.factors, strict=True):
            group["lr"] = rate * factor
        self.optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.weights, 2.0)
        self.optimizer.step()
        self.done += 1

    def _rate(self) -> float:
        cosine = 0.5 * (1 + math.cos(math.pi * self.done / self.steps))
        return PEAK * min(1.0, (self.done + 1) / WARM_UP_STEPS) * (FLOOR + (1 - FLOOR) * cosine)


def total(losses: Iterable[tuple[float, Tensor]]) -> Tensor:
    """Weighted sum of losses."""
    return torch.stack([weight * loss for weight, loss in losses]).sum()
