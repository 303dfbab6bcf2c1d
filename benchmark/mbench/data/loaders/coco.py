"""Pictures and their captions, in both directions: MSCOCO 5K and Flickr30K 1K, Karpathy's test splits.

Source of the formats: `clip_benchmark/datasets` in https://github.com/LAION-AI/CLIP_benchmark, whose annotation files
are those of https://github.com/mehdidc/retrieval_annotations. Every caption is a candidate (or query) of its own, also
one that another picture has too; M-BEIR merges equal ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from mbench.core.declared import spec_from
from mbench.core.errors import DataError, listed
from mbench.core.specs import Strict, TaskSpec
from mbench.core.types import EvalData, Judgments
from mbench.data.image_folders import SpreadImages
from mbench.data.judging import groups_of, sets_of
from mbench.data.loading import SourceFiles
from mbench.data.rows import read_row
from mbench.data.table import ArrowTable

ENDING = ".jpg,"
"""Between a file's name and its caption in the lines of Flickr30K; captions have commas too."""


class CocoOptions(Strict):
    """`source.options` of this loader.

    captions: a JSON file in the format of CocoCaptions (images: id, file_name; annotations: id, image_id, caption), or
    a text file of lines `name.jpg,caption` below a header. pictures: paths below the folder in which a picture is
    looked for by its file's name, one after the other.
    """

    direction: Literal["image-to-text", "text-to-image"]
    captions: str
    pictures: list[str]


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption, its id, and the id of its picture."""

    id: str
    picture: str
    text: str


@dataclass(frozen=True, slots=True)
class Captions:
    """What an annotation file holds: the file name of each picture by its id, and the captions in order."""

    files: Mapping[str, str]
    captions: list[Caption]


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read one direction. Picture ids are those of the data set (COCO: the integer as text, Flickr30K: the file's
    name), caption ids COCO's own, or `<file name>#<place>` as in Flickr30K's token file. Captions of one picture belong
    together as queries: a picture that is hard to find is so by all of them.

    Raises SpecError for wrong options and DataError, with file and row or line, for wrong files.
    """
    options: CocoOptions = spec_from(CocoOptions, spec.source.options, f"{spec.id}: source.options")
    path = files.path(options.captions)
    data = read_lines(path) if path.suffix == ".txt" else read_coco(path)
    _check(data, path)
    to_text = options.direction == "image-to-text"
    names = [f"the {what} of {spec.id}" for what in ("queries", "candidates")]
    pictures = ArrowTable.of(
        {"id": list(data.files), "image": list(data.files.values())},
        name=names[not to_text],
        pictures=SpreadImages.below(files.root, options.pictures),
    )
    texts = ArrowTable.of(
        {"id": [one.id for one in data.captions], "text": [one.text for one in data.captions]}, name=names[to_text]
    )
    queries, corpus = (pictures, texts) if to_text else (texts, pictures)
    answers = pa.array(_of_pictures(data) if to_text else _of_captions(data), pa.list_(pa.string()))
    labels = {"relevant": sets_of(answers, queries, corpus, "captions")}
    together = None if to_text else groups_of(pa.array([one.picture for one in data.captions], pa.string()))
    return EvalData(queries, corpus, Judgments(labels, groups=together))


def read_coco(path: Path) -> Captions:
    """Read a file in the format of CocoCaptions. Raises DataError."""
    whole = read_row(path)
    pictures = [(str(row.number("id")), row.text("file_name")) for row in whole.rows("images")]
    captions = [
        Caption(str(row.number("id")), str(row.number("image_id")), row.text("caption"))
        for row in whole.rows("annotations")
    ]
    if len(dict(pictures)) < len(pictures):
        raise DataError(f"{path}: {len(pictures) - len(dict(pictures))} picture ids stand more than once.")
    return Captions(dict(pictures), captions)


def read_lines(path: Path) -> Captions:
    """Read lines of `name.jpg,caption` below a header. Raises DataError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    if ENDING in lines[0]:
        raise DataError(f"{path}, line 1: expected a header; the captions begin in line 2.")
    found: dict[str, list[Caption]] = {}
    for number, line in enumerate(lines[1:], start=2):
        name, ending, text = line.strip().partition(ENDING)
        if not ending and name:
            raise DataError(f"{path}, line {number}: expected `name.jpg,caption`; found {line[:80]!r}.")
        if ending:
            name += ENDING.rstrip(",")
            known = found.setdefault(name, [])
            known.append(Caption(f"{name}#{len(known)}", name, text))
    return Captions({name: name for name in found}, [one for captions in found.values() for one in captions])


def _check(data: Captions, path: Path) -> None:
    """Every caption has a picture, and every picture a caption."""
    having = {one.picture for one in data.captions}
    problems = {
        "pictures without a caption": [one for one in data.files if one not in having],
        "captions of unknown pictures": [one.id for one in data.captions if one.picture not in data.files],
    }
    for what, names in problems.items():
        if names:
            raise DataError(f"{path}: {what}: {listed(names)}.")


def _of_pictures(data: Captions) -> list[list[str]]:
    ids: dict[str, list[str]] = {name: [] for name in data.files}
    for one in data.captions:
        ids[one.picture].append(one.id)
    return list(ids.values())


def _of_captions(data: Captions) -> list[list[str]]:
    return [[one.picture] for one in data.captions]
