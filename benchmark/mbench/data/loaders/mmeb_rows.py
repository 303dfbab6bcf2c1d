"""The Parquet files of MMEB: queries, and for each a list of candidates whose first entry is right.

The lists of a set have a million entries, few of them different, so they are taken apart as Arrow's dictionaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mbench.core.errors import DataError, listed
from mbench.core.types import Rows, Sets

TEXT, LIST = pa.string(), pa.list_(pa.string())
QUERY_COLUMNS = ("qry_text", "qry_img_path")
TARGET_COLUMNS = ("tgt_text", "tgt_img_path")


@dataclass(frozen=True, slots=True)
class Side:
    """Queries or candidates: the texts of the file, the paths of their pictures (empty for none), and for messages the
    row of the file that each of them is in first.
    """

    texts: list[str]
    images: list[str]
    rows: Rows


@dataclass(frozen=True, slots=True)
class MmebRows:
    """A set: its queries, its different candidates, and the list of each query, right answer first, over the latter."""

    queries: Side
    candidates: Side
    lists: Sets


def read_rows(path: Path) -> MmebRows:
    """Read a file of MMEB-eval. Raises DataError that names the file, and the column or the row."""
    table = _table(path)
    texts, images = (pc.fill_null(_cast(table[name], TEXT, name, path), "").to_pylist() for name in QUERY_COLUMNS)
    queries = Side(texts, images, np.arange(len(texts), dtype=np.int64))
    columns = _lists(table, path)
    sizes = np.asarray(pc.list_value_length(columns[0]), dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])
    (texts, text_of), (images, image_of) = (_coded(column) for column in columns)
    keys, first, candidates = np.unique(text_of * len(images) + image_of, return_index=True, return_inverse=True)
    which = Side(
        [texts[key // len(images)] for key in keys],
        [images[key % len(images)] for key in keys],
        np.asarray(np.searchsorted(starts, first, side="right") - 1, dtype=np.int64),
    )
    return MmebRows(queries, which, Sets(starts, candidates.astype(np.int64)))


def _table(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None
    lacking = [name for name in (*QUERY_COLUMNS, *TARGET_COLUMNS) if name not in table.column_names]
    if "qry_inst" in table.column_names:
        raise DataError(
            f"{path}: a column qry_inst holds the instructions apart, as MMEB_Test_Instruct of MMEB-V2 has them; "
            "expected the files of TIGER-Lab/MMEB-eval, where they stand in qry_text and tgt_text."
        )
    if lacking:
        raise DataError(f"{path}: the columns {listed(lacking)} are missing; found {listed(table.column_names, 20)}.")
    return table


def _lists(table: pa.Table, path: Path) -> list[pa.ChunkedArray]:
    """Return the targets' texts and paths as parallel lists; where a column has one empty text a row instead of a
    list, as MMEB writes targets without text, it stands for all entries.
    """
    found = [_list(table[name], name, path) for name in TARGET_COLUMNS]
    lists = [one for one in found if one is not None]
    if not lists:
        raise DataError(f"{path}: {' and '.join(TARGET_COLUMNS)} must be lists of candidates; both are plain columns.")
    sizes, others = (np.asarray(pc.list_value_length(one)) for one in (lists[0], lists[-1]))
    _refuse(sizes != others, path, "lists of unequal length in tgt_text and tgt_img_path")
    _refuse(sizes < 2, path, "fewer than two candidates")
    return [_blank(lists[0]) if one is None else one for one in found]


def _list(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray | None:
    if pa.types.is_nested(column.type):
        lists = _cast(column, LIST, name, path)
        _refuse(_flags(pc.is_null(lists)), path, f"no list in {name}")
        return lists
    texts = pc.fill_null(_cast(column, TEXT, name, path), "")
    _refuse(_flags(pc.not_equal(texts, "")), path, f"a text in {name} where a list of candidates is expected")
    return None


def _blank(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    sizes = np.asarray(pc.list_value_length(lists), dtype=np.int32)
    starts = np.concatenate([np.zeros(1, dtype=np.int32), np.cumsum(sizes, dtype=np.int32)])
    return pa.chunked_array([pa.ListArray.from_arrays(pa.array(starts), pa.repeat("", int(starts[-1])))])


def _coded(lists: pa.ChunkedArray) -> tuple[list[str], Rows]:
    """Return the different values of all lists, and for each entry which of them it is; null is the empty text."""
    coded = pc.fill_null(pc.list_flatten(lists), "").dictionary_encode().unify_dictionaries()
    indices = [np.asarray(chunk.indices, dtype=np.int64) for chunk in coded.chunks]
    return coded.chunk(0).dictionary.to_pylist(), np.concatenate(indices)


def _cast(column: pa.ChunkedArray, kind: pa.DataType, name: str, path: Path) -> pa.ChunkedArray:
    try:
        return column.cast(kind)
    except pa.ArrowException:
        raise DataError(f"{path}: the column {name} must be {kind}, but it is {column.type}.") from None


def _flags(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return np.asarray(column, dtype=np.bool_)


def _refuse(wrong: npt.NDArray[np.bool_], path: Path, what: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise DataError(f"{path}: {what}: row {listed(rows)}.")
