"""Fluent drawings as tensors, and their augmentation in batches. No drawing of the evaluation's artist is read."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mbench.models.tiny_input import CELL_PX
from tools.emoji.render import render_style

STYLES = ("flat", "3d", "high-contrast")
RENDER_PX = 64
PLAIN_WHITE = 0.5  # share of pictures that stand on white; the others get a light colour


@dataclass(frozen=True)
class Look:
    """Ranges of an augmentation: size in a cell, turn in degrees, whether it is sheared and its colours shift."""

    smallest: float
    largest: float
    turn: float
    bend: bool
    colours: bool


FREE = Look(0.75, 1.05, 10, bend=True, colours=True)
CALM = Look(0.85, 1.0, 4, bend=True, colours=False)
CLEAN = Look(0.95, 0.95, 0, bend=False, colours=False)


@cache
def _style(name: str) -> tuple[Tensor, dict[str, int]]:
    """RGBA uint8 [n, 4, 64, 64] of a style and the row of each hex."""
    drawn = render_style(name, RENDER_PX)
    array = np.stack(list(drawn.values())).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(array)), {code: row for row, code in enumerate(drawn)}


def has(code: str, style: str) -> bool:
    """Whether a style draws an emoji."""
    return code in _style(style)[1]


def any_style(code: str, rng: random.Random) -> str:
    """A style that draws the emoji, at random."""
    return rng.choice([style for style in STYLES if has(code, style)])


def stack(codes: list[tuple[str, str]]) -> Tensor:
    """Premultiplied RGBA float [n, 4, 64, 64] of (hex, style) pairs."""
    parts = [_style(style)[0][_style(style)[1][code]] for code, style in codes]
    straight = torch.stack(parts).float() / 255
    return torch.cat([straight[:, :3] * straight[:, 3:], straight[:, 3:]], 1)


def warped(drawings: Tensor, look: Look, dice: torch.Generator) -> Tensor:
    """Drawings [n, 4, 64, 64] placed at random in cells [n, 4, 48, 48]: size, turn, shear, shift, colours."""
    n = len(drawings)

    def between(low: float, high: float) -> Tensor:
        return torch.empty(n).uniform_(low, high, generator=dice)

    size, angle = between(look.smallest, look.largest), between(-look.turn, look.turn) * math.pi / 180
    stretch = between(-0.12, 0.12).exp() if look.bend else torch.ones(n)
    shear = between(-0.1, 0.1) if look.bend else torch.zeros(n)
    room = (1.08 - size).clamp(min=0)
    cos, sin = angle.cos(), angle.sin()
    across = torch.stack([cos, sin + shear], 1) / (size * stretch)[:, None]
    down = torch.stack([-sin, cos], 1) / (size / stretch)[:, None]
    matrix = torch.stack([across, down], 1)
    shift = torch.stack([between(-1, 1) * room, between(-1, 1) * room], 1)
    affine = torch.cat([matrix, -(matrix @ shift[:, :, None])], 2)
    grid = functional.affine_grid(affine, [n, 4, CELL_PX, CELL_PX], align_corners=False)
    placed = functional.grid_sample(drawings, grid, mode="bilinear", align_corners=False)
    return _recoloured(placed, dice) if look.colours else placed


def _recoloured(drawings: Tensor, dice: torch.Generator) -> Tensor:
    """Saturation, hue, gain and offset changed for each drawing; one in ten becomes grey."""
    n = len(drawings)

    def between(low: float, high: float) -> Tensor:
        return torch.empty(n, 1, 1).uniform_(low, high, generator=dice)

    saturation = torch.where(between(0, 1) < 0.1, torch.zeros(n, 1, 1), between(0.4, 1.5))
    luminance = torch.tensor([0.299, 0.587, 0.114]).expand(3, 3)
    mix = saturation * torch.eye(3) + (1 - saturation) * luminance
    mix = (mix + torch.empty(n, 3, 3).normal_(0, 0.07, generator=dice)) * between(0.7, 1.25)
    colour, alpha = drawings[:, :3], drawings[:, 3:]
    colour = torch.einsum("nij,njhw->nihw", mix, colour) + between(-0.12, 0.15)[..., None] * alpha
    return torch.cat([torch.minimum(colour.clamp(min=0), alpha), alpha], 1)


def grounds(n: int, dice: torch.Generator) -> Tensor:
    """Background colours [n, 3]: white, or light."""
    colours = torch.empty(n, 3).uniform_(0.55, 1, generator=dice)
    colours[torch.empty(n).uniform_(0, 1, generator=dice) < PLAIN_WHITE] = 1.0
    return colours


def on_ground(drawings: Tensor, colours: Tensor) -> Tensor:
    """Premultiplied [n, 4, s, s] over colours [n, 3]: pictures [n, 3, s, s]."""
    return drawings[:, :3] + (1 - drawings[:, 3:]) * colours[:, :, None, None]


def as_scenes(cells: Tensor) -> Tensor:
    """Cells [4 n, 4, 48, 48], four a scene in reading order, to [n, 4, 96, 96]."""
    grid = cells.view(-1, 2, 2, 4, CELL_PX, CELL_PX).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(-1, 4, 2 * CELL_PX, 2 * CELL_PX)
