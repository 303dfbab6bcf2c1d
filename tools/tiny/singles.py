"""Questions about one picture or one label: names, classes, changes, and the form that is wanted."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from tools.emoji.catalog import Emoji
from tools.emoji.changes import Change, changes
from tools.emoji.single import class_of
from tools.emoji.templates import STYLES as STYLE_NAMES
from tools.emoji.templates import TRAIN_ANY_TONE
from tools.tiny.drawings import STYLES, any_style, has
from tools.tiny.scenes import UNION_FORMS, Ask
from tools.tiny.vocabulary import by_hex, classes, drawn
from tools.tiny.wordings import say

ANY_TONE_KINDS = ("gender", "role")
ANY_TONE_SHARE = 0.3


def form_of(row: Emoji, form: str) -> int:
    """Class of an emoji as text, picture or pair."""
    known = classes()
    base = by_hex()[row.base]
    return {"text": known.text[base.label], "image": known.picture[row.hex], "pair": known.pair[row.base]}[form]


def about_picture(row: Emoji, rng: random.Random) -> Ask:
    """Name, category, subgroup, or the thing in a wanted form."""
    text = classes().text
    draw = rng.random()
    if draw < 0.2:
        return Ask("i2t", "", say("i2t", rng), form_of(row, "text"))
    if draw < 0.7:
        level = "category" if draw < 0.45 else "subgroup"
        name = class_of(row, level)
        if name in text:
            return Ask(f"cls-{level}", "", say(f"cls-{level}", rng), text[str(name)])
    form = rng.choice(UNION_FORMS)
    return Ask(f"union-image-{form}", "", say(f"union-image-{form}", rng), form_of(row, form))


def about_label(row: Emoji, rng: random.Random) -> Ask:
    """The picture of a label, or picture and label."""
    if rng.random() < 0.5:
        return Ask("t2i", row.label, say("t2i", rng), form_of(row, "image"))
    form = rng.choice(UNION_FORMS[1:])
    return Ask(f"union-text-{form}", row.label, say(f"union-text-{form}", rng), form_of(row, form))


@cache
def _changes() -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = defaultdict(list)
    for change in changes(by_hex(), lambda row: True):
        found[change.kind].append(change)
    return dict(found)


@dataclass(frozen=True)
class Composed:
    """A question of composed retrieval: the reference as (hex, style), what is asked, the style of the answer."""

    reference: tuple[str, str]
    ask: Ask
    style: int


def about_change(rng: random.Random) -> Composed:
    """A change of any kind, all kinds equally often; the answer keeps the reference's style unless that changes."""
    kind = rng.choice(["style", *_changes()])
    if kind == "style":
        code = rng.choice(drawn()).hex
        change = Change(kind, code, "", code)
        before, after = any_style(code, rng), any_style(code, rng)
        text = say("cir-style", rng, value=STYLE_NAMES[after])
    else:
        change = rng.choice(_changes()[kind])
        before = after = rng.choice([s for s in STYLES if has(change.reference, s) and has(change.target, s)])
        text = say(f"cir-{kind}", rng, value=change.value)
        if kind in ANY_TONE_KINDS and rng.random() < ANY_TONE_SHARE:
            text += rng.choice(TRAIN_ANY_TONE)
    ask = Ask(f"cir-{kind}", text, say("cir", rng), classes().picture[change.target])
    return Composed((change.reference, before), ask, STYLES.index(after))
