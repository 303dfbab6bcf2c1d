"""How well a trained network retrieves, on Fluent scenes, pictures and wordings drawn apart from training.

The figures choose the seed that ships. Nothing of the evaluation tasks is read here.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mbench.models.tiny_input import pad_tokens, tokens
from mbench.models.tiny_net import DIM, DualNet, FusedNet
from tools.emoji.scenes import Scene
from tools.tiny.batches import Asked
from tools.tiny.concepts import PAIR, PICTURE, TEXT
from tools.tiny.drawings import CLEAN, STYLES, as_scenes, has, on_ground, stack, warped
from tools.tiny.scenes import Ask, asks_about, random_scene
from tools.tiny.singles import about_change, about_label, about_picture
from tools.tiny.vocabulary import by_hex, classes, drawn

SCENES, ASKS_PER_SCENE, SINGLES = 200, 3, 400
CHUNK = 128
FAMILIES = ("position", "conjunction", "category", "vqa", "cir", "cls", "i2t", "t2i", "union")


@dataclass(frozen=True)
class Figures:
    """Share of right first answers by family of questions, and their mean, which chooses the seed."""

    families: dict[str, float]

    @property
    def score(self) -> float:
        """Mean over the families."""
        return sum(self.families.values()) / len(self.families)


def _clean(glyphs: Sequence[tuple[str, str]]) -> Tensor:
    """Single drawings [n, 3, 48, 48] on white, as they are."""
    dice = torch.Generator().manual_seed(0)
    return on_ground(warped(stack(list(glyphs)), CLEAN, dice), torch.ones(len(glyphs), 3))


def _clean_scenes(scenes: Sequence[Scene], style: str) -> Tensor:
    """Scenes [n, 3, 96, 96] on white in one style."""
    cells = [cell for scene in scenes for cell in scene.cells]
    filled = [number for number, cell in enumerate(cells) if cell]
    placed = warped(
        stack([(cell.hex, style if has(cell.hex, style) else "flat") for cell in cells if cell]),
        CLEAN,
        torch.Generator().manual_seed(0),
    )
    canvas = torch.zeros(len(cells), *placed.shape[1:])
    canvas[filled] = placed
    return on_ground(as_scenes(canvas), torch.ones(len(scenes), 3))


def _chunked(count: int, encode: Callable[[slice], Tensor]) -> Tensor:
    return torch.cat([encode(slice(start, start + CHUNK)) for start in range(0, count, CHUNK)])


def _encoded(net: FusedNet | DualNet, pictures: Tensor | None, asked: Asked) -> Tensor:
    """Vectors of questions; `pictures` None where they have none."""

    def one(part: slice) -> Tensor:
        features = None if pictures is None else net.stem(pictures[asked.rows[part]])
        vectors: Tensor = net(features, asked.words[part])
        return vectors

    return _chunked(len(asked.answers), one)


def _corpus(net: FusedNet | DualNet) -> Tensor:
    """A vector for every class: texts as such, pictures flat and clean, pairs of both; rows are class numbers."""
    known = classes()
    matrix = torch.zeros(len(known.parts), DIM)
    texts = torch.from_numpy(pad_tokens([tokens(text) for text in known.text]))
    matrix[list(known.text.values())] = _chunked(len(texts), lambda part: net(None, texts[part]))
    for place, captions in ((known.picture, None), (known.pair, [tokens(by_hex()[code].label) for code in known.pair])):
        pictures = _clean([(code, "flat") for code in place])
        words = None if captions is None else torch.from_numpy(pad_tokens(captions))

        def one(part: slice, pictures: Tensor = pictures, words: Tensor | None = words) -> Tensor:
            vectors: Tensor = net(net.stem(pictures[part]), None if words is None else words[part])
            return vectors

        matrix[list(place.values())] = _chunked(len(pictures), one)
    return matrix


def _family(ask: Ask) -> str:
    return next(family for family in FAMILIES if ask.kind.startswith(family))


def _hits(corpus: Tensor, vectors: Tensor, asks: Sequence[Ask]) -> list[bool]:
    """Whether the nearest class is the answer, among the classes of the answer's form; for `union`, among all."""
    forms = classes().parts[:, 2]
    scores = vectors @ corpus.T
    for form in (PICTURE, TEXT, PAIR):
        rows = [n for n, ask in enumerate(asks) if forms[ask.answer] == form and not ask.kind.startswith("union")]
        scores[torch.tensor(rows, dtype=torch.long)[:, None], (forms != form).nonzero()[:, 0]] = -2.0
    best = scores.argmax(1).tolist()
    return [found == ask.answer for found, ask in zip(best, asks, strict=True)]


def validate(net: FusedNet | DualNet) -> Figures:
    """Figures of a network in evaluation mode; the questions are the same for every network."""
    rng = random.Random("validation")
    hits: dict[str, list[bool]] = defaultdict(list)

    def collect(pictures: Tensor | None, rows: Sequence[int], asks: Sequence[Ask]) -> None:
        for ask, hit in zip(asks, _hits(corpus, _encoded(net, pictures, Asked.of(rows, asks)), asks), strict=True):
            hits[_family(ask)].append(hit)

    with torch.no_grad():
        corpus = _corpus(net)
        for style in STYLES[:2]:
            scenes = [random_scene(rng) for _ in range(SCENES)]
            about = [(n, a) for n, scene in enumerate(scenes) for a in asks_about(scene, rng, ASKS_PER_SCENE, 2)]
            collect(_clean_scenes(scenes, style), [n for n, _ in about], [a for _, a in about])
        rows = rng.sample([row for row in drawn() if row.is_base], SINGLES)
        numbers = list(range(SINGLES))
        collect(_clean([(row.hex, "3d") for row in rows]), numbers, [about_picture(row, rng) for row in rows])
        collect(None, [], [about_label(row, rng) for row in rows])
        changes = [about_change(rng) for _ in range(SINGLES)]
        collect(_clean([change.reference for change in changes]), numbers, [change.ask for change in changes])
    return Figures({family: sum(hits[family]) / len(hits[family]) for family in FAMILIES})
