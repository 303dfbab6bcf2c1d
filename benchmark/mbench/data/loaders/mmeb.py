"""MMEB, the image part: 36 sets in one format, each query with its own list of candidates.

Source of the format: https://huggingface.co/datasets/TIGER-Lab/MMEB-eval, and its evaluation in
https://github.com/TIGER-AI-Lab/VLM2Vec (branch v1, eval.py).

Here the lists of a set share one corpus. A candidate is its content: the text of the file, instruction included, and
the path of its picture; what stands in a list several times counts once. Its id is `content_id(text, path)`, so that
the first place, which all right answers have in the files, shows nowhere. The official code takes the first of equal
scores: there a constant model has 100 percent, and here it has chance.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pydantic import Field

from mbench.core.declared import spec_from
from mbench.core.errors import DataError
from mbench.core.specs import Modality, Strict, TaskSpec
from mbench.core.types import EvalData, Judgments, Sets
from mbench.data.content import content_id
from mbench.data.images import FolderImages
from mbench.data.judging import GALLERY
from mbench.data.loaders.mmeb_rows import Side, read_rows
from mbench.data.loaders.mmeb_words import Reader, Unlisted
from mbench.data.loading import SourceFiles
from mbench.data.table import ArrowTable

PICTURES = "images/{}"


class MmebOptions(Strict):
    """`source.options` of this loader.

    config: the set's folder in MMEB-eval. queries: how many rows it has. query_instruction, target_instruction: what
    the texts of a side begin with, in all wordings that are known; empty for bare texts. unlisted: what becomes of a
    text that begins otherwise.
    """

    config: str
    queries: int
    query_instruction: list[str] = Field(default_factory=list)
    target_instruction: list[str] = Field(default_factory=list)
    unlisted: Unlisted = "refuse"


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read a set; query ids are `<config>-<row>`.

    Raises SpecError for wrong options and DataError, with file and row, for a wrong file.
    """
    options: MmebOptions = spec_from(MmebOptions, spec.source.options, f"{spec.id}: source.options")
    path = files.path(f"{options.config}/{spec.source.split}-00000-of-00001.parquet")
    rows = read_rows(path)
    if len(rows.lists) != options.queries:
        raise DataError(f"{path}: {len(rows.lists)} rows; {spec.id} has {options.queries} queries.")
    pictures = FolderImages(files.root, PICTURES)

    def table(side: Side, ids: list[str], instructions: list[str], modality: list[Modality], what: str) -> ArrowTable:
        reader = Reader(instructions, "image" in modality, options.unlisted)
        columns = _columns(side, ids, reader, f"{path}: the {what}")
        return ArrowTable.of(columns, name=f"the {what} of {spec.id}", pictures=pictures)

    names = [f"{options.config}-{row}" for row in range(options.queries)]
    queries = table(rows.queries, names, options.query_instruction, spec.query.modality, "queries")
    names = [content_id(*one) for one in zip(rows.candidates.texts, rows.candidates.images, strict=True)]
    corpus = table(rows.candidates, names, options.target_instruction, spec.candidates.modality, "candidates")
    return EvalData(queries, corpus, _judgments(rows.lists, len(corpus)))


def _columns(side: Side, ids: list[str], reader: Reader, what: str) -> dict[str, pa.Array]:
    """Take the texts of a side apart; an empty path is no picture."""
    words = [
        reader.read(text, bool(image), f"{what}, row {row}")
        for text, image, row in zip(side.texts, side.images, side.rows, strict=True)
    ]
    columns = {
        "id": ids,
        "instruction": [one.instruction for one in words],
        "text": [one.text for one in words],
        "image": [image or None for image in side.images],
    }
    return {name: pa.array(values, pa.string()) for name, values in columns.items()}


def _judgments(lists: Sets, candidates: int) -> Judgments:
    """The first entry of a list is right; its gallery is every candidate in it, once, in the order of the corpus."""
    owner = np.repeat(np.arange(len(lists)), lists.sizes())
    ordered = np.sort(owner * candidates + lists.rows)  # several times faster than np.unique, which hashes
    pairs = ordered[np.diff(ordered, prepend=-1) > 0]
    starts = np.searchsorted(pairs, np.arange(len(lists) + 1) * candidates)
    right = Sets(np.arange(len(lists) + 1), lists.rows[lists.starts[:-1]])
    return Judgments({"relevant": right}, pools={GALLERY: Sets(starts, pairs % candidates)})
