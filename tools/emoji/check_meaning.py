"""Answers scene questions from the tiles alone, by reading the question, and compares with the answer given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
CORNERS = ("top left", "top right", "bottom left", "bottom right")
HALVES = {"left": (0, 2), "right": (1, 3), "top": (0, 1), "bottom": (2, 3)}
WORDS = ("zero", "one", "two", "three", "four")
CORNER = re.compile(r"\b(top|bottom) (left|right)\b")
HALF = re.compile(r"\b(?:on|at) the (left|right|top|bottom)\b")


def meaning_problems(
    name: str, queries: list[Row], candidates: dict[str, Row], pictures: dict[str, Row]
) -> Iterator[str]:
    """Sentences on the questions whose answer does not follow from the picture."""
    for query in queries:
        kind = (query.get("tag_kind") or [None])[0]
        target = candidates[query["target"][0]]
        if name in {"emoji-ctrl", "emoji-ctrl-category"}:
            yield from _control(query, kind, target["id"])
        elif name == "emoji-vqa":
            labels = [pictures[tile]["label"] if tile else None for tile in query["tiles"]]
            if not _vqa_holds(str(kind), query["text"], labels, target["text"]):
                yield f"{query['id']}: {query['text']!r} is not {target['text']!r} in {labels}"
        elif name == "emoji-union" and query["tag_wanted"] != [target["modality"]]:
            yield f"{query['id']}: wants {query['tag_wanted']}, answered by {target['modality']}"


def _control(query: Row, kind: str | None, target: str) -> Iterator[str]:
    shown = [tile.partition(":")[2] for tile in query["tiles"]]
    if sorted(code for code in shown if code) != sorted(query["subset"]) or shown.count(target) != 1:
        yield f"{query['id']}: the subset is not what the scene shows"
        return
    cell = shown.index(target)
    for text in (query["instruction"], *query["paraphrases"]):
        if not _points_to(kind, text, cell):
            yield f"{query['id']}: {text!r} does not point to cell {cell}"
    if kind is not None and _points_to(kind, query["opposite"], cell):
        yield f"{query['id']}: {query['opposite']!r} is not the opposite of cell {cell}"


def _points_to(kind: str | None, text: str, cell: int) -> bool:
    if kind == "position":
        return [" ".join(match) for match in CORNER.findall(text)] == [CORNERS[cell]]
    if kind == "conjunction":
        found = HALF.findall(text) or re.findall(r"^(?:look )?(?:on|at) the (\w+)", text)
        return len(found) == 1 and cell in HALVES[found[0]]
    return True


def _vqa_holds(kind: str, text: str, labels: list[str | None], answer: str) -> bool:
    """Whether the answer is right; kinds that need the category of a drawing are not judged here."""
    things = [label for label in labels if label]
    if kind == "count-all":
        return answer == WORDS[len(things)]
    if kind == "presence-label":
        return (answer == "yes") == any(_asks_for(label, text) for label in things)
    if kind == "position-label":
        match = CORNER.search(text)
        return match is not None and labels[CORNERS.index(match[0])] == answer
    if kind == "position-where":
        return any(label and CORNERS[cell] == answer and _asks_for(label, text) for cell, label in enumerate(labels))
    if kind == "compare-place":
        return _place_holds(text, labels, answer)
    return True


def _asks_for(label: str, text: str) -> bool:
    return re.search(rf"(?:^|: ){re.escape(label)}(?:[?,:]|$)", text) is not None


def _place_holds(text: str, labels: list[str | None], answer: str) -> bool:
    named = {cell for cell, label in enumerate(labels) if label and _asks_for(label, text)}
    anchors = {cell for cell in named if re.search(rf"(?:from|side of) this: {re.escape(str(labels[cell]))}", text)}
    step = {"left of it": -1, "right of it": 1, "above it": -2, "below it": 2}[answer]
    return [asked - anchor for asked in named - anchors for anchor in anchors] == [step]
