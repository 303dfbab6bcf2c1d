"""The README beside the weights: recipe, seeds, spread, sizes and hashes, all from the runs' own records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mbench.core.files import file_sha256
from tools.tiny.validate import FAMILIES

RECIPE = """\
1. Drawings: Fluent Emoji flat, 3D and high-contrast, rendered at 64 px by `tools/emoji`; Noto's are never read.
2. Networks: a convolutional stem (one token per 16 x 16 px) and hashed words. `tiny`: one transformer of three layers
   over picture, text and instruction. `tiny-dual`: an image tower of one layer, a text tower of two, outputs summed.
3. Stage 1, shared by all runs ({stem_steps} steps of 128 drawings): the stem tells all drawings apart by a softmax over
   free prototypes; a prototype is the unit sum of an idea, a skin tone and a form (picture, text, pair).
4. Stage 2 ({steps} steps): 96 drawings, 24 random scenes with five questions each, changes, texts and pairs a step;
   every vector is drawn to the prototype of its answer among all classes.
5. Wordings: the open templates of `tools/emoji/templates.py` and paraphrases by a grammar, with words dropped and
   replaced by nonsense. The held-out sentences are never produced, though some of their words are.
6. Augmentation: size 0.75-1.05, turn 10 degrees, shear, shift, colour, white or light ground.
7. AdamW, peak 2e-3, warm-up of 60 steps, cosine; bfloat16 autocast; one thread a process, two processes at a time.
8. Weights are rounded to half precision, validated so, and the seed of the best validation score ships.
9. Validation: new scenes and questions on Fluent drawings, hit@1 in percent. The evaluation tasks choose no seed, but
   the recipe was settled (rate of the stem, length of the forms, mix of questions) after a look at a pilot's scores.
10. Labels, categories and open templates are the same in training and evaluation; drawings' artist and scenes are not.
"""

LICENCE = """\
The weights are under the licence of mbench (Apache-2.0). They were trained on Fluent Emoji, copyright Microsoft
Corporation, MIT licence (https://github.com/microsoft/fluentui-emoji), as packaged by Iconify, and on names of
emojibase-data (MIT) from Unicode CLDR.
"""


@dataclass(frozen=True)
class Run:
    """The record of one finished run; `families` are shares of right first answers."""

    model: str
    seed: int
    steps: int
    seconds: int
    score: float
    families: dict[str, float]


@dataclass(frozen=True)
class Shipped:
    """A file of weights and the run that it comes from."""

    path: Path
    run: Run


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _table(runs: Sequence[Run], chosen: Sequence[Run]) -> list[str]:
    lines = [_row(["model", "seed", "mean", *FAMILIES, "minutes"]), _row(["---"] * (len(FAMILIES) + 4))]
    for run in runs:
        seed = f"**{run.seed}**" if run in chosen else run.seed
        shares = [_percent(run.families[family]) for family in FAMILIES]
        lines.append(_row([run.model, seed, _percent(run.score), *shares, f"{run.seconds / 60:.0f}"]))
    for model in dict.fromkeys(run.model for run in runs):
        same = [run for run in runs if run.model == model]
        if len(same) < 2:
            continue
        columns = [[run.score for run in same], *([run.families[f] for run in same] for f in FAMILIES)]
        spreads = [_percent(max(column) - min(column)) for column in columns]
        lines.append(_row([model, "spread", *spreads, ""]))
    return lines


def write_readme(path: Path, runs: Sequence[Run], shipped: Sequence[Shipped], stem_steps: int) -> None:
    """Write the README; spread is the largest minus the smallest figure of a model's seeds."""
    files = [_row(["file", "bytes", "sha256"]), _row(["---"] * 3)]
    files += [_row([s.path.name, s.path.stat().st_size, f"`{file_sha256(s.path)}`"]) for s in shipped]
    recipe = RECIPE.format(stem_steps=stem_steps, steps=runs[0].steps)
    parts = [
        "# Weights of the embedded models",
        "Written by `make train-tiny`; every number was measured by the run that it describes.",
        "\n".join(files),
        "## Recipe",
        recipe.strip(),
        "## Seeds and their spread",
        "Validation, hit@1 in percent; bold: the seed that ships; spread: the highest minus the lowest.",
        "\n".join(_table(runs, [s.run for s in shipped])),
        "## Licence",
        LICENCE.strip(),
    ]
    path.write_text("\n\n".join(parts) + "\n", "utf-8")
