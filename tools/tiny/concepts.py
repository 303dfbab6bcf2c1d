"""The classes that training aims at: what a vector may stand for, as a picture, as a text or as both."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mbench.models.tiny_net import DIM
from tools.emoji.catalog import Emoji
from tools.tiny.drawings import STYLES

PICTURE, TEXT, PAIR = range(3)
FORM_LENGTH = 0.6  # about half of an idea's, so that the wanted form outweighs how sure the idea is


@dataclass(frozen=True)
class Classes:
    """Class numbers: `picture` and `pair` by hex, `text` by the text itself; `parts` [n, 3] is (idea, tone, form)."""

    picture: dict[str, int]
    pair: dict[str, int]
    text: dict[str, int]
    parts: Tensor
    ideas: int

    @staticmethod
    def of(rows: Iterable[Emoji], answers: Iterable[str]) -> Classes:
        """Every drawing is a picture class, every concept a text and a pair class, every answer a text class."""
        drawn = list(rows)
        bases = [row for row in drawn if row.is_base]
        ideas = {row.hex: idea for idea, row in enumerate(bases)}
        parts: list[tuple[int, int, int]] = []

        def add(idea: int, tone: int, form: int) -> int:
            parts.append((idea, tone, form))
            return len(parts) - 1

        picture = {row.hex: add(ideas[row.base], row.tones[0] if row.tones else 0, PICTURE) for row in drawn}
        pair = {row.hex: add(ideas[row.hex], 0, PAIR) for row in bases}
        text = {row.label: add(ideas[row.hex], 0, TEXT) for row in bases}
        count = len(ideas)
        for answer in answers:
            if answer not in text:
                text[answer] = add(count, 0, TEXT)
                count += 1
        return Classes(picture, pair, text, torch.tensor(parts), count)


class Prototypes(nn.Module):
    """One free vector an idea, plus one a skin tone and one a form: their unit sum is the class's vector.

    The sum says what composed retrieval needs: a change of tone is the same shift for every person and hand.
    """

    def __init__(self, classes: Classes) -> None:
        super().__init__()
        self.parts: Tensor
        self.register_buffer("parts", classes.parts)
        self.idea = nn.Parameter(torch.randn(classes.ideas, DIM) * 0.1)
        self.tone = nn.Parameter(torch.randn(6, DIM) * 0.03)
        self.form = nn.Parameter(nn.init.orthogonal_(torch.empty(3, DIM)) * FORM_LENGTH)
        self.style = nn.Parameter(torch.randn(len(STYLES), DIM) * 0.03)
        self.log_scale = nn.Parameter(torch.tensor(math.log(16.0)))

    def start_from(self, learnt: Mapping[str, Tensor]) -> None:
        """Take over what an earlier stage learnt; ideas that it did not have (answers in words) stay at random."""
        with torch.no_grad():
            self.idea[: len(learnt["idea"])] = learnt["idea"]
            for name in ("tone", "form", "style", "log_scale"):
                self.get_parameter(name).copy_(learnt[name])

    def scale(self) -> Tensor:
        """Inverse temperature of the softmax, at most 40."""
        return self.log_scale.exp().clamp(max=40)

    def raw(self) -> Tensor:
        """Class vectors [n, 128] before they are brought to unit length."""
        idea, tone, form = self.parts.unbind(1)
        return self.idea[idea] + self.tone[tone] + self.form[form]

    def forward(self) -> Tensor:
        """Class vectors [n, 128] of unit length."""
        return functional.normalize(self.raw(), dim=-1)

    def styled(self, classes: Tensor) -> Tensor:
        """Vectors [n, 3, 128] of the picture classes [n] in each of the three styles."""
        idea, tone, form = self.parts[classes].unbind(1)
        raw = self.idea[idea] + self.tone[tone] + self.form[form]
        return functional.normalize(raw[:, None] + self.style, dim=-1)
