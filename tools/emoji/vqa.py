"""emoji-vqa: counting, presence, position and comparison, each with its own list of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tools.emoji.catalog import Emoji
from tools.emoji.categories import CATEGORIES
from tools.emoji.questions import Candidate, Query, Task, choose_wording, label_candidate
from tools.emoji.scenes import Scene, SceneMaker
from tools.emoji.templates import HELD_OUT_VQA, POSITIONS, TRAIN_VQA, TRAIN_VQA_INSTRUCTION, fill

PER_KIND = 120
NUMBERS = ("zero", "one", "two", "three", "four")
DIRECTIONS = ("left of it", "right of it", "above it", "below it")
PLURALS = {category.name: category.plural for category in CATEGORIES}
# (first category, second category) in one scene; each of the three answers is as frequent as the others.
COUNTS = (((1, 1), (2, 2)), ((2, 1), (3, 1)), ((1, 2), (1, 3)))


class VqaMaker:
    """Builds questions whose answers are spread evenly, so that no answer is a good guess."""

    def __init__(self, cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self.scenes = SceneMaker("emoji-vqa 1", cache_dir)
        self.random = self.scenes.random
        self.candidates: dict[str, Candidate] = {}

    def answer(self, text: str) -> str:
        """Id of an answer in words."""
        candidate = Candidate("answer:" + text.replace(" ", "-"), text=text)
        self.candidates[candidate.id] = candidate
        return candidate.id

    def label(self, row: Emoji) -> str:
        """Id of a label as answer."""
        self.candidates[row.hex] = label_candidate(row)
        return row.hex

    def query(
        self,
        kind: str,
        number: int,
        scene: Scene,
        right: str,
        answers: Sequence[str],
        fields: dict[str, str],
        other: dict[str, str] | None = None,
    ) -> Query:
        """The question of one kind; `other` are the fields of a question with another answer about the same scene."""
        wording = choose_wording(self.random, TRAIN_VQA[kind], HELD_OUT_VQA[kind])
        gallery = list(answers)
        self.random.shuffle(gallery)
        return Query(
            id=f"{kind}-{number:03d}",
            text=wording.say(**fields),
            instruction=TRAIN_VQA_INSTRUCTION[0],
            tiles=scene.tiles,
            relevant=(right,),
            target=(right,),
            gallery=tuple(gallery),
            paraphrases=wording.paraphrases(**fields),
            opposite=fill(wording.template, **other) if other else None,
            tags={"kind": kind, "wording": wording.tag},
        )

    def yes_or_no(
        self, kind: str, number: int, scene: Scene, right: bool, fields: dict[str, str], other: dict[str, str]
    ) -> Query:
        """A question with two answers."""
        yes, no = self.answer("yes"), self.answer("no")
        return self.query(kind, number, scene, yes if right else no, [yes, no], fields, other)

    def twice(self, kind: str, number: int) -> SceneMaker:
        """A source of scenes that draws the same for the questions 2n and 2n + 1."""
        return SceneMaker(f"emoji-vqa {kind} {number // 2} 1", self.cache_dir)

    def scene(self, categories: Sequence[str], kind: str, number: int) -> Scene:
        """A scene with one object of each category named."""
        return self.scenes.place(f"{kind}-{number:03d}", categories)


def count_all(maker: VqaMaker, number: int) -> Query:
    """How many things; one to four, equally often."""
    count = number % 4 + 1
    scene = maker.scene(maker.scenes.categories(count), "count-all", number)
    answers = [maker.answer(word) for word in NUMBERS[1:]]
    return maker.query("count-all", number, scene, maker.answer(NUMBERS[count]), answers, {})


def count_category(maker: VqaMaker, number: int) -> Query:
    """How many of a category; zero to three, equally often, among others that cannot be mistaken for it."""
    count = number % 4
    asked, *others = maker.scenes.categories(4)
    total = maker.random.randint(max(2, count), 4)
    names = [asked] * count + others[: total - count]
    scene = maker.scene(names, "count-category", number)
    answers = [maker.answer(word) for word in NUMBERS[:4]]
    fields = {"category": asked, "plural": PLURALS[asked]}
    other = {"category": others[0], "plural": PLURALS[others[0]]} if count != (1 if others[0] in names else 0) else None
    return maker.query("count-category", number, scene, maker.answer(NUMBERS[count]), answers, fields, other)


def presence_category(maker: VqaMaker, number: int) -> Query:
    """Whether there is one of a category. Each category asked for is there once and missing once."""
    asked, *others = maker.twice("presence-category", number).categories(4)
    there = number % 2 == 0
    names = [asked, *others[:2]] if there else others
    scene = maker.scene(names, "presence-category", number)
    fields, opposite = {"category": asked}, {"category": others[2] if there else others[0]}
    return maker.yes_or_no("presence-category", number, scene, there, fields, opposite)


def presence_label(maker: VqaMaker, number: int) -> Query:
    """Whether a thing is there. Each is there once and, in another scene, replaced by one of its category."""
    twice = maker.twice("presence-label", number)
    scene = twice.place(f"presence-label-{number:03d}", twice.categories(3))
    asked = twice.random.choice(list(scene.objects.values()))
    there = number % 2 == 0
    if not there:
        scene = _without(maker, asked, number)
    present = [row for row in scene.objects.values() if row != asked]
    opposite = _same_category(maker, present[0], list(scene.objects.values())) if there else present[0]
    fields = {"label": asked.label}
    return maker.yes_or_no("presence-label", number, scene, there, fields, {"label": opposite.label})


def _without(maker: VqaMaker, asked: Emoji, number: int) -> Scene:
    """A scene that has something of the asked thing's category, but nothing that looks like it."""
    while True:
        names = [str(asked.category), *[n for n in maker.scenes.categories(3) if n != asked.category][:2]]
        scene = maker.scene(names, "presence-label", number)
        if all(row.hex not in maker.scenes.alike[asked.hex] for row in scene.objects.values()):
            return scene


def _same_category(maker: VqaMaker, row: Emoji, avoid: Sequence[Emoji]) -> Emoji:
    """Another object of a category that looks like nothing in `avoid`."""
    taken = {code for other in (row, *avoid) for code in maker.scenes.alike[other.hex]}
    return maker.random.choice([other for other in maker.scenes.objects[str(row.category)] if other.hex not in taken])


def position_label(maker: VqaMaker, number: int) -> Query:
    """What is in a corner. For every object of the scene the list has one more of its category.

    The right id is the highest of the list in one question of eight: a tie, which goes to it, is
    worth no more than chance.
    """
    while True:
        scene = maker.scenes.plain(number)
        cell, other = maker.random.sample(list(scene.objects), 2)
        offered = list(scene.objects.values())
        for row in scene.objects.values():
            offered.append(_same_category(maker, row, offered))
        right = scene.objects[cell]
        if (right.hex == max(row.hex for row in offered)) == (number % 8 == 0):
            break
    answers = [maker.label(row) for row in offered]
    fields, opposite = {"position": POSITIONS[cell]}, {"position": POSITIONS[other]}
    return maker.query("position-label", number, scene, maker.label(right), answers, fields, opposite)


def position_where(maker: VqaMaker, number: int) -> Query:
    """In which corner a thing is; each corner equally often."""
    cell = number % 4
    while True:
        scene = maker.scenes.plain(number)
        if scene.cells[cell]:
            break
    other = maker.random.choice([row for n, row in scene.objects.items() if n != cell])
    answers = [maker.answer(position) for position in POSITIONS]
    fields, opposite = {"label": scene.objects[cell].label}, {"label": other.label}
    return maker.query("position-where", number, scene, maker.answer(POSITIONS[cell]), answers, fields, opposite)


def compare_number(maker: VqaMaker, number: int) -> Query:
    """Of which category there are more; first, second and neither equally often."""
    first, second = sorted(maker.scenes.categories(2), key=lambda name: PLURALS[name], reverse=number // 3 % 2 == 0)
    counts = maker.random.choice(COUNTS[number % 3])
    scene = maker.scene([first] * counts[0] + [second] * counts[1], "compare-number", number)
    answers = [maker.answer("equally many"), *(maker.answer(f"more {PLURALS[name]}") for name in (first, second))]
    fields = {"plural": PLURALS[first], "other_plural": PLURALS[second]}
    return maker.query("compare-number", number, scene, answers[number % 3], answers, fields)


def compare_place(maker: VqaMaker, number: int) -> Query:
    """On which side of another a thing is; two in one row or one column, the four sides equally often."""
    side = number % 4
    step, starts = ((-1, (1, 3)), (1, (0, 2)), (-2, (2, 3)), (2, (0, 1)))[side]
    while True:
        scene = maker.scenes.plain(number)
        origin = maker.random.choice(starts)
        anchor, asked = scene.cells[origin], scene.cells[origin + step]
        if anchor and asked:
            break
    answers = [maker.answer(direction) for direction in DIRECTIONS]
    fields = {"label": asked.label, "other_label": anchor.label}
    swapped = {"label": anchor.label, "other_label": asked.label}
    return maker.query("compare-place", number, scene, maker.answer(DIRECTIONS[side]), answers, fields, swapped)


KINDS: tuple[Callable[[VqaMaker, int], Query], ...] = (
    count_all,
    count_category,
    presence_category,
    presence_label,
    position_label,
    position_where,
    compare_number,
    compare_place,
)


def vqa_task(cache_dir: Path) -> Task:
    """emoji-vqa: PER_KIND questions of each of eight kinds."""
    maker = VqaMaker(cache_dir)
    queries = tuple(kind(maker, number) for kind in KINDS for number in range(PER_KIND))
    return Task("emoji-vqa", queries, tuple(maker.candidates.values()))
