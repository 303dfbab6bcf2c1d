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
from mbench.publish.submission.folder import CARD
from mbench.publish.submission.words import complaint, name_complaint

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


def pin(path: Path, revision: str) -> None:
    """Put another revision into a card file, and leave all else as somebody wrote it. Raises OutputError, UserError."""
    said = complaint(revision, lines=False)
    if said is not None:
        raise UserError(f"{revision!r} cannot be a revision: {said.message}.")
    line = f"revision: '{revision}'"
    text = path.read_text(encoding="utf-8")
    changed, found = re.subn(r"(?m)^revision:.*$", line, text)
    write_text(path, changed if found else f"{text.rstrip()}\n{line}\n")
