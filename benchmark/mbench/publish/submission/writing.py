"""Beginning a submission: its folder and its card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mbench.core.declared import spec_from
from mbench.core.errors import UserError
from mbench.core.files import write_text
from mbench.core.results import safe_name
from mbench.core.specs import ModelCard
from mbench.publish.submission.cards import names_no_licence
from mbench.publish.submission.folder import CARD
from mbench.publish.submission.words import complaint, name_complaint

FILLED = ("title", "description", "dimension", "parameters", "training_datasets")
"""What a run tells of a model that a card must have."""
OPEN = (None, "")
HEAD = "# The card of this submission; `mbench submit check` says what it lacks.\n"


def new_submission(submissions: Path, values: Mapping[str, Any], base: ModelCard | None = None) -> Path:
    """Write `card.yaml` of a new submission and return its path; `values` go over those of the card `base`.

    Raises UserError for a name that cannot be one or a submission that is there already, SpecError for values that the
    schema of cards refuses, OutputError.
    """
    told = {key: value for key, value in values.items() if value is not None}
    card: ModelCard = spec_from(ModelCard, (base.model_dump() if base else {}) | told, CARD)
    said = name_complaint(card.id)
    if said is not None:
        raise UserError(f"{said.message}. Choose another name.")
    path = submissions / safe_name(card.id) / CARD
    if path.exists():
        raise UserError(f"{path} is there already; edit it, or `mbench submit pack {card.id}` adds results.")
    write_card(path, card)
    return path


def write_card(path: Path, card: ModelCard) -> None:
    """Write a card as YAML that people edit: every key, in the order of the schema. Raises OutputError."""
    import yaml

    fields = card.model_dump(mode="json")
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=110)
    write_text(path, HEAD + text)


def missing(card: ModelCard, ran: ModelCard) -> dict[str, Any]:
    """Return what a card leaves open, and the card of a run tells."""
    told = {key: getattr(ran, key) for key in FILLED if getattr(card, key) in OPEN and getattr(ran, key) not in OPEN}
    if names_no_licence(card.license) and not names_no_licence(ran.license):
        told["license"] = ran.license
    return told


def amend(path: Path, values: Mapping[str, Any]) -> None:
    """Put other values into a card file, and leave all else as somebody wrote it. Raises OutputError, UserError."""
    text = path.read_text(encoding="utf-8")
    for key, value in values.items():
        said = complaint(value, lines=key == "description") if isinstance(value, str) else None
        if said is not None:
            raise UserError(f"{value!r} cannot be the {key} of a card: {said.message}.")
        line = _line(key, value)
        changed, found = re.subn(rf"(?m)^{key}:.*$", line.replace("\\", r"\\"), text)
        text = changed if found else f"{text.rstrip()}\n{line}\n"
    write_text(path, text)


def _line(key: str, value: object) -> str:
    """Return a key of a card as YAML; texts are quoted, as some hashes read as numbers."""
    import yaml

    if isinstance(value, str):
        return f"{key}: " + yaml.safe_dump(value, default_style="'", allow_unicode=True, width=10**6).rstrip("\n")
    return str(yaml.safe_dump({key: value}, allow_unicode=True, width=10**6)).rstrip("\n")
