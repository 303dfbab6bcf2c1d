"""What training knows: the Fluent emoji, the answers in words, and the class numbers of both."""

from __future__ import annotations

from functools import cache

from tools.emoji.catalog import Emoji, catalog, scene_objects, targets
from tools.emoji.categories import CATEGORIES
from tools.emoji.single import class_of
from tools.emoji.templates import POSITIONS
from tools.emoji.vqa import DIRECTIONS, NUMBERS
from tools.tiny.concepts import Classes

EQUAL = "equally many"


@cache
def drawn() -> tuple[Emoji, ...]:
    """Every emoji that Fluent draws, pictures of two people in two tones left out."""
    return tuple(row for row in catalog().values() if row.in_flat and len(row.tones) < 2)


@cache
def by_hex() -> dict[str, Emoji]:
    """hex -> emoji of all that is drawn."""
    return {row.hex: row for row in drawn()}


@cache
def answers() -> tuple[str, ...]:
    """Every answer that is no label: numbers, places, comparisons, names of categories and subgroups."""
    fixed = ["yes", "no", EQUAL, *NUMBERS, *DIRECTIONS, *POSITIONS]
    fixed += [f"more {category.plural}" for category in CATEGORIES] + [category.name for category in CATEGORIES]
    subgroups = {class_of(row, "subgroup") for row in targets()} - {None}
    return tuple(dict.fromkeys([*fixed, *sorted(str(name) for name in subgroups)]))


@cache
def classes() -> Classes:
    """Class numbers of all drawings, labels and answers."""
    return Classes.of(drawn(), answers())


@cache
def objects() -> dict[str, tuple[Emoji, ...]]:
    """category -> what may stand in a scene."""
    return scene_objects()
