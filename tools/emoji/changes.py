"""The exact modifications of composed retrieval, read off the Unicode sequences of one drawing style."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

from tools.emoji.catalog import Emoji
from tools.emoji.templates import AGES, HAIRS, TONES, article

PAIRS = (("1f468", "1f469"), ("1f466", "1f467"), ("1f474", "1f475"), ("1f934", "1f478"))
CHILDREN = frozenset({"1f466", "1f467"})
AGE_CHAINS = (("1f466", "1f468", "1f474"), ("1f467", "1f469", "1f475"), ("1f9d2", "1f9d1", "1f9d3"))
ADULTS = frozenset({"1f468", "1f469", "1f9d1"})
TONE_SUFFIXES = ("", "-1f3fb", "-1f3fc", "-1f3fd", "-1f3fe", "-1f3ff")
SIGNS = ("2642", "2640")


@dataclass(frozen=True)
class Change:
    """Reference picture, what is to change into which value, and the picture that then is right."""

    kind: str
    reference: str
    value: str
    target: str


def changes(rows: Mapping[str, Emoji], drawn: Callable[[Emoji], bool]) -> list[Change]:
    """Every change of tone, gender, hair, direction, age and role between two drawings that a style has.

    `drawn` tells whether the style draws an emoji. Pictures of two people in two tones are left out.
    """
    usable = {code: row for code, row in rows.items() if drawn(row) and len(row.tones) < 2}
    found: list[Change] = []
    for kind in (_tones, _genders, _hairs, _directions, _ages, _roles):
        found += kind(usable)
    return found


def _tones(rows: Mapping[str, Emoji]) -> Iterator[Change]:
    by_base: dict[str, list[Emoji]] = defaultdict(list)
    for row in rows.values():
        by_base[row.base].append(row)
    for siblings in by_base.values():
        for old, new in permutations(siblings, 2):
            yield Change("tone", old.hex, TONES[new.tones[0] if new.tones else 0], new.hex)


def gender_sibling(code: str) -> str | None:
    """The same emoji with man and woman swapped, whether or not a style draws it; None where no gender is stated."""
    first, _, rest = code.partition("-")
    if code.endswith(SIGNS):
        return code[:-4] + SIGNS[1 - SIGNS.index(code[-4:])]
    for pair in PAIRS:
        if first in pair:
            other = pair[1 - pair.index(first)]
            return f"{other}-{rest}" if rest else other
    return None


def _genders(rows: Mapping[str, Emoji]) -> Iterator[Change]:
    for row in rows.values():
        other = gender_sibling(row.hex)
        if other is not None and other in rows and rows[other].gender is not None:
            young = row.hex.split("-")[0] in CHILDREN
            word = {"male": "a boy", "female": "a girl"} if young else {"male": "a man", "female": "a woman"}
            yield Change("gender", row.hex, word[str(rows[other].gender)], other)


def _hairs(rows: Mapping[str, Emoji]) -> Iterator[Change]:
    for row in rows.values():
        parts = row.hex.split("-")
        core = [part for part in parts if part not in HAIRS]
        if core[-1] == "200d":
            core.pop()
        if core[0] not in ADULTS or "200d" in core:
            continue
        for hair, name in HAIRS.items():
            target = "-".join([*core, "200d", hair])
            if target in rows and target != row.hex:
                yield Change("hair", row.hex, name, target)


def _directions(rows: Mapping[str, Emoji]) -> Iterator[Change]:
    for row in rows.values():
        mirrored = f"{row.hex}-200d-27a1"
        if mirrored in rows:
            yield Change("direction", row.hex, "right", mirrored)
            yield Change("direction", mirrored, "left", row.hex)


def _ages(rows: Mapping[str, Emoji]) -> Iterator[Change]:
    for chain in AGE_CHAINS:
        for tone in TONE_SUFFIXES:
            for old, new in permutations(range(len(chain)), 2):
                reference, target = chain[old] + tone, chain[new] + tone
                if reference in rows and target in rows:
                    yield Change("age", reference, AGES[new], target)


def _roles(rows: Mapping[str, Emoji]) -> Iterator[Change]:
    """The same person at other work: sequences person + joiner + tool, of one gender and one tone."""
    teams: dict[tuple[str, tuple[int, ...]], list[Emoji]] = defaultdict(list)
    for row in rows.values():
        first, *rest = row.hex.split("-")
        if first in ADULTS and row.subgroup == "person-role" and "200d" in rest and rest[-1] not in SIGNS:
            teams[first, row.tones].append(row)
    for team in teams.values():
        for old, new in permutations(team, 2):
            job = job_name(new, rows)
            if job is not None:
                yield Change("role", old.hex, f"{article(job)} {job}", new.hex)


def job_name(row: Emoji, rows: Mapping[str, Emoji]) -> str | None:
    """`farmer` for every farmer; None for a state or a dress (feeding a baby, in a tuxedo), which is no job."""
    label = rows[row.base].label if row.base in rows else row.label
    job = label.removeprefix("man ").removeprefix("woman ")
    return None if job.startswith(("in ", "with ", "feeding", "person ", "pregnant")) else job
