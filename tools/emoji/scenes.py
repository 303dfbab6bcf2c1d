"""Scenes of three or four emoji in a 2 x 2 grid, and the questions that only picture and text together answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from pathlib import Path
from random import Random

from tools.emoji.catalog import Emoji, lookalikes, scene_objects, targets, twins
from tools.emoji.categories import CONFUSABLE
from tools.emoji.questions import Query, Task, choose_wording, label_candidate, picture
from tools.emoji.templates import (
    HELD_OUT_CATEGORY,
    HELD_OUT_CONJUNCTION,
    HELD_OUT_POSITION,
    POSITIONS,
    SIDES,
    TRAIN_CATEGORY,
    TRAIN_CONJUNCTION,
    TRAIN_POSITION,
)

PLAIN_SCENES = 320
PAIR_SCENES = 320
THREE_OBJECT_SHARE = 0.25
TWO_PAIR_SHARE = 0.2
SIDE_CELLS = {"on the left": (0, 2), "on the right": (1, 3), "at the top": (0, 1), "at the bottom": (2, 3)}


@dataclass(frozen=True)
class Scene:
    """Four cells in reading order, None where empty."""

    id: str
    cells: tuple[Emoji | None, ...]

    @property
    def tiles(self) -> tuple[str, ...]:
        """Picture ids of the cells, "" where empty."""
        return tuple(picture(cell) if cell else "" for cell in self.cells)

    @property
    def objects(self) -> dict[int, Emoji]:
        """Cell number -> what stands there."""
        return {number: cell for number, cell in enumerate(self.cells) if cell}


class SceneMaker:
    """Draws scenes whose objects cannot be mistaken for one another."""

    def __init__(self, seed: str, cache_dir: Path) -> None:
        self.random = Random(seed)
        self.objects = scene_objects(cache_dir)
        self.alike = lookalikes("noto", cache_dir)

    def categories(self, count: int) -> list[str]:
        """Distinct categories, no two of them confusable; larger ones come up more often, by the root of their size."""
        chosen: list[str] = []
        while len(chosen) < count:
            open_ = [
                name
                for name in self.objects
                if name not in chosen and not any(frozenset((name, other)) in CONFUSABLE for other in chosen)
            ]
            if not open_:
                chosen = []
                continue
            chosen += self.random.choices(open_, [sqrt(len(self.objects[name])) for name in open_])
        return chosen

    def place(self, scene_id: str, categories: Sequence[str]) -> Scene:
        """A scene with one object of each category named (a category may be named twice), in random cells."""
        while True:
            objects = [self.random.choice(self.objects[name]) for name in categories]
            if all(second.hex not in self.alike[first.hex] for first, second in combinations(objects, 2)):
                break
        cells: list[Emoji | None] = [*objects, *[None] * (4 - len(objects))]
        self.random.shuffle(cells)
        return Scene(scene_id, tuple(cells))

    def plain(self, number: int) -> Scene:
        """Three or four objects of different categories."""
        count = 3 if self.random.random() < THREE_OBJECT_SHARE else 4
        return self.place(f"plain-{number:03d}", self.categories(count))

    def paired(self, number: int) -> Scene:
        """Two objects of one category among three or four, or two pairs."""
        scene_id = f"pair-{number:03d}"
        if self.random.random() < TWO_PAIR_SHARE:
            return self.place(scene_id, self.categories(2) * 2)
        names = self.categories(2 if self.random.random() < THREE_OBJECT_SHARE else 3)
        return self.place(scene_id, [names[0], *names])


def answers(row: Emoji, cache_dir: Path) -> tuple[str, ...]:
    """Ids of all labels that name the drawing rightly: its own first, then those of its twins."""
    known = {target.hex for target in targets(cache_dir)}
    return (row.hex, *sorted(twins("noto", cache_dir)[row.hex] & known - {row.hex}))


def _question(scene: Scene, row: Emoji, kind: str, cache_dir: Path, **fields: object) -> Query:
    return Query(
        id=f"{kind}-{scene.id}-{row.hex}",
        tiles=scene.tiles,
        relevant=answers(row, cache_dir),
        target=(row.hex,),
        subset=tuple(cell.hex for cell in scene.objects.values()),
        group=scene.id,
        **fields,  # type: ignore[arg-type]
    )


def position_question(scene: Scene, cell: int, random: Random, cache_dir: Path) -> Query:
    """`what is in the top left corner?`; its opposite asks for another cell that is not empty."""
    wording = choose_wording(random, TRAIN_POSITION, HELD_OUT_POSITION)
    other = random.choice([number for number in scene.objects if number != cell])
    return _question(
        scene,
        scene.objects[cell],
        "position",
        cache_dir,
        instruction=wording.say(position=POSITIONS[cell]),
        paraphrases=wording.paraphrases(position=POSITIONS[cell]),
        opposite=wording.say(position=POSITIONS[other]),
        tags={"kind": "position", "wording": wording.tag, "objects": str(len(scene.objects))},
    )


def conjunction_question(scene: Scene, cell: int, partner: int, random: Random, cache_dir: Path) -> Query:
    """`what is the animal on the left?` where the other animal is on the right; the opposite asks for that one."""
    wording = choose_wording(random, TRAIN_CONJUNCTION, HELD_OUT_CONJUNCTION)
    side = random.choice([s for s in SIDES if cell in SIDE_CELLS[s] and partner not in SIDE_CELLS[s]])
    across = SIDES[SIDES.index(side) ^ 1]
    row = scene.objects[cell]
    category = str(row.category)
    return _question(
        scene,
        row,
        "conjunction",
        cache_dir,
        instruction=wording.say(category=category, side=side),
        paraphrases=wording.paraphrases(category=category, side=side),
        opposite=wording.say(category=category, side=across),
        tags={"kind": "conjunction", "wording": wording.tag, "objects": str(len(scene.objects))},
    )


def category_question(scene: Scene, cell: int, random: Random, cache_dir: Path) -> Query:
    """`what is the animal?` where there is one animal."""
    wording = choose_wording(random, TRAIN_CATEGORY, HELD_OUT_CATEGORY)
    row = scene.objects[cell]
    other = random.choice([thing for thing in scene.objects.values() if thing != row])
    return _question(
        scene,
        row,
        "category",
        cache_dir,
        instruction=wording.say(category=str(row.category)),
        paraphrases=wording.paraphrases(category=str(row.category)),
        opposite=wording.say(category=str(other.category)),
        tags={"category": str(row.category), "wording": wording.tag, "objects": str(len(scene.objects))},
    )


def scene_questions(scene: Scene, random: Random, cache_dir: Path) -> list[Query]:
    """One question for every object: by conjunction where it has a partner of its category, else by position."""
    questions = []
    for cell, row in scene.objects.items():
        partners = [n for n, other in scene.objects.items() if n != cell and other.category == row.category]
        if partners:
            questions.append(conjunction_question(scene, cell, partners[0], random, cache_dir))
        else:
            questions.append(position_question(scene, cell, random, cache_dir))
    return questions


def control_tasks(cache_dir: Path) -> list[Task]:
    """emoji-ctrl, and emoji-ctrl-category that asks by category about those of its scenes that allow it."""
    maker = SceneMaker("emoji-ctrl 1", cache_dir)
    plain = [maker.plain(number) for number in range(PLAIN_SCENES)]
    paired = [maker.paired(number) for number in range(PAIR_SCENES)]
    labels = tuple(label_candidate(row) for row in targets(cache_dir))
    control = [q for scene in plain + paired for q in scene_questions(scene, maker.random, cache_dir)]
    category = [category_question(scene, cell, maker.random, cache_dir) for scene in plain for cell in scene.objects]
    return [
        Task("emoji-ctrl", tuple(control), labels),
        Task("emoji-ctrl-category", tuple(category), labels),
    ]
