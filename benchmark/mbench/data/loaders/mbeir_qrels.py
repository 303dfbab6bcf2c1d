"""The qrels of M-BEIR: five blank-separated fields a line, query id, 0, candidate id, relevance and task id."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mbench.core.errors import DataError, listed
from mbench.core.types import Rows, Sets
from mbench.data.table import ArrowTable

FIELDS = 5


@dataclass(frozen=True, slots=True)
class Pairs:
    """Right answers: query id and candidate id of each, as columns."""

    queries: pa.Array
    candidates: pa.Array


@dataclass(frozen=True, slots=True)
class Labels:
    """Right answers that the pool holds, and [n_q] how many others each query has."""

    relevant: Sets
    lacking: Rows


def read_qrels(path: Path) -> Pairs:
    """Read the lines whose relevance is above 0. Raises DataError that names the file and the line."""
    queries, candidates = [], []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                parts = line.split()
                if not parts:
                    continue
                if _relevance(parts, f"{path}, line {number}") > 0:
                    queries.append(parts[0])
                    candidates.append(parts[2])
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    return Pairs(pa.array(queries, pa.string()), pa.array(candidates, pa.string()))


def _relevance(parts: list[str], where: str) -> int:
    if len(parts) != FIELDS:
        raise DataError(
            f"{where}: {len(parts)} fields; expected {FIELDS}: query id, 0, candidate id, relevance, task id."
        )
    try:
        return int(parts[3])
    except ValueError:
        raise DataError(f"{where}: the relevance {parts[3]!r} is not an integer.") from None


def labels_of(path: Path, queries: ArrowTable, candidates: ArrowTable, elsewhere: Collection[str] = ()) -> Labels:
    """Find the rows of the right answers of a qrels file.

    A right answer that is not in the pool is counted, not labelled, if its id begins with a data set of `elsewhere`.
    Raises DataError for any other, for an unknown query, and for a query without right answers.
    """
    pairs = read_qrels(path)
    owners = queries.rows_of(pairs.queries, f"{path}: queries")
    rows = _rows(candidates, pairs.candidates)
    _check_absent(path, pairs.candidates, rows, elsewhere, candidates.name)
    keys = np.unique(owners[rows >= 0] * len(candidates) + rows[rows >= 0])
    relevant = Sets(np.searchsorted(keys, np.arange(len(queries) + 1) * len(candidates)), keys % len(candidates))
    lacking = np.bincount(owners[rows < 0], minlength=len(queries)).astype(np.int64)
    without = np.flatnonzero(relevant.sizes() + lacking == 0)
    if len(without):
        names = listed(map(repr, queries.ids(without)))
        raise DataError(f"{path}: {len(without)} of {len(queries)} queries have no right answer: {names}.")
    return Labels(relevant, lacking)


def _rows(candidates: ArrowTable, names: pa.Array) -> Rows:
    """Return the row of each name, -1 for an unknown one; millions of ids are looked up in the few names, not vice
    versa, since that takes a fifth of the time and memory.
    """
    coded = names.dictionary_encode()
    place = pc.index_in(candidates.id_array(), coded.dictionary.cast(candidates.id_array().type))
    found = np.flatnonzero(np.asarray(pc.is_valid(place)))
    row_of = np.full(len(coded.dictionary), -1, dtype=np.int64)
    row_of[np.asarray(place.take(pa.array(found)))] = found
    rows: Rows = row_of[np.asarray(coded.indices)]
    return rows


def _check_absent(path: Path, names: pa.Array, rows: Rows, elsewhere: Collection[str], pool: str) -> None:
    absent = pc.unique(names.take(pa.array(np.flatnonzero(rows < 0)))).to_pylist()
    unknown = [one for one in absent if one.split(":")[0] not in elsewhere]
    if unknown:
        raise DataError(f"{path}: {len(unknown)} candidates are not in {pool}: {listed(map(repr, unknown))}.")


def as_columns(labels: Labels) -> pa.Table:
    """Return labels as a table of one row a query."""
    rows = pa.LargeListArray.from_arrays(pa.array(labels.relevant.starts), pa.array(labels.relevant.rows))
    return pa.table({"relevant": rows, "lacking": pa.array(labels.lacking)})


def from_columns(table: pa.Table) -> Labels:
    """Return the labels of such a table, without copying them."""
    rows = table["relevant"].chunk(0)
    relevant = Sets(rows.offsets.to_numpy(), rows.values.to_numpy())
    return Labels(relevant, table["lacking"].chunk(0).to_numpy())
