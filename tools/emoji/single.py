"""Tasks on one picture or one label: emoji-cls, emoji-i2t, emoji-t2i."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from random import Random

from tools.emoji.catalog import Emoji, asked, targets
from tools.emoji.categories import CATEGORIES, SUBGROUP_NAMES
from tools.emoji.questions import Candidate, Query, Task, choose_wording, label_candidate, picture, unique
from tools.emoji.scenes import answers
from tools.emoji.templates import (
    HELD_OUT_CLS,
    HELD_OUT_I2T,
    HELD_OUT_T2I,
    TRAIN_CLS,
    TRAIN_I2T,
    TRAIN_T2I,
)

PER_CATEGORY = 40
PER_SUBGROUP = 8
MIN_SUBGROUP = 4


def class_of(row: Emoji, level: str) -> str | None:
    """Name of an emoji's class; None where it has none, or one that says only what it is not (`other-object`)."""
    if level == "category":
        return row.category
    if "other" in row.subgroup.split("-"):
        return None
    return SUBGROUP_NAMES.get(row.subgroup, row.subgroup.replace("-", " "))


def _classify(level: str, limit: int, rows: Iterable[Emoji], cache_dir: Path) -> Task:
    random = Random(f"emoji-cls {level} 1")
    members: dict[str, list[Emoji]] = defaultdict(list)
    for row in rows:
        name = class_of(row, level)
        if name is not None:
            members[name].append(row)
    members = {name: group for name, group in members.items() if len(group) >= MIN_SUBGROUP}
    chosen = {name: random.sample(group, min(limit, len(group))) for name, group in members.items()}
    ids = _class_ids(level, {name: len(group) for name, group in chosen.items()})
    home = {row.hex: name for name, group in members.items() for row in group}
    queries = []
    for group in chosen.values():
        for row in group:
            wording = choose_wording(random, TRAIN_CLS[level], HELD_OUT_CLS[level])
            right = [home[other] for other in (row.hex, *answers(row, cache_dir)) if other in home]
            queries.append(
                Query(
                    id=f"{level}-{row.hex}",
                    instruction=wording.say(),
                    tiles=(picture(row),),
                    relevant=unique(ids[name] for name in right),
                    target=(ids[home[row.hex]],),
                    gallery=tuple(ids.values()),
                    paraphrases=wording.paraphrases(),
                    tags={"level": level, "wording": wording.tag},
                )
            )
    return Task("emoji-cls", tuple(queries), tuple(Candidate(code, text=name) for name, code in ids.items()))


def _class_ids(level: str, sizes: dict[str, int]) -> dict[str, str]:
    """name -> id, numbered from the largest class down: a tie goes to the highest id, and is worth the least there."""
    ordered = sorted(sizes, key=lambda name: (-sizes[name], name))
    return {name: f"{level}-{number:02d}" for number, name in enumerate(ordered, 1)}


def classification_task(cache_dir: Path) -> Task:
    """emoji-cls at two levels in one task; each question's gallery holds the names of its own level."""
    rows = asked(cache_dir)
    coarse = _classify("category", PER_CATEGORY, rows, cache_dir)
    fine = _classify("subgroup", PER_SUBGROUP, rows, cache_dir)
    assert len({c.id for c in coarse.candidates}) == len(CATEGORIES)
    return Task("emoji-cls", coarse.queries + fine.queries, coarse.candidates + fine.candidates)


def image_to_text_task(cache_dir: Path) -> Task:
    """emoji-i2t: the Noto picture of a label -> the label."""
    random = Random("emoji-i2t 1")
    queries = []
    for row in asked(cache_dir):
        wording = choose_wording(random, TRAIN_I2T, HELD_OUT_I2T)
        queries.append(
            Query(
                id=f"i2t-{row.hex}",
                instruction=wording.say(),
                tiles=(picture(row),),
                relevant=answers(row, cache_dir),
                target=(row.hex,),
                paraphrases=wording.paraphrases(),
                tags={"group": row.group, "wording": wording.tag},
            )
        )
    return Task("emoji-i2t", tuple(queries), tuple(label_candidate(row) for row in targets(cache_dir)))


def text_to_image_task(cache_dir: Path) -> Task:
    """emoji-t2i: a label -> its Noto picture."""
    random = Random("emoji-t2i 1")
    queries = []
    for row in asked(cache_dir):
        wording = choose_wording(random, TRAIN_T2I, HELD_OUT_T2I)
        queries.append(
            Query(
                id=f"t2i-{row.hex}",
                text=row.label,
                instruction=wording.say(),
                relevant=tuple(f"noto:{code}" for code in answers(row, cache_dir)),
                target=(picture(row),),
                paraphrases=wording.paraphrases(),
                tags={"group": row.group, "wording": wording.tag},
            )
        )
    pictures = tuple(Candidate(picture(row), tiles=(picture(row),)) for row in targets(cache_dir))
    return Task("emoji-t2i", tuple(queries), pictures)
