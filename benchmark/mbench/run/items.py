"""Embeddings of items that the user lists in a file: for exports, and to compare an adapter with its official code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mbench.core.errors import UserError
from mbench.core.files import write_atomically
from mbench.core.types import Encoder, Item, Role, Vectors, needs_of
from mbench.data.images import open_picture
from mbench.retrieval.encode import Tally, Watch, encode_backing_off

KEYS = ("id", "text", "image", "instruction")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of an items file; `image` is a path."""

    id: str
    text: str | None
    image: Path | None
    instruction: str | None


def read_items(path: Path) -> list[Listed]:
    """Read JSON lines with id, text, image (a path relative to the file) and instruction; the last three may be absent.

    Raises UserError with the line for anything else: broken JSON, an unknown key, a value that is no text, an id that
    stands twice, an item without content, a picture that is not there.
    """
    try:
        # Only these end a line: JSON may hold others of Unicode's line breaks in a text.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    items = [_item(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not items:
        raise UserError(f"{path}: holds no items; expected one JSON object a line.")
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise UserError(f"{path}: the id {item.id!r} stands twice.")
        seen.add(item.id)
    return items


def encode_items(encoder: Encoder, items: list[Listed], role: Role, batch_size: int | None, watch: Watch) -> Vectors:
    """Return float32 [len(items), d], checked as in a run except that zero vectors are kept.

    Raises ImageError, EncodingError, ModelError.
    """
    tally = Tally.of(batch_size)
    watch.start(f"{role}s", len(items))
    parts = []
    for batch in _batches(encoder, items, tally):
        parts.append(encode_backing_off(encoder, batch, role, tally, keep_zeros=True))
        watch.advance(len(batch))
    return np.concatenate(parts)


def write_embeddings(path: Path, items: list[Listed], vectors: Vectors) -> None:
    """Write an npz with `ids` and `embeddings`, atomically. Raises OutputError."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez(file, ids=np.array([item.id for item in items]), embeddings=vectors)

    write_atomically(path, write)


def _item(path: Path, number: int, line: str) -> Listed:
    where = f"{path}, line {number}"
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON: {error}") from None
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        raise UserError(f"{where}: expected an object with a text `id`.")
    for key, one in value.items():
        if key not in KEYS or not (one is None or isinstance(one, str)):
            raise UserError(f"{where}: {key!r} must be one of {', '.join(KEYS)}, with a text as its value.")
        _check_text(f"{where}: {key!r}", one or "")
    if value["id"].endswith("\0"):
        raise UserError(f"{where}: the id {value['id']!r} ends with a null character, which npz files drop.")
    return _listed(path, where, value)


def _check_text(where: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where} holds half of a surrogate pair, which is no text: {error.reason}.") from None


def _listed(path: Path, where: str, value: dict[str, Any]) -> Listed:
    image = value.get("image")
    picture = path.parent / image if image else None
    if picture is not None and not picture.is_file():
        raise UserError(f"{where}: there is no picture {picture}; paths are relative to the file.")
    if value.get("text") is None and picture is None and value.get("instruction") is None:
        raise UserError(f"{where}: the item {value['id']!r} has no text, image or instruction.")
    return Listed(value["id"], value.get("text"), picture, value.get("instruction"))


def _batches(encoder: Encoder, items: list[Listed], tally: Tally) -> Iterator[list[Item]]:
    images = "image" in needs_of(encoder)
    start = 0
    while start < len(items):
        batch = items[start : start + tally.batch_size]
        start += len(batch)
        yield [
            Item(one.id, one.text, open_picture(one.image) if images and one.image else None, one.instruction)
            for one in batch
        ]
