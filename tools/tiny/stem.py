"""First stage, shared by all runs: the stem and the prototypes learn to tell the Fluent drawings apart."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from mbench.models.tiny_net import DIM, STEM_OUT, Stem
from tools.emoji.catalog import Emoji
from tools.tiny.concepts import Classes, Prototypes
from tools.tiny.drawings import FREE, STYLES, any_style, grounds, on_ground, stack, warped
from tools.tiny.schedule import Group, Trainer

BATCH = 128
TONED_SHARE = 4  # one in four drawings is any drawing, skin tones included; the others are concepts
SMOOTHING = 0.05
STYLE_WEIGHT = 0.1
PROTOTYPE_FACTOR = 3.0
LOG_EVERY = 100


class PooledStem(nn.Module):
    """The stem with a linear head on mean and maximum: a plain classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Stem()
        self.head = nn.Linear(2 * STEM_OUT, DIM)

    def forward(self, pictures: Tensor) -> Tensor:
        """Unit vectors [n, 128] of pictures [n, 3, s, s]."""
        features = self.stem(pictures).flatten(2)
        pooled = torch.cat([features.mean(2), features.amax(2)], 1)
        return functional.normalize(self.head(pooled).float(), dim=-1)


class GlyphSampler:
    """Draws emoji and styles for a batch of single pictures."""

    def __init__(self, rows: Sequence[Emoji], rng: random.Random) -> None:
        self.everything = [row.hex for row in rows]
        self.concepts = [row.hex for row in rows if row.is_base]
        self.rng = rng

    def draw(self, n: int) -> list[tuple[str, str]]:
        """(hex, style) pairs, concepts without repetition."""
        toned = n // TONED_SHARE
        codes = self.rng.sample(self.concepts, n - toned) + self.rng.sample(self.everything, toned)
        return [(code, any_style(code, self.rng)) for code in codes]


def style_loss(prototypes: Prototypes, vectors: Tensor, classes: Tensor, styles: Tensor) -> Tensor:
    """Cross-entropy of the style, given the right emoji."""
    scores = torch.einsum("nd,nsd->ns", vectors, prototypes.styled(classes)) * prototypes.scale()
    return functional.cross_entropy(scores, styles)


def train_stem(rows: Sequence[Emoji], steps: int, seed: int) -> dict[str, Tensor]:
    """Weights of the stem (`stem.*`) and of the prototypes (`prototypes.*`)."""
    torch.manual_seed(seed)
    classes = Classes.of(rows, ())
    rng, dice = random.Random(seed), torch.Generator().manual_seed(seed)
    net, prototypes = PooledStem(), Prototypes(classes)
    groups = [Group(list(net.parameters())), Group(list(prototypes.parameters()), PROTOTYPE_FACTOR, decay=0.0)]
    trainer, sampler = Trainer(groups, steps), GlyphSampler(rows, rng)
    for step in range(steps):
        drawn = sampler.draw(BATCH)
        pictures = on_ground(warped(stack(drawn), FREE, dice), grounds(BATCH, dice))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            vectors = net(pictures)
        wanted = torch.tensor([classes.picture[code] for code, _ in drawn])
        styles = torch.tensor([STYLES.index(style) for _, style in drawn])
        scores = vectors @ prototypes().T * prototypes.scale()
        naming = functional.cross_entropy(scores, wanted, label_smoothing=SMOOTHING)
        trainer.step(naming + STYLE_WEIGHT * style_loss(prototypes, vectors, wanted, styles))
        if step % LOG_EVERY == LOG_EVERY - 1:
            hits = (scores.argmax(1) == wanted).float().mean().item()
            print(f"stem step {step + 1}/{steps} loss {naming.item():.3f} hit {hits:.2f}", flush=True)
    return {f"stem.{k}": v for k, v in net.stem.state_dict().items()} | {
        f"prototypes.{k}": v for k, v in prototypes.state_dict().items()
    }


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors."""
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
