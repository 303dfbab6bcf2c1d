from __future__ import annotations

import random

import pytest
import torch
from tools.emoji import templates
from tools.emoji.catalog import Emoji
from tools.emoji.scenes import Scene
from tools.tiny import scenes
from tools.tiny.concepts import PAIR, PICTURE, TEXT, Classes, Prototypes
from tools.tiny.schedule import Group, Trainer
from tools.tiny.wordings import GRAMMAR, HELD_OUT, OPEN, expand, noisy, say, wording

FIELDS = {
    "position": "top left",
    "category": "animal",
    "side": "on the left",
    "value": "dark skin",
    "plural": "animals",
    "other_plural": "foods",
    "label": "dog",
    "other_label": "cat",
}


def emoji(code: str, label: str, category: str = "animal", tone: int = 0, base: str | None = None) -> Emoji:
    drawn = {"in_noto": True, "in_flat": True, "in_3d": True, "in_high_contrast": True}
    tones = (tone,) if tone else ()
    return Emoji(code, label, "g", "s", category, tones, None, base or code, (), **drawn)


DOG, CAT, BIRD, TEA, MILK, CAR = (
    emoji("d", "dog"),
    emoji("c", "cat"),
    emoji("b", "bird"),
    emoji("a", "tea", "drink"),
    emoji("m", "milk", "drink"),
    emoji("v", "car", "vehicle"),
)
ROWS = (DOG, CAT, BIRD, TEA, MILK, CAR, emoji("d1", "dog: dark", tone=5, base="d"))
ANSWERS = ("yes", "no", scenes.EQUAL, *scenes.NUMBERS, *scenes.DIRECTIONS, *templates.POSITIONS)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Classes:
    classes = Classes.of(ROWS, [*ANSWERS, *(f"more {plural}" for plural in scenes.PLURALS.values())])
    monkeypatch.setattr(scenes, "classes", lambda: classes)
    monkeypatch.setattr(
        scenes, "objects", lambda: {"animal": (DOG, CAT, BIRD), "drink": (TEA, MILK), "vehicle": (CAR,)}
    )
    return classes


def said(classes: Classes, ask: scenes.Ask) -> str:
    return next(text for text, number in classes.text.items() if number == ask.answer)


def test_no_held_out_sentence_reaches_training() -> None:
    assert len(HELD_OUT) > 50
    rng = random.Random(0)
    assert not HELD_OUT & {wording(kind, rng) for kind in OPEN for _ in range(400)}


def test_every_kind_of_question_of_the_suite_has_wordings() -> None:
    assert set(OPEN) - set(GRAMMAR) == {"position-label"}
    assert {f"cir-{kind}" for kind in templates.TRAIN_CIR} <= set(OPEN)
    assert {f"union-{kind}" for kind in templates.TRAIN_UNION} <= set(OPEN)


@pytest.mark.parametrize("kind", sorted(OPEN))
def test_what_is_asked_for_survives_the_noise(kind: str) -> None:
    rng = random.Random(1)
    fields = {name for name in FIELDS if any(f"{{{name}}}" in template for template in OPEN[kind])}
    for _ in range(50):
        sentence = say(kind, rng, **FIELDS)
        assert "{" not in sentence and "[" not in sentence
        assert all(FIELDS[name] in sentence for name in fields)


def test_alternatives_within_alternatives_are_chosen_from() -> None:
    rng = random.Random(2)
    assert {expand("x [a [b|c]|] y", rng) for _ in range(60)} == {"x a b y", "x a c y", "x y"}


def test_noise_changes_words_but_no_field() -> None:
    rng = random.Random(3)
    heard = {noisy("what is in the {position} corner", rng) for _ in range(100)}
    assert len(heard) > 20
    assert all("{position}" in sentence for sentence in heard)


def test_a_conjunction_is_asked_only_where_one_thing_is_on_that_side(known: Classes) -> None:
    rng = random.Random(4)
    for _ in range(200):
        cells = [DOG, CAT, TEA, None]
        rng.shuffle(cells)
        scene = Scene("", tuple(cells))
        cell = rng.choice(list(scene.objects))
        ask = scenes.control(scene, cell, rng)
        assert said(known, ask) == scene.cells[cell].label  # type: ignore[union-attr]
        if ask.kind == "conjunction":
            partner = CAT if scene.cells[cell] == DOG else DOG
            side = next(side for side in templates.SIDES if side in ask.instruction)
            assert cell in scenes.SIDE_CELLS[side]
            assert cells.index(partner) not in scenes.SIDE_CELLS[side]


def test_answers_to_visual_questions_are_true(known: Classes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "say", lambda kind, rng, **fields: "|".join([kind, *fields.values()]))
    rng = random.Random(5)
    scene = Scene("", (DOG, TEA, CAT, None))
    seen: dict[str, set[str]] = {}
    for _ in range(400):
        ask = scenes.visual_question(scene, rng)
        seen.setdefault(ask.text, set()).add(said(known, ask))
    truth = {
        "count-all": "three",
        "count-category|animals": "two",
        "presence-category|vehicle": "no",
        "presence-label|dog": "yes",
        "position-where|cat": "bottom left",
        "compare-place|dog|tea": "left of it",
        "compare-place|cat|dog": "below it",
        "compare-number|animals|vehicles": "more animals",
    }
    assert {question: seen[question] for question in truth} == {
        question: {answer} for question, answer in truth.items()
    }
    assert "compare-place|tea|cat" not in seen
    assert all(len(answers) == 1 for answers in seen.values())


def test_classes_share_ideas_between_forms_and_tones() -> None:
    classes = Classes.of(ROWS, ["dog", "yes"])
    idea, tone, form = classes.parts.unbind(1)
    picture, toned, pair, text = (classes.picture["d"], classes.picture["d1"], classes.pair["d"], classes.text["dog"])
    assert len({int(idea[n]) for n in (picture, toned, pair, text)}) == 1
    assert (int(tone[picture]), int(tone[toned])) == (0, 5)
    assert [int(form[n]) for n in (picture, text, pair)] == [PICTURE, TEXT, PAIR]
    assert classes.ideas == 7
    norms = Prototypes(classes)().norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(len(classes.parts)))


def test_the_schedule_counts_steps_and_ends_near_zero() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    trainer = Trainer([Group([weight], factor=0.5)], steps=200)
    rates = []
    for _ in range(200):
        trainer.step((weight**2).sum())
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert max(rates) <= 1e-3
    assert rates[0] < rates[30] < rates[59]
    assert rates[-1] < 2e-5
