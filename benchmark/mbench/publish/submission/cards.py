"""The card of a submission: read strictly, complete, with a licence and a pinned revision."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mbench.core.declared import spec_from
from mbench.core.errors import SpecError
from mbench.core.results import ModelRef, safe_name
from mbench.core.specs import ModelCard
from mbench.data.yaml import read_yaml
from mbench.publish.submission import limits
from mbench.publish.submission.folder import CARD, File
from mbench.publish.submission.notes import Notes
from mbench.publish.submission.words import complaint, name_complaint, texts
from mbench.publish.text import safe_url

UNPINNED = frozenset({"", "unversioned", "main", "master", "head", "latest", "dev", "default", "none", "unknown"})
UNLICENSED = frozenset(
    {"", "unknown", "none", "null", "tbd", "todo", "n/a", "na", "other", "see repo", "that of the wrapped model"}
    | {"no licence", "no license", "unlicensed"}
)
"""What names no licence; the Unlicense is one, marks alone are none."""
PLACE = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w.-]+)?")
"""A repository on the Hub, with a revision or without."""
SAME = ("modalities", "uses_instructions", "similarity", "dimension", "parameters")
"""What a result's card and the submission's must agree on: it describes how the numbers came about."""
LARGEST = 10**15
"""Parameters or dimensions beyond this are a mistake."""


@dataclass(frozen=True, slots=True)
class _Problem:
    code: str
    message: str


def read_card(file: File, notes: Notes) -> ModelCard | None:
    """Return the card, or None when it does not follow its schema; notes say what is wrong with it."""
    if file.size > limits.CARD_BYTES:
        notes.add("too-large", file.name, f"{file.size} bytes; a card has at most {limits.CARD_BYTES}")
        return None
    try:
        document = read_yaml(file.path)
    except (SpecError, RecursionError) as error:
        notes.add("card-yaml", file.name, _without(str(error), file))
        return None
    try:
        card: ModelCard = spec_from(ModelCard, document.value, CARD, document.lines)
    except SpecError as error:
        notes.add("card-schema", file.name, str(error))
        return None
    return _judged(card, file, notes)


def agrees(card: ModelCard, ref: ModelRef) -> str:
    """Return in what a result's model is not the card's, or nothing.

    A result may leave open what the card tells; training data that a run named cannot be dropped from the card.
    """
    for key in SAME:
        mine, theirs = getattr(card, key), getattr(ref.card, key)
        same = sorted(mine) == sorted(theirs) if key == "modalities" else theirs in (None, mine)
        if not same:
            return f"{key} is {theirs!r} in the result and {mine!r} in {CARD}"
    dropped = set(ref.card.training_datasets or []) - set(card.training_datasets or [])
    return f"{CARD} leaves out the training data {', '.join(sorted(dropped))} that the run named" if dropped else ""


def names_no_licence(text: str) -> bool:
    """Tell whether the licence of a card is a gap in words or marks."""
    return text.strip().casefold() in UNLICENSED or not any(map(str.isalpha, text))


def _judged(card: ModelCard, file: File, notes: Notes) -> ModelCard | None:
    for key, text in texts(card.model_dump(mode="json")):
        name = key in ("id", "title", "revision", "license")
        said = name_complaint(text) if key in ("id", "revision") else complaint(text, lines=not name)
        if said is not None:
            notes.add(said.code, file.name, f"{key}: {said.message}")
    for problem in (*_incomplete(card), *_wrong(card)):
        notes.add(problem.code, file.name, problem.message)
    return card


def _incomplete(card: ModelCard) -> Iterator[_Problem]:
    lacking = [key for key in ("title", "description") if not getattr(card, key).strip()]
    lacking += [key for key in ("dimension", "training_datasets") if getattr(card, key) is None]
    lacking += ["parameters"] if card.parameters is None and card.open_weights else []
    if lacking:
        hint = " (an empty list says that there was none)" if "training_datasets" in lacking else ""
        yield _Problem("card-incomplete", f"lacks {', '.join(lacking)}{hint}")
    if names_no_licence(card.license):
        yield _Problem("license", f"license: {card.license!r} names no licence; 'proprietary' is one")
    if card.revision.casefold() in UNPINNED and card.parameters != 0:
        yield _Problem("revision-unpinned", f"revision: {card.revision!r} moves; name the weights' commit or hash")


def _wrong(card: ModelCard) -> Iterator[_Problem]:
    for key in ("dimension", "parameters"):
        if (getattr(card, key) or 0) > LARGEST:
            yield _Problem("card-number", f"{key}: {getattr(card, key)} is more than any model has")
    if len(card.title) > limits.NAME:
        yield _Problem("name-length", f"title: {len(card.title)} characters; at most {limits.NAME}")
    if card.title.startswith(("=", "+", "-", "@")) or card.license.startswith(("=", "+", "-", "@")):
        yield _Problem("text-formula", "title or license begins as a formula of a spreadsheet does")
    if card.paper is not None and safe_url(card.paper) is None and complaint(card.paper) is None:
        yield _Problem("text-url", f"paper: {card.paper[:80]!r} is no http or https address")
    if (place := card.checkpoint) is not None and not _is_place(place) and complaint(place) is None:
        yield _Problem("checkpoint", f"checkpoint: {place[:80]!r} is neither a repository (owner/name) nor an address")
    if (base := card.base_model) is not None and (".." in base or base.startswith(("/", "\\", "~"))):
        yield _Problem("checkpoint", f"base_model: {base[:80]!r} is a path")
    yield from _listed(card)


def _is_place(text: str) -> bool:
    return PLACE.fullmatch(text) is not None or safe_url(text) is not None


def _listed(card: ModelCard) -> Iterator[_Problem]:
    data = card.training_datasets or []
    if len(data) > 500 or any(len(name) > limits.NAME for name in data):
        yield _Problem("card-number", "training_datasets: at most 500 names of 100 characters")
    if len(set(card.modalities)) != len(card.modalities):
        yield _Problem("card-schema", "modalities: one is listed twice")


def folder_name(card: ModelCard) -> str:
    """Return the name that the folder of a card's submission must have."""
    return safe_name(card.id)


def _without(message: str, file: File) -> str:
    return message.replace(f"{file.path}", file.name)
