"""The query and candidate files of M-BEIR as columns of items, and the paraphrases of a setting's instruction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mbench.core.errors import DataError, OutputError, listed
from mbench.core.types import Rows
from mbench.data.images import ImageSource
from mbench.data.jsonl import read_batches
from mbench.data.spool import gathered
from mbench.data.table import ArrowTable

MODALITIES = ("text", "image", "image,text")
RANK = "tie_rank"
"""Column that keeps the order of the ids, which takes longer to find than all else."""

Choice = Literal["seeded", "first", "none"]


@dataclass(frozen=True, slots=True)
class Fields:
    """What a file calls an item's id, text, picture and modality."""

    id: str
    text: str
    image: str
    modality: str

    def names(self) -> tuple[str, ...]:
        """Return the four names."""
        return (self.id, self.text, self.image, self.modality)


QUERY = Fields("qid", "query_txt", "query_img_path", "query_modality")
CANDIDATE = Fields("did", "txt", "img_path", "modality")


def item_columns(
    paths: Sequence[Path], fields: Fields, what: str, pictures: ImageSource, folder: Path | None = None
) -> pa.Table:
    """Return the items of files, one after the other: id, text, image, modality (as official) and RANK.

    They are put together in `folder`; in memory without one, or where it has no room. Raises DataError that names the
    file and the line or the item.
    """
    table = ArrowTable.of(_gathered(paths, fields, folder), name=what, pictures=pictures)
    return table.columns.append_column(RANK, pa.array(table.tie_ranks()))


def _gathered(paths: Sequence[Path], fields: Fields, folder: Path | None) -> pa.Table:
    batches = (batch for path in paths for batch in _batches(path, fields))
    if folder is None:
        return pa.Table.from_batches(batches)
    try:
        return gathered(batches, folder)
    except OutputError:
        return _gathered(paths, fields, None)


def _batches(path: Path, fields: Fields) -> Iterator[pa.RecordBatch]:
    for batch in read_batches(path, fields.names(), required=(fields.id, fields.modality)):
        ids, texts, images, modalities = batch.columns
        _check_known(path, ids, modalities)
        columns = {
            "id": ids.cast(pa.string()),
            "text": _only_where(texts, _has(modalities, "text"), path, ids, fields.text),
            "image": _only_where(images, _has(modalities, "image"), path, ids, fields.image),
            "modality": modalities.cast(pa.string()),
        }
        _refuse(path, ids, _flags(pc.equal(columns["image"], "")), f"no {fields.image}, though it has a picture")
        yield pa.RecordBatch.from_pydict(columns)


def _has(modalities: pa.Array, part: str) -> pa.Array:
    return pc.is_in(modalities, pa.array([one for one in MODALITIES if part in one.split(",")], modalities.type))


def _check_known(path: Path, ids: pa.Array, modalities: pa.Array) -> None:
    known = _flags(pc.is_in(modalities, pa.array(MODALITIES, modalities.type)))
    if not known.all():
        row = int(np.argmin(known))
        raise DataError(f"{path}: {ids[row]} has the modality {modalities[row].as_py()!r}; it is one of "
                        f"{listed(map(repr, MODALITIES))}.")  # fmt: skip


def _only_where(values: pa.Array, stated: pa.Array, path: Path, ids: pa.Array, field: str) -> pa.Array:
    """Return null where the modality states none, and the value, or an empty text, where it states one."""
    filled = pc.fill_null(values, "")
    extra = _flags(pc.and_(pc.invert(stated), pc.not_equal(filled, "")))
    _refuse(path, ids, extra, f"a {field}, which its modality does not state")
    return pc.if_else(stated, filled, pa.scalar(None, values.type))


def _refuse(path: Path, ids: pa.Array, wrong: np.ndarray, what: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise DataError(f"{path}: {listed(map(repr, ids.take(pa.array(rows)).to_pylist()))} with {what}.")


def _flags(values: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(values, False), dtype=np.bool_)


def chosen(ids: Sequence[str], count: int, choice: Choice, seed: int) -> Rows:
    """Return [n] which of `count` paraphrases each query has; -1 for none.

    `seeded` takes the first 8 bytes, big-endian, of the sha256 of `<seed>:<qid>`, modulo `count`: the same for a query
    whatever else is evaluated beside it. The official code draws at random in each worker (`mbeir_dataset.py`).
    """
    if choice != "seeded":
        return np.full(len(ids), {"first": 0, "none": -1}[choice], dtype=np.int64)
    heads = (hashlib.sha256(f"{seed}:{one}".encode()).digest()[:8] for one in ids)
    return np.fromiter((int.from_bytes(one) % count for one in heads), dtype=np.int64, count=len(ids))


def instruction_columns(which: Rows, paraphrases: Sequence[str]) -> dict[str, pa.Array]:
    """Return the instruction of each query, and as `paraphrases` all others of its setting, in their order."""
    count = len(paraphrases)
    words = pa.array(paraphrases, pa.string())
    instruction = words.take(pa.array(which, mask=which < 0))
    everything = np.broadcast_to(np.arange(count), (len(which), count))
    other = everything != which[:, None]
    starts = np.concatenate([[0], np.cumsum(other.sum(axis=1))]).astype(np.int32)
    others = pa.ListArray.from_arrays(pa.array(starts), words.take(pa.array(everything[other])))
    return {"instruction": instruction, "paraphrases": others}


def check_instructions(path: Path, key: tuple[str, str, str], declared: Sequence[str], task: str) -> None:
    """Compare the paraphrases of a task with the official table, where it is there.

    `key` is data set id, query modality and candidate modality. Raises DataError that shows both.
    """
    if not path.is_file():
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    cells = [[cell.strip() for cell in line.split("\t")] for line in lines]
    found = [row[4:] for row in cells if len(row) > 4 and (row[3], row[0], row[1]) == key]
    official = [one for one in found[-1] if one] if found else []
    if official != list(declared):
        raise DataError(
            f"{path}: the instructions of {', '.join(key)} are\n  {_shown(official)}\nbut the task {task} declares\n"
            f"  {_shown(declared)}\nCorrect source.options.instructions, or take the table away to keep them."
        )


def _shown(words: Sequence[str]) -> str:
    return "\n  ".join(map(repr, words)) or "(none)"
