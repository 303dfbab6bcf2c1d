"""One training step's pictures, texts and questions, drawn at random from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mbench.models.tiny_input import pad_tokens, tokens
from tools.emoji.catalog import Emoji
from tools.emoji.scenes import Scene
from tools.tiny.drawings import CALM, FREE, STYLES, any_style, as_scenes, grounds, on_ground, stack, warped
from tools.tiny.scenes import Ask, asks_about, random_scene
from tools.tiny.singles import about_change, about_label, about_picture, form_of
from tools.tiny.stem import GlyphSampler
from tools.tiny.vocabulary import answers, by_hex, classes, drawn

GLYPHS, CHANGES, PAIRS, LABELS, ANSWERS, LABEL_ASKS = 72, 24, 16, 64, 24, 32
SCENES, CONTROLS, OTHERS = 24, 3, 2


@dataclass(frozen=True)
class Asked:
    """Questions of a batch: rows of their pictures [n], words [n, length, 4], classes of the answers [n]."""

    rows: Tensor
    words: Tensor
    answers: Tensor

    @staticmethod
    def of(rows: Sequence[int], asks: Sequence[Ask]) -> Asked:
        """Stack questions in their order; `rows` may be empty where there is no picture."""
        said = torch.from_numpy(pad_tokens([tokens(ask.text, ask.instruction) for ask in asks]))
        return Asked(torch.tensor(rows, dtype=torch.long), said, torch.tensor([ask.answer for ask in asks]))


@dataclass(frozen=True)
class Batch:
    """Everything of one step. `glyphs` [n, 3, 48, 48] with class and style each; `scenes` [n, 3, 96, 96]."""

    glyphs: Tensor
    glyph_classes: Tensor
    glyph_styles: Tensor
    scenes: Tensor
    about_glyphs: Asked
    changed: Asked
    changed_styles: Tensor
    pairs: Asked
    about_scenes: Asked
    texts: Asked
    about_texts: Asked


def draw_scenes(scenes: Sequence[Scene], rng: random.Random, dice: torch.Generator) -> Tensor:
    """Pictures [n, 3, 96, 96] of scenes, every thing in a style of its own."""
    cells = [cell for scene in scenes for cell in scene.cells]
    filled = [number for number, cell in enumerate(cells) if cell]
    things = [(cell.hex, any_style(cell.hex, rng)) for cell in cells if cell]
    placed = warped(stack(things), FREE, dice)
    canvas = torch.zeros(len(cells), *placed.shape[1:])
    canvas[filled] = placed
    return on_ground(as_scenes(canvas), grounds(len(scenes), dice))


class BatchMaker:
    """Draws the batches of a run; the same seed draws the same batches."""

    def __init__(self, seed: int) -> None:
        self.rng, self.dice = random.Random(f"batches {seed}"), torch.Generator().manual_seed(seed)
        self.sampler = GlyphSampler(drawn(), self.rng)
        self.bases = [row for row in drawn() if row.is_base]

    def draw(self) -> Batch:
        """The next batch."""
        rng, known = self.rng, classes()
        changes = [about_change(rng) for _ in range(CHANGES)]
        glyphs = self.sampler.draw(GLYPHS) + [change.reference for change in changes]
        rows = [by_hex()[code] for code, _ in glyphs]
        scenes = [random_scene(rng) for _ in range(SCENES)]
        asked = [(n, ask) for n, scene in enumerate(scenes) for ask in asks_about(scene, rng, CONTROLS, OTHERS)]
        asked.sort(key=lambda pair: len(tokens(pair[1].text, pair[1].instruction)))
        return Batch(
            glyphs=self._pictures(glyphs),
            glyph_classes=torch.tensor([known.picture[code] for code, _ in glyphs]),
            glyph_styles=torch.tensor([STYLES.index(style) for _, style in glyphs]),
            scenes=draw_scenes(scenes, rng, self.dice),
            about_glyphs=Asked.of(range(GLYPHS), [about_picture(row, rng) for row in rows[:GLYPHS]]),
            changed=Asked.of(range(GLYPHS, len(rows)), [change.ask for change in changes]),
            changed_styles=torch.tensor([change.style for change in changes]),
            pairs=Asked.of(range(PAIRS), [_captioned(row) for row in rows[:PAIRS]]),
            about_scenes=Asked.of([n for n, _ in asked], [ask for _, ask in asked]),
            texts=Asked.of([], self._texts()),
            about_texts=Asked.of([], [about_label(row, rng) for row in rng.sample(self.bases, LABEL_ASKS)]),
        )

    def _pictures(self, glyphs: list[tuple[str, str]]) -> Tensor:
        """Single pictures, those whose skin or style may be asked for kept calm in shape and true in colour."""
        free = warped(stack(glyphs[:GLYPHS]), FREE, self.dice)
        calm = warped(stack(glyphs[GLYPHS:]), CALM, self.dice)
        return on_ground(torch.cat([free, calm]), grounds(len(glyphs), self.dice))

    def _texts(self) -> list[Ask]:
        """Labels and answers as candidates: no instruction."""
        labels = [row.label for row in self.rng.sample(self.bases, LABELS)]
        said = labels + self.rng.sample(answers(), ANSWERS)
        return [Ask("text", text, "", classes().text[text]) for text in said]


def _captioned(row: Emoji) -> Ask:
    return Ask("pair", by_hex()[row.base].label, "", form_of(row, "pair"))
