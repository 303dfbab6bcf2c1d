"""What there is: every emoji with its names and kinds, the labels that are asked for, and which drawings look alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.emoji.categories import CATEGORIES, NO_TARGET_GROUPS, NO_TARGET_SUBGROUPS, NOT_ASKED
from tools.emoji.render import names, normal_hex, on_white, render_style
from tools.emoji.sources import DEFAULT_CACHE, read_json

TWIN_PX = 32
TWIN_ERROR = 1e-3  # mean squared difference of two drawings at TWIN_PX, channels in 0..1
MALE = frozenset({"1f468", "1f466", "1f474", "1f934", "2642"})
FEMALE = frozenset({"1f469", "1f467", "1f475", "1f478", "2640"})


@dataclass(frozen=True)
class Emoji:
    """One emoji. `tones` is () for the default skin, (1..5,) for one tone, two entries where two people differ."""

    hex: str
    label: str
    group: str
    subgroup: str
    category: str | None
    tones: tuple[int, ...]
    gender: str | None
    base: str
    tags: tuple[str, ...]
    in_noto: bool
    in_flat: bool
    in_3d: bool
    in_high_contrast: bool

    @property
    def is_base(self) -> bool:
        """Whether this is the concept itself, not one of its skin tones."""
        return self.hex == self.base


@cache
def catalog(cache_dir: Path = DEFAULT_CACHE) -> dict[str, Emoji]:
    """hex -> Emoji for everything that has a name in CLDR, in Unicode's order, each base before its tones."""
    groups = read_json("names", "meta/groups.json", cache_dir)
    rows: dict[str, Emoji] = {}
    for entry in read_json("names", "en/data.json", cache_dir):
        if "group" not in entry:  # regional indicators: halves of flags
            continue
        base = normal_hex(entry["hexcode"])
        for variant in (entry, *entry.get("skins", ())):
            row = _emoji(variant, entry, base, groups, cache_dir)
            rows[row.hex] = row
    return rows


def _emoji(variant: dict[str, Any], entry: dict[str, Any], base: str, groups: Any, cache_dir: Path) -> Emoji:
    code = normal_hex(variant["hexcode"])
    subgroup = groups["subgroups"][str(entry["subgroup"])]
    tone = variant.get("tone", ())
    return Emoji(
        hex=code,
        label=variant["label"],
        group=groups["groups"][str(entry["group"])],
        subgroup=subgroup,
        category=_category(subgroup, entry["label"]),
        tones=tuple(tone) if isinstance(tone, (list, tuple)) else (tone,),
        gender=_gender(code),
        base=base,
        tags=tuple(entry.get("tags", ())),
        in_noto=code in names("noto", cache_dir),
        in_flat=code in names("flat", cache_dir),
        in_3d=code in names("3d", cache_dir),
        in_high_contrast=code in names("high-contrast", cache_dir),
    )


def _gender(code: str) -> str | None:
    """Read off the code points; CLDR states it for some of the sequences only."""
    parts = set(code.split("-"))
    if parts & MALE and parts & FEMALE:
        return None
    return "male" if parts & MALE else "female" if parts & FEMALE else None


def _category(subgroup: str, label: str) -> str | None:
    for category in CATEGORIES:
        if subgroup in category.subgroups and label not in category.without:
            return category.name
    return None


@cache
def targets(cache_dir: Path = DEFAULT_CACHE) -> tuple[Emoji, ...]:
    """The concepts whose labels are asked for: drawn by Noto and Fluent, no flags, keycaps or letters in boxes."""
    return tuple(
        row
        for row in catalog(cache_dir).values()
        if row.is_base
        and row.in_noto
        and row.in_flat
        and row.group not in NO_TARGET_GROUPS
        and row.subgroup not in NO_TARGET_SUBGROUPS
    )


@cache
def asked(cache_dir: Path = DEFAULT_CACHE) -> tuple[Emoji, ...]:
    """The targets that questions may be about."""
    return tuple(row for row in targets(cache_dir) if row.label not in NOT_ASKED)


@cache
def scene_objects(cache_dir: Path = DEFAULT_CACHE) -> dict[str, tuple[Emoji, ...]]:
    """category -> what may stand in a scene. Left out, since the drawing would not tell which label is meant: a
    person of no stated gender where Unicode has the man or the woman too, and whoever merely faces the other way."""
    rows = asked(cache_dir)
    gendered = {_genderless(row.label) for row in rows if row.gender}
    chosen: dict[str, list[Emoji]] = {category.name: [] for category in CATEGORIES}
    for row in rows:
        vague = row.gender is None and row.category == "person" and _genderless(row.label) in gendered
        if row.category is not None and not vague and not row.label.endswith(": facing right"):
            chosen[row.category].append(row)
    return {name: tuple(members) for name, members in chosen.items()}


def _genderless(label: str) -> str:
    """Label without its leading person word: `man farmer`, `woman farmer` and `farmer` are alike."""
    words = label.split(" ")
    if words[0].rstrip(":") in {"man", "woman", "person", "men", "women", "people"} and len(words) > 1:
        words = words[1:]
    return " ".join(words)


@cache
def lookalikes(style: str = "noto", cache_dir: Path = DEFAULT_CACHE) -> dict[str, frozenset[str]]:
    """hex -> every catalogued emoji that the style draws nearly the same way, itself among them."""
    known = catalog(cache_dir)
    drawings = {code: rgba for code, rgba in render_style(style, TWIN_PX, cache_dir).items() if code in known}
    codes = list(drawings)
    near = _near_pairs(np.stack([on_white(drawings[code]).reshape(-1) for code in codes]))
    found: dict[str, set[str]] = {code: {code} for code in codes}
    for first, second in near:
        found[codes[first]].add(codes[second])
        found[codes[second]].add(codes[first])
    return {code: frozenset(alike) for code, alike in found.items()}


def _near_pairs(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Row pairs [m, 2] whose mean squared difference is below TWIN_ERROR; pixels uint8 [n, values].

    A float product proposes, exact integers decide: the outcome does not depend on the linear algebra library.
    """
    values = pixels.astype(np.float32) / 255
    norms = (values**2).sum(1)
    pairs: list[NDArray[np.int64]] = []
    for start in range(0, len(values), 512):
        block = slice(start, start + 512)
        error = (norms[block, None] + norms[None] - 2 * values[block] @ values.T) / pixels.shape[1]
        rows, columns = np.nonzero(error < 2 * TWIN_ERROR)
        keep = rows + start < columns
        pairs.append(np.stack([rows[keep] + start, columns[keep]], axis=1))
    proposed = np.concatenate(pairs)
    limit = TWIN_ERROR * 255**2 * pixels.shape[1]
    difference = pixels[proposed[:, 0]].astype(np.int64) - pixels[proposed[:, 1]]
    near: NDArray[np.int64] = proposed[(difference**2).sum(1) < limit]
    return near


@cache
def twins(style: str = "noto", cache_dir: Path = DEFAULT_CACHE) -> dict[str, frozenset[str]]:
    """hex -> itself and the drawings that answer equally well: the same pixels, or a lookalike of another concept.

    Tones of one concept that differ in a few pixels stay different answers.
    """
    rows = catalog(cache_dir)
    similar = lookalikes(style, cache_dir)
    drawings = render_style(style, 72, cache_dir)
    pixels = {code: drawings[code].tobytes() for code, alike in similar.items() if len(alike) > 1}
    return {
        code: frozenset(
            other
            for other in alike
            if other == code or rows[other].base != rows[code].base or pixels[other] == pixels[code]
        )
        for code, alike in similar.items()
    }
