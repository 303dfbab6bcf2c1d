"""Second stage: one network learns all kinds of questions at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mbench.models.tiny_net import NETS, DualNet, FusedNet
from tools.tiny.batches import Asked, Batch, BatchMaker
from tools.tiny.concepts import Prototypes
from tools.tiny.schedule import Group, Trainer, total
from tools.tiny.stem import SMOOTHING, style_loss
from tools.tiny.vocabulary import classes

STYLE_WEIGHT = 0.2
LOG_EVERY = 50
STEM_FACTOR = 0.3  # the stem has learnt already; a fast rate would undo it


class Objective:
    """Cross-entropy over all classes for every vector of a batch.

    Vectors of texts alone are drawn to the prototypes but do not move them: those follow what pictures show.
    """

    def __init__(self, net: FusedNet | DualNet, prototypes: Prototypes) -> None:
        self.net, self.prototypes = net, prototypes

    def __call__(self, batch: Batch) -> dict[str, tuple[float, Tensor]]:
        """Weight and value of each loss."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            glyphs, scenes = self.net.stem(batch.glyphs), self.net.stem(batch.scenes)
            plain = self.net(glyphs, None)
            named, changed, paired = (
                self._vectors(glyphs, asked) for asked in (batch.about_glyphs, batch.changed, batch.pairs)
            )
            seen = self._vectors(scenes, batch.about_scenes)
            texts, sought = (self.net(None, asked.words) for asked in (batch.texts, batch.about_texts))
        matrix, scale = self.prototypes(), self.prototypes.scale()
        fixed, fixed_scale = matrix.detach(), scale.detach()

        def naming(vectors: Tensor, answers: Tensor) -> Tensor:
            return functional.cross_entropy(vectors @ matrix.T * scale, answers, label_smoothing=SMOOTHING)

        def reading(vectors: Tensor, answers: Tensor) -> Tensor:
            return functional.cross_entropy(vectors @ fixed.T * fixed_scale, answers)

        return {
            "glyph": (1.0, naming(plain, batch.glyph_classes)),
            "glyph style": (STYLE_WEIGHT, style_loss(self.prototypes, plain, batch.glyph_classes, batch.glyph_styles)),
            "about glyph": (1.0, naming(named, batch.about_glyphs.answers)),
            "change": (1.0, naming(changed, batch.changed.answers)),
            "change style": (
                STYLE_WEIGHT,
                style_loss(self.prototypes, changed, batch.changed.answers, batch.changed_styles),
            ),
            "pair": (0.5, naming(paired, batch.pairs.answers)),
            "scene": (2.0, naming(seen, batch.about_scenes.answers)),
            "text": (0.5, reading(texts, batch.texts.answers)),
            "about text": (0.3, reading(sought, batch.about_texts.answers)),
        }

    def _vectors(self, features: Tensor, asked: Asked) -> Tensor:
        """In two halves, each padded to its own longest question: questions come sorted by length where that pays."""
        halves = []
        for rows, words in zip(asked.rows.chunk(2), asked.words.chunk(2), strict=True):
            longest = int((words[..., 0] > 0).sum(1).max())
            halves.append(self.net(features[rows], words[:, :longest]))
        return torch.cat(halves)


def fit(model: str, first: dict[str, Tensor], steps: int, seed: int) -> tuple[FusedNet | DualNet, Prototypes]:
    """Train `tiny` or `tiny-dual` from the first stage's stem and prototypes; prints the losses as it goes."""
    torch.manual_seed(seed)
    net, prototypes = NETS[model](), Prototypes(classes())
    net.stem.load_state_dict(part(first, "stem."))
    prototypes.start_from(part(first, "prototypes."))
    trainer = Trainer(_groups(net, prototypes), steps)
    objective, batches = Objective(net, prototypes), BatchMaker(seed)
    for step in range(steps):
        losses = objective(batches.draw())
        trainer.step(total(losses.values()))
        if step % LOG_EVERY == LOG_EVERY - 1:
            said = " ".join(f"{name} {value.item():.2f}" for name, (_, value) in losses.items())
            print(f"{model} seed {seed} step {step + 1}/{steps}: {said}", flush=True)
    return net.eval(), prototypes


def _groups(net: FusedNet | DualNet, prototypes: Prototypes) -> list[Group]:
    stem = list(net.stem.parameters())
    known = {id(parameter) for parameter in stem}
    rest = [parameter for parameter in net.parameters() if id(parameter) not in known]
    return [Group(stem, STEM_FACTOR), Group(rest), Group(list(prototypes.parameters()), decay=0.0)]


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
