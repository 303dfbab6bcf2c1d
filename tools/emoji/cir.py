"""emoji-cir: a reference picture and a change in words -> the changed picture, several where several are right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from tools.emoji.catalog import Emoji, asked, catalog, lookalikes, twins
from tools.emoji.changes import Change, changes
from tools.emoji.questions import Candidate, Query, Task, choose_wording, unique
from tools.emoji.templates import (
    HELD_OUT_ANY_TONE,
    HELD_OUT_CIR,
    STYLES,
    TRAIN_ANY_TONE,
    TRAIN_CIR,
    TRAIN_CIR_INSTRUCTION,
)

PER_KIND = 200
SUBSET_SIZE = 8
FROM_EACH = 3
ANY_TONE_KINDS = ("gender", "role")


class CirMaker:
    """Holds the pool of pictures and turns changes into questions. Pictures are known by their ids here."""

    def __init__(self, flat_concepts: Iterable[str], cache_dir: Path) -> None:
        self.random = Random("emoji-cir 1")
        self.rows = catalog(cache_dir)
        self.alike = {style: lookalikes(style, cache_dir) for style in ("noto", "flat")}
        self.twins = {style: twins(style, cache_dir) for style in ("noto", "flat")}
        self.by_base: dict[str, list[Emoji]] = defaultdict(list)
        known = {row.hex for row in asked(cache_dir)}
        for row in self.rows.values():
            if row.in_noto and len(row.tones) < 2 and row.base in known:
                self.by_base[row.base].append(row)
        self.pool = [f"noto:{row.hex}" for rows in self.by_base.values() for row in rows]
        self.flat_concepts = [code for code in flat_concepts if code in self.by_base]

    def family(self, picture: str) -> list[str]:
        """The tones of a picture's concept in its style, itself among them."""
        style, code = picture.split(":")
        rows = self.by_base[self.rows[code].base]
        return [f"{style}:{row.hex}" for row in rows if style == "noto" or row.in_flat]

    def right_answers(self, target: str) -> set[str]:
        """The target and its twins of the same style."""
        style, code = target.split(":")
        return {f"{style}:{other}" for other in self.twins[style][code]}

    def is_clear(self, reference: str, target: str, relevant: set[str]) -> bool:
        """Whether the drawings show the change: no lookalike of the target is wrong, none of the reference right."""
        style, code = target.split(":")
        alike = {f"{style}:{other}" for other in self.alike[style][code]}
        return alike <= relevant and not relevant & self.right_answers(reference)


def any_tone(maker: CirMaker, target: str) -> set[str]:
    """Every tone of the target, twins included."""
    return {right for sibling in maker.family(target) for right in maker.right_answers(sibling)}


def question(maker: CirMaker, change: Change, reference: str, target: str, number: int) -> Query | None:
    """The question of a change, or None where the drawings do not show it."""
    wording = choose_wording(maker.random, TRAIN_CIR[change.kind], HELD_OUT_CIR[change.kind])
    open_tone = change.kind in ANY_TONE_KINDS and number % 2 == 0 and len(maker.family(target)) > 1
    suffixes: Sequence[str] = TRAIN_ANY_TONE if wording.seen else HELD_OUT_ANY_TONE
    suffix = maker.random.choice(suffixes) if open_tone else ""
    relevant = any_tone(maker, target) if open_tone else maker.right_answers(target)
    if not maker.is_clear(reference, target, relevant):
        return None
    return Query(
        id=f"{change.kind}-{number:03d}",
        text=wording.say(value=change.value) + suffix,
        instruction=TRAIN_CIR_INSTRUCTION[0],
        tiles=(reference,),
        relevant=(target, *sorted(relevant - {target})),
        target=(target,),
        exclude=(reference,),
        subset=near_variants(maker, change, reference, target, relevant),
        paraphrases=tuple(
            other + (maker.random.choice(HELD_OUT_ANY_TONE) if open_tone else "")
            for other in wording.paraphrases(value=change.value)
        ),
        tags={"change": change.kind, "wording": wording.tag, "answers": "several" if len(relevant) > 1 else "one"},
    )


def near_variants(maker: CirMaker, change: Change, reference: str, target: str, relevant: set[str]) -> tuple[str, ...]:
    """The target and seven close pictures that are wrong: tones of it and of the reference, and close concepts.

    Some of them show what the text says and some what the reference shows, so neither alone finds the target.
    """
    circles = [_shuffled(maker, target), _shuffled(maker, reference), neighbours(maker, reference, target)]
    if change.kind == "tone":
        circles[1] = neighbours(maker, target, target)
    if change.kind == "style":
        circles.append(neighbours(maker, reference, reference))
    wrong = [[picture for picture in circle if picture not in {reference, *relevant}] for circle in circles]
    ordered = [picture for circle in wrong for picture in circle[:FROM_EACH]]
    ordered += [picture for circle in wrong for picture in circle[FROM_EACH:]]
    chosen = [target, *list(unique(ordered))[: SUBSET_SIZE - 1]]
    higher = [picture for picture in ordered if picture > target]
    if max(chosen) == target and higher and maker.random.random() < 0.25:
        chosen[-1] = higher[0]  # a tie goes to the highest id, which else were right too often
    maker.random.shuffle(chosen)
    return tuple(chosen)


def _shuffled(maker: CirMaker, picture: str) -> list[str]:
    family = maker.family(picture)
    return maker.random.sample(family, len(family))


def neighbours(maker: CirMaker, reference: str, target: str) -> list[str]:
    """Pictures of the target's style in the reference's tone, those nearest to the target in kind and name first."""
    style, code = target.split(":")
    goal, tones = maker.rows[code], maker.rows[reference.split(":")[1]].tones
    words = set(goal.label.split())
    close = [
        row
        for rows in maker.by_base.values()
        for row in rows
        if row.group == goal.group and row.tones == tones and row.base != goal.base
        if style == "noto" or (row.in_flat and row.base in maker.flat_concepts)
    ]
    close.sort(key=lambda row: (row.subgroup != goal.subgroup, -len(words & set(row.label.split())), row.hex))
    return [f"{style}:{row.hex}" for row in close[:8]]


def style_changes(maker: CirMaker) -> list[Change]:
    """A Noto picture as Fluent draws it flat: half of them concepts without tones, half one tone of many."""
    plain = [code for code in maker.flat_concepts if len(maker.by_base[code]) == 1]
    toned = [rows for rows in maker.by_base.values() if len(rows) == 6 and all(row.in_flat for row in rows)]
    chosen = maker.random.sample(plain, PER_KIND // 2)
    chosen += [maker.random.choice(rows).hex for rows in maker.random.sample(toned, PER_KIND // 2)]
    return [Change("style", code, STYLES["flat"], code) for code in chosen]


def questions(maker: CirMaker) -> list[Query]:
    """Up to PER_KIND questions of every kind."""
    by_kind: dict[str, list[Change]] = defaultdict(list)
    members = {row.hex for rows in maker.by_base.values() for row in rows}
    for change in changes(maker.rows, lambda row: row.hex in members):
        by_kind[change.kind].append(change)
    by_kind["style"] = style_changes(maker)
    found: list[Query] = []
    for kind, every in by_kind.items():
        made: list[Query] = []
        for change in maker.random.sample(every, len(every)):
            style = "flat" if kind == "style" else "noto"
            asked = question(maker, change, f"noto:{change.reference}", f"{style}:{change.target}", len(made))
            made += [asked] if asked else []
            if len(made) == PER_KIND:
                break
        found += made
    return found


def cir_task(flat_concepts: Iterable[str], cache_dir: Path) -> Task:
    """emoji-cir over every one-tone Noto picture, and the flat pictures of the style questions and many others.

    `flat_concepts`: base concepts whose flat picture is in the pool anyway.
    """
    maker = CirMaker(flat_concepts, cache_dir)
    queries = questions(maker)
    needed = {picture for query in queries for picture in (*query.relevant, *(query.subset or ()))}
    flat = {f"flat:{code}" for code in maker.flat_concepts} | {p for p in needed if p.startswith("flat:")}
    pool = [*maker.pool, *sorted(flat)]
    return Task("emoji-cir", tuple(queries), tuple(Candidate(picture, tiles=(picture,)) for picture in pool))
