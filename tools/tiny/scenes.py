"""Random training scenes and questions about them; the scenes of the evaluation come from other draws."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tools.emoji.catalog import Emoji
from tools.emoji.categories import CONFUSABLE
from tools.emoji.scenes import SIDE_CELLS, Scene
from tools.emoji.templates import POSITIONS, SIDES
from tools.emoji.vqa import DIRECTIONS, NUMBERS, PLURALS
from tools.tiny.vocabulary import EQUAL, classes, objects
from tools.tiny.wordings import say

PAIRED_SHARE, COUNTED_SHARE = 0.35, 0.2
STEPS = (-1, 1, -2, 2)  # from a cell to its neighbour in each of DIRECTIONS
UNION_FORMS = ("text", "image", "pair")


@dataclass(frozen=True)
class Ask:
    """What a query says beside its picture, and the class of the right answer."""

    kind: str
    text: str
    instruction: str
    answer: int


def random_scene(rng: random.Random) -> Scene:
    """One to four objects in random cells: all different, with pairs of a category, or for counting."""
    draw = rng.random()
    if draw < PAIRED_SHARE:
        names = _categories(rng, rng.choice((2, 3, 3)))
        names = names * 2 if len(names) == 2 and rng.random() < 0.5 else [names[0], *names]
    elif draw < PAIRED_SHARE + COUNTED_SHARE:
        first, second, third = _categories(rng, 3)
        size = rng.randint(1, 4)
        some = rng.randint(0, size)
        names = ([first] * some + [second] * (size - some - 1) + [rng.choice((second, third))])[:size]
    else:
        names = _categories(rng, rng.choice((3, 4, 4, 4)))
    things = [rng.choice(objects()[name]) for name in names]
    cells: list[Emoji | None] = [*things, *[None] * (4 - len(things))]
    rng.shuffle(cells)
    return Scene("", tuple(cells))


def _categories(rng: random.Random, count: int) -> list[str]:
    """Distinct categories that nobody would confuse; larger ones come up more often."""
    names = list(objects())
    weights = [len(objects()[name]) ** 0.5 for name in names]
    chosen: list[str] = []
    while len(chosen) < count:
        name = rng.choices(names, weights)[0]
        if name not in chosen and not any(frozenset((name, other)) in CONFUSABLE for other in chosen):
            chosen.append(name)
    return chosen


def _text(answer: str) -> int:
    return classes().text[answer]


def _label(row: Emoji) -> int:
    return classes().text[row.label]


def control(scene: Scene, cell: int, rng: random.Random) -> Ask:
    """The thing in a cell: by conjunction where another of its category is there, else by position or category."""
    row = scene.objects[cell]
    partners = [n for n, other in scene.objects.items() if n != cell and other.category == row.category]
    sides = [side for side in SIDES if cell in SIDE_CELLS[side] and not set(partners) & set(SIDE_CELLS[side])]
    category = str(row.category)
    if partners and sides and rng.random() < 0.75:
        question = say("conjunction", rng, category=category, side=rng.choice(sides))
        kind = "conjunction"
    elif partners or rng.random() < 0.65:
        question, kind = say("position", rng, position=POSITIONS[cell]), "position"
    else:
        question, kind = say("category", rng, category=category), "category"
    return Ask(kind, "", question, _label(row))


def union(scene: Scene, cell: int, rng: random.Random) -> Ask:
    """A question of position whose answer is wanted as a text, a picture or both."""
    row, form = scene.objects[cell], rng.choice(UNION_FORMS)
    known = classes()
    answer = {"text": _label(row), "image": known.picture[row.hex], "pair": known.pair[row.hex]}[form]
    question = say("position", rng, position=POSITIONS[cell])
    return Ask(f"union-question-{form}", question, say(f"union-question-{form}", rng), answer)


def _counted(scene: Scene, rng: random.Random) -> Counter[str]:
    """How often each category is there, and one that is not."""
    there = Counter(str(row.category) for row in scene.objects.values())
    free = [
        name
        for name in objects()
        if name not in there and not any(frozenset((name, other)) in CONFUSABLE for other in there)
    ]
    there[rng.choice(free)] = 0
    return there


def _count_all(scene: Scene, rng: random.Random) -> tuple[str, str]:
    return say("count-all", rng), NUMBERS[len(scene.objects)]


def _count_category(scene: Scene, rng: random.Random) -> tuple[str, str]:
    name, count = rng.choice(list(_counted(scene, rng).items()))
    return say("count-category", rng, plural=PLURALS[name]), NUMBERS[count]


def _presence_category(scene: Scene, rng: random.Random) -> tuple[str, str]:
    counted = _counted(scene, rng)
    there = [name for name, count in counted.items() if count]
    away = [name for name, count in counted.items() if not count]
    name = rng.choice(away if away and rng.random() < 0.5 else there)
    return say("presence-category", rng, category=name), "yes" if counted[name] else "no"


def _presence_label(scene: Scene, rng: random.Random) -> tuple[str, str]:
    row = rng.choice(list(scene.objects.values()))
    if rng.random() < 0.5:
        return say("presence-label", rng, label=row.label), "yes"
    shown = {other.label for other in scene.objects.values()}
    others = [other.label for other in objects()[str(row.category)] if other.label not in shown]
    return say("presence-label", rng, label=rng.choice(others)), "no"


def _position_where(scene: Scene, rng: random.Random) -> tuple[str, str]:
    cell, row = rng.choice(list(scene.objects.items()))
    return say("position-where", rng, label=row.label), POSITIONS[cell]


def _compare_number(scene: Scene, rng: random.Random) -> tuple[str, str]:
    counted = _counted(scene, rng)
    first, second = rng.sample(list(counted), 2)
    more = first if counted[first] > counted[second] else second
    answer = EQUAL if counted[first] == counted[second] else f"more {PLURALS[more]}"
    return say("compare-number", rng, plural=PLURALS[first], other_plural=PLURALS[second]), answer


def _compare_place(scene: Scene, rng: random.Random) -> tuple[str, str]:
    """Falls back to counting where no two things stand in one row or column."""
    pairs = [
        (cell, cell + step, side)
        for side, step in enumerate(STEPS)
        for cell in scene.objects
        if cell + step in scene.objects and (abs(step) == 2 or cell // 2 == (cell + step) // 2)
    ]
    if not pairs:
        return _count_all(scene, rng)
    anchor, asked, side = rng.choice(pairs)
    labels = {"label": scene.objects[asked].label, "other_label": scene.objects[anchor].label}
    return say("compare-place", rng, **labels), DIRECTIONS[side]


_VQA: dict[str, Callable[[Scene, random.Random], tuple[str, str]]] = {
    "count-all": _count_all,
    "count-category": _count_category,
    "presence-category": _presence_category,
    "presence-label": _presence_label,
    "position-where": _position_where,
    "compare-number": _compare_number,
    "compare-place": _compare_place,
}


def visual_question(scene: Scene, rng: random.Random) -> Ask:
    """One question of emoji-vqa's kinds; the question is the text, the instruction is general."""
    kind = rng.choice(list(_VQA))
    question, answer = _VQA[kind](scene, rng)
    return Ask(f"vqa-{kind}", question, say("vqa", rng), _text(answer))


def asks_about(scene: Scene, rng: random.Random, controls: int, others: int) -> list[Ask]:
    """`controls` questions after things in cells, then `others` of which one in five is a union question."""
    cells = list(scene.objects)
    found = [control(scene, cell, rng) for cell in rng.sample(cells, min(controls, len(cells)))]
    for _ in range(others + controls - len(found)):
        if rng.random() < 0.2:
            found.append(union(scene, rng.choice(cells), rng))
        else:
            found.append(visual_question(scene, rng))
    return found
