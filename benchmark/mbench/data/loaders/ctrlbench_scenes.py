"""Scenes of the CtrlBench reconstructions: a picture and several instructions with an answer each.

Two formats are read: that of https://huggingface.co/datasets/TIGER-Lab/ABC-VG-Instruct, as Parquet or JSON lines, and
`question_answers.json` of https://homes.cs.washington.edu/~ranjay/visualgenome (version 1.2).
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mbench.core.errors import DataError
from mbench.data.json_stream import stream_objects
from mbench.data.rows import Row

INSTRUCTION = "instruction"
ARTICLE = re.compile(r"^(a|an|the) (?=\S)")
YES_NO = re.compile(r"^(yes|no)\b")


@dataclass(frozen=True, slots=True)
class Pair:
    """An instruction (or question) about a picture, and the phrase that answers it."""

    instruction: str
    answer: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture by its id, and its pairs."""

    image: str
    pairs: tuple[Pair, ...]


def read_instruct(paths: Sequence[Path]) -> list[Scene]:
    """Read files in the schema of ABC-VG-Instruct: `image`, `instruction` and `phrase` in each struct of a row, or in
    the row itself. The pairs of a picture are put together, in the order of the files.

    Raises DataError that names the file, the row and the key; also for a row whose structs name several pictures.
    """
    pairs: dict[str, list[Pair]] = {}
    for path in paths:
        for row in _rows(path):
            parts = _parts(row)
            images = {part.number_or_text("image") for part in parts}
            if len(images) > 1:
                raise DataError(f"{row.where}: its pairs name several pictures: {', '.join(sorted(images))}.")
            for part in parts:
                pair = Pair(part.text(INSTRUCTION).strip(), part.text("phrase").strip())
                pairs.setdefault(part.number_or_text("image"), []).append(pair)
    return [Scene(image, tuple(found)) for image, found in pairs.items()]


def read_questions(path: Path) -> Iterator[Scene]:
    """Yield the scenes of Visual Genome's question_answers.json, answers normalised, yes and no left out.

    Raises DataError that names the file, the entry and the key.
    """
    for place, values in enumerate(stream_objects(path)):
        row = Row(f"{path}, entry {place}", values)
        image = row.number_or_text("id" if "id" in values else "image_id")
        pairs = [Pair(one.text("question").strip(), normalised(one.text("answer"))) for one in row.rows("qas")]
        yield Scene(image, tuple(pair for pair in pairs if not YES_NO.match(pair.answer)))


def normalised(answer: str) -> str:
    """Return an answer in lower case, with single blanks, without an article before it or punctuation around it."""
    words = " ".join(answer.lower().split()).strip(" .,;:!?\"'")
    return ARTICLE.sub("", words)


def distinct(scene: Scene, most: int | None) -> Scene:
    """Return the scene without empty pairs, and without those whose instruction or answer an earlier pair has.

    Of more than `most` pairs those stay whose hash is smallest.
    """
    kept: list[Pair] = []
    for pair in scene.pairs:
        known = any(pair.instruction == one.instruction or pair.answer == one.answer for one in kept)
        if pair.instruction and pair.answer and not known:
            kept.append(pair)
    if most is not None:
        chosen = heapq.nsmallest(most, kept, lambda one: rank(scene.image, one.instruction))
        kept = [pair for pair in kept if pair in chosen]
    return Scene(scene.image, tuple(kept))


def sample(scenes: Iterable[Scene], number: int, salt: str) -> list[Scene]:
    """Return the `number` scenes (fewer if there are fewer) whose pictures' hashes with `salt` are smallest."""
    return heapq.nsmallest(number, scenes, lambda scene: rank(salt, scene.image))


def rank(*parts: str) -> str:
    """Return the sha256, in hex, of the parts joined by colons: the order of the samples."""
    return hashlib.sha256(":".join(parts).encode()).hexdigest()


def _rows(path: Path) -> Iterator[Row]:
    rows = _parquet(path) if path.suffix == ".parquet" else _json_lines(path)
    for place, values in enumerate(rows):
        yield Row(f"{path}, row {place}", values)


def _parquet(path: Path) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None
    return rows


def _json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                value = json.loads(line) if line.strip() else None
            except ValueError as error:
                raise DataError(f"{path}, line {number}: not valid JSON: {error}") from None
            if isinstance(value, dict):
                yield value
            elif value is not None:
                raise DataError(f"{path}, line {number}: expected an object; found {line[:80]!r}.")


def _parts(row: Row) -> list[Row]:
    """Return the structs of a row that hold something, or the row itself where it is one pair."""
    if INSTRUCTION in row.values:
        return [row]
    return [row.row(key) for key, value in row.values.items() if not _empty(value)]


def _empty(value: object) -> bool:
    return value is None or (isinstance(value, dict) and all(one is None for one in value.values()))
