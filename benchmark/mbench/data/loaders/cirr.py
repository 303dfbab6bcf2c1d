"""CIRR: a photograph and a modification, among all photographs of the split and within a set of six similar ones.

Source of the format: https://github.com/Cuberick-Orion/CIRR, branch `cirr_dataset` (captions/, image_splits/; pictures
in img_raw/). The reference picture is left out of both rankings before the cut, so five of the six are ranked.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pyarrow as pa

from mbench.core.declared import spec_from
from mbench.core.errors import DataError
from mbench.core.specs import Strict, TaskSpec
from mbench.core.types import EvalData, Judgments
from mbench.data.images import FolderImages
from mbench.data.judging import sets_of
from mbench.data.loading import SourceFiles
from mbench.data.rows import Row, read_row, read_rows
from mbench.data.table import ArrowTable

VERSION = "rc2"
PICTURES = "img_raw"
MEMBERS = 6


class CirrOptions(Strict):
    """`source.options` of this loader: none."""


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read a split (val, test1). Raises SpecError for options and DataError, with file and row, for wrong files."""
    spec_from(CirrOptions, spec.source.options, f"{spec.id}: source.options")
    split = f"{VERSION}.{spec.source.split}.json"
    rows = read_rows(files.path(f"captions/cap.{split}"))
    places = read_row(files.path(f"image_splits/split.{split}"))
    pictures = FolderImages(_picture_folder(files))
    paths = {name: str(PurePosixPath(places.text(name))) for name in places.values}
    corpus = ArrowTable.of(
        {"id": list(paths), "image": list(paths.values())}, name=f"the candidates of {spec.id}", pictures=pictures
    )
    references = [_known(row, "reference", paths) for row in rows]
    queries = ArrowTable.of(
        {
            "id": [str(row.number("pairid")) for row in rows],
            "text": [row.text("caption") for row in rows],
            "image": [paths[name] for name in references],
        },
        name=f"the queries of {spec.id}",
        pictures=pictures,
    )
    members = [_members(row) for row in rows]
    targets = [[row.text("target_hard")] for row in rows] if spec.labels_public else []
    judgments = Judgments(
        labels={"relevant": sets_of(pa.array(targets), queries, corpus, "target_hard")} if targets else {},
        exclude=sets_of(pa.array([[name] for name in references]), queries, corpus, "reference"),
        pools={"subset": sets_of(pa.array(members), queries, corpus, "img_set.members")},
    )
    return EvalData(queries, corpus, judgments)


def _picture_folder(files: SourceFiles) -> Path:
    """The official layout has img_raw/dev/ and img_raw/test1/; many codes have dev/ and test1/ beside captions/."""
    folder = files.place(PICTURES)
    return folder if folder.is_dir() else files.root


def _known(row: Row, key: str, paths: dict[str, str]) -> str:
    name = row.text(key)
    if name not in paths:
        raise DataError(f"{row.where}: {key} {name!r} is not in the image list of the split.")
    return name


def _members(row: Row) -> list[str]:
    members = row.row("img_set").texts("members")
    if len(members) != MEMBERS or row.text("reference") not in members:
        raise DataError(f"{row.where}: img_set.members must be {MEMBERS} names with the reference among them.")
    return members
