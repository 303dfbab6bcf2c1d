"""Checks the shipped files by themselves: reads Parquet only, shares no code with what made them."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tools.emoji.check_meaning import meaning_problems

TASKS = (
    "emoji-ctrl",
    "emoji-ctrl-category",
    "emoji-cir",
    "emoji-cls",
    "emoji-vqa",
    "emoji-i2t",
    "emoji-t2i",
    "emoji-union",
)
MODALITIES = {(True, False): "text", (False, True): "image", (True, True): "image,text"}
SIDE = 72
MAX_BYTES = 8_000_000
Row = dict[str, Any]


@dataclass(frozen=True)
class Loaded:
    """One task as its two files have it."""

    name: str
    queries: list[Row]
    candidates: list[Row]
    pictures: dict[str, Row]

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """Candidate id -> candidate."""
        return {candidate["id"]: candidate for candidate in self.candidates}


def load(folder: Path, task: str, pictures: dict[str, Row]) -> Loaded:
    """Reads a task's files."""
    queries = pq.read_table(folder / f"{task}.queries.parquet").to_pylist()
    candidates = pq.read_table(folder / f"{task}.candidates.parquet").to_pylist()
    return Loaded(task, queries, candidates, pictures)


def load_pictures(folder: Path) -> dict[str, Row]:
    """Picture id -> row of pictures.parquet."""
    return {row["id"]: row for row in pq.read_table(folder / "pictures.parquet").to_pylist()}


def problems(folder: Path) -> list[str]:
    """Everything that is wrong in a data folder, one sentence each; empty when it is sound."""
    rows = pq.read_table(folder / "pictures.parquet").to_pylist()
    pictures = {row["id"]: row for row in rows}
    found = [f"pictures: id {code} twice" for code in _twice(row["id"] for row in rows)]
    found += [f"pictures: {row['id']} has a wrong size" for row in rows if len(row["pixels"]) != SIDE * SIDE * 3]
    found += [f"pictures: {row['id']} is blank" for row in rows if not row["pixels"].strip(b"\xff")]
    used: set[str] = set()
    for name in TASKS:
        task = load(folder, name, pictures)
        found += [f"{name}: {problem}" for check in CHECKS for problem in check(task)]
        found += [f"{name}: {problem}" for problem in meaning_problems(name, task.queries, task.by_id, pictures)]
        used |= {tile for row in (*task.queries, *task.candidates) for tile in row["tiles"] or () if tile}
    found += [f"pictures: {code} is used nowhere" for code in sorted(set(pictures) - used)]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return found + ([f"{folder} has {size:,} bytes, the limit is {MAX_BYTES:,}"] if size > MAX_BYTES else [])


def _twice(values: Iterable[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


def check_ids(task: Loaded) -> Iterator[str]:
    """Ids are unique, every id that is named exists, and no list names one twice."""
    for kind, rows in (("query", task.queries), ("candidate", task.candidates)):
        yield from (f"{kind} id {code} twice" for code in _twice(row["id"] for row in rows))
    shown = {tile for query in task.queries for tile in query["tiles"] or ()}
    for query in task.queries:
        for name in ("relevant", "target", "exclude", "gallery", "subset"):
            named = query[name] or []
            unknown = [code for code in named if code not in task.by_id]
            if name == "exclude":
                unknown = [code for code in unknown if code not in shown]
            yield from (f"{query['id']}: {name} names the unknown {code}" for code in unknown)
            yield from (f"{query['id']}: {name} names {code} twice" for code in _twice(named))


def check_tiles(task: Loaded) -> Iterator[str]:
    """Every tile is a picture, a picture has one tile or four, and something is shown."""
    for row in (*task.queries, *task.candidates):
        tiles = row["tiles"]
        if tiles is None:
            if row["text"] is None:
                yield f"{row['id']}: neither text nor picture"
            continue
        if len(tiles) not in {1, 4} or not any(tiles) or (len(tiles) == 1 and tiles[0] == ""):
            yield f"{row['id']}: tiles {tiles}"
        yield from (f"{row['id']}: no picture {tile}" for tile in tiles if tile and tile not in task.pictures)


def check_modality(task: Loaded) -> Iterator[str]:
    """The stated modality of a candidate is what it has, and no two candidates are the same."""
    for row in task.candidates:
        if row["modality"] != MODALITIES.get((row["text"] is not None, row["tiles"] is not None)):
            yield f"{row['id']}: modality {row['modality']}"
    for pool in {tuple(query["gallery"] or task.by_id) for query in task.queries}:
        contents = (f"{task.by_id[code]['text']} {task.by_id[code]['tiles']}" for code in pool)
        yield from (f"two candidates are {content}" for content in _twice(contents))


def check_answers(task: Loaded) -> Iterator[str]:
    """There is a right answer, the target is among them, they can be found, and the reference is none of them."""
    for query in task.queries:
        code, relevant = query["id"], set(query["relevant"])
        if len(query["target"]) != 1 or not set(query["target"]) <= relevant:
            yield f"{code}: target {query['target']} is not among the right answers"
        if relevant & set(query["exclude"]):
            yield f"{code}: a right answer is excluded"
        if query["gallery"] is not None and not relevant <= set(query["gallery"]):
            yield f"{code}: a right answer is not in the gallery"
        if query["gallery"] is not None and not relevant < set(query["gallery"]):
            yield f"{code}: every answer is right"
        if query["subset"] is not None:
            yield from _subset_problems(query, relevant)


def _subset_problems(query: Row, relevant: set[str]) -> Iterator[str]:
    subset = set(query["subset"])
    if not set(query["target"]) <= subset:
        yield f"{query['id']}: the subset lacks the target"
    if subset & set(query["exclude"]):
        yield f"{query['id']}: the subset has the excluded picture"
    if len(subset & relevant) != 1 or not 3 <= len(subset) <= 10:
        yield f"{query['id']}: a subset of {len(subset)} with {len(subset & relevant)} right, expected one"


def check_groups(task: Loaded) -> Iterator[str]:
    """The questions of a scene share its picture, ask at least three things and have different answers."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for query in task.queries:
        if query["group"] is not None:
            groups[query["group"]].append(query)
    for name, members in groups.items():
        if len(members) < 3 or len({tuple(query["tiles"]) for query in members}) != 1:
            yield f"group {name} has {len(members)} questions, or several pictures"
        yield from (f"group {name}: {code} answers twice" for code in _twice(c for q in members for c in q["relevant"]))


def check_wordings(task: Loaded) -> Iterator[str]:
    """Paraphrases and opposites differ from the question, and no question is asked twice of one picture."""
    asked = Counter((query["text"], query["instruction"], tuple(query["tiles"] or ())) for query in task.queries)
    yield from (f"asked twice: {question}" for question, times in asked.items() if times > 1)
    for query in task.queries:
        own = {query["text"], query["instruction"]}
        others = [*query["paraphrases"], query["opposite"]]
        if own & set(others) - {None} or not query["paraphrases"] or _twice(query["paraphrases"]):
            yield f"{query['id']}: wordings {others}"
        said = [*own, *others, *(query["text"] or "").split("\n")]
        yield from (f"{query['id']}: unfilled field in {text!r}" for text in said if text and "{" in text)


def check_drawings(task: Loaded) -> Iterator[str]:
    """Of two candidates with the same pixels (and text) never one is right and the other wrong."""
    alike: dict[tuple[str | None, bytes], set[str]] = defaultdict(set)
    content: dict[str, tuple[str | None, bytes]] = {}
    for row in task.candidates:
        if row["tiles"] and len(row["tiles"]) == 1:
            content[row["id"]] = row["text"], task.pictures[row["tiles"][0]]["pixels"]
            alike[content[row["id"]]].add(row["id"])
    for query in task.queries:
        relevant = set(query["relevant"])
        for code in relevant & content.keys():
            if not alike[content[code]] <= relevant:
                yield f"{query['id']}: {code} is right, a picture with the same pixels is wrong"


CHECKS: tuple[Callable[[Loaded], Iterator[str]], ...] = (
    check_ids,
    check_tiles,
    check_modality,
    check_answers,
    check_groups,
    check_wordings,
    check_drawings,
)


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1] if len(sys.argv) > 1 else "tasks/emoji/data"))
    print("\n".join(wrong) or "sound")
    raise SystemExit(bool(wrong))
