"""CIRCO: a photograph and a relative caption with several right answers, among the unlabeled photographs of COCO 2017.

Source of the format: https://github.com/miccunifi/CIRCO (annotations/, COCO2017_unlabeled/). The reference picture
stays among the candidates, as in the official evaluation.
"""

from __future__ import annotations

from string import Formatter

import pyarrow as pa

from mbench.core.declared import spec_from
from mbench.core.errors import DataError, SpecError
from mbench.core.specs import Strict, TaskSpec
from mbench.core.types import EvalData, Judgments
from mbench.data.images import FolderImages
from mbench.data.judging import sets_of, tags_of
from mbench.data.loading import SourceFiles
from mbench.data.rows import Row, read_row, read_rows
from mbench.data.table import ArrowTable

INDEX = "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json"
PICTURES = "COCO2017_unlabeled/unlabeled2017/{:0>12}.jpg"
FIELDS = ("relative_caption", "shared_concept")


class CircoOptions(Strict):
    """`source.options` of this loader: how the fields of a query become its text."""

    text: str = "{relative_caption}"


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read a split (val, test). Raises SpecError for options and DataError, with file and row, for wrong files."""
    options: CircoOptions = spec_from(CircoOptions, spec.source.options, f"{spec.id}: source.options")
    _check_template(spec.id, options.text)
    rows = read_rows(files.path(f"annotations/{spec.source.split}.json"))
    pictures = FolderImages(files.root, PICTURES)
    names = [str(row.number("id")) for row in read_row(files.path(INDEX)).rows("images")]
    corpus = ArrowTable.of({"id": names, "image": names}, name=f"the candidates of {spec.id}", pictures=pictures)
    queries = ArrowTable.of(
        {
            "id": [str(row.number("id")) for row in rows],
            "text": [options.text.format(**{name: row.text(name) for name in FIELDS}) for row in rows],
            "image": [str(row.number("reference_img_id")) for row in rows],
        },
        name=f"the queries of {spec.id}",
        pictures=pictures,
    )
    return EvalData(queries, corpus, _judgments(rows, queries, corpus) if spec.labels_public else Judgments({}))


def _judgments(rows: list[Row], queries: ArrowTable, corpus: ArrowTable) -> Judgments:
    """Every right answer counts for mAP; recall asks for the one target that the caption was written for."""
    relevant = [[str(one) for one in row.numbers("gt_img_ids")] for row in rows]
    target = [[str(row.number("target_img_id"))] for row in rows]
    for row, answers, main in zip(rows, relevant, target, strict=True):
        if not set(main) <= set(answers):
            raise DataError(f"{row.where}: target_img_id {main[0]} is not among its gt_img_ids.")
    aspects = pa.array([row.texts("semantic_aspects") for row in rows], pa.list_(pa.string()))
    return Judgments(
        labels={
            "relevant": sets_of(pa.array(relevant), queries, corpus, "gt_img_ids"),
            "target": sets_of(pa.array(target), queries, corpus, "target_img_id"),
        },
        tags={"semantic_aspect": tags_of(aspects)},
    )


def _check_template(task: str, template: str) -> None:
    try:
        parts = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise SpecError(f"{task}: source.options.text: {template!r} is no template: {error}.") from None
    if not parts or any(name not in FIELDS or spec or conversion for name, spec, conversion in parts):
        raise SpecError(f"{task}: source.options.text: {template!r} must name {' or '.join(FIELDS)} in braces.")
