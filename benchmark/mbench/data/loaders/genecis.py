"""GeneCIS: a picture and a condition of a word or two, in a small gallery of the query's own.

Source of the format: https://github.com/facebookresearch/genecis (genecis/*.json; COCO val2017 pictures for the object
tasks, crops of Visual Genome pictures for the attribute tasks). The files have the target apart from the gallery, and
the official code puts it first; here a gallery is a set of candidates in which no place is better than another. A
candidate that stands in a gallery twice, or is its target too, counts once.
"""

from __future__ import annotations

import pyarrow as pa

from mbench.core.declared import spec_from
from mbench.core.errors import DataError
from mbench.core.specs import Strict, TaskSpec
from mbench.core.types import EvalData, Judgments
from mbench.data.crops import CroppedImages
from mbench.data.images import FolderImages, ImageSource
from mbench.data.judging import GALLERY, groups_of, sets_of
from mbench.data.loading import SourceFiles
from mbench.data.rows import Row, read_rows
from mbench.data.table import ArrowTable

OBJECTS = "val2017/{:0>12}.jpg"
CROPS = "VG_100K_all/{}.jpg"


class GenecisOptions(Strict):
    """`source.options` of this loader: distractors in each gallery, and whether the pictures are crops."""

    distractors: int
    crops: bool


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read the file that `source.split` names, such as change_object.

    Raises SpecError for wrong options and DataError, with file and row, for wrong files.
    """
    options: GenecisOptions = spec_from(GenecisOptions, spec.source.options, f"{spec.id}: source.options")
    name = spec.source.split
    rows = read_rows(files.path(f"genecis/{name}.json"))
    folder = FolderImages(files.root, CROPS if options.crops else OBJECTS)
    pictures: ImageSource = CroppedImages(folder) if options.crops else folder
    targets = [_picture(row.row("target"), options) for row in rows]
    galleries = [_gallery(row, target, options) for row, target in zip(rows, targets, strict=True)]
    names = list(dict.fromkeys(one for gallery in galleries for one in gallery))
    corpus = ArrowTable.of({"id": names, "image": names}, name=f"the candidates of {spec.id}", pictures=pictures)
    references = [_picture(row.row("reference"), options) for row in rows]
    queries = ArrowTable.of(
        {
            "id": [f"{name}-{place}" for place in range(len(rows))],
            "text": [row.text("condition") for row in rows],
            "image": references,
        },
        name=f"the queries of {spec.id}",
        pictures=pictures,
    )
    return EvalData(
        queries,
        corpus,
        Judgments(
            labels={"relevant": sets_of(pa.array([[one] for one in targets]), queries, corpus, "target")},
            pools={GALLERY: sets_of(pa.array(galleries), queries, corpus, "gallery")},
            groups=groups_of(pa.array(references)),
        ),
    )


def _gallery(row: Row, target: str, options: GenecisOptions) -> list[str]:
    """Return the target and the distractors, each once. The official code needs galleries of one size."""
    distractors = [_picture(one, options) for one in row.rows("gallery")]
    if len(distractors) != options.distractors:
        raise DataError(f"{row.where}: {len(distractors)} pictures in the gallery; expected {options.distractors}.")
    return list(dict.fromkeys([target, *distractors]))


def _picture(row: Row, options: GenecisOptions) -> str:
    """Return the id of a picture: COCO's, or Visual Genome's with the box of the crop."""
    if not options.crops:
        return row.number_or_text("val_image_id")
    box = row.floats("instance_bbox")
    if len(box) != 4 or min(box[2:]) <= 0:
        raise DataError(f"{row.where}: instance_bbox must be x, y, width and height; found {box}.")
    return CroppedImages.reference(row.number_or_text("image_id"), box)
