"""The evidence beside a result: every query's scores and the rankings, read as data that anybody may have written.

Files are opened only where they lie beside the result itself, within limits, and with the columns that they must have.
Evidence that is missing or broken is None: pages then show the result's own numbers alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mbench.core.results import RANKINGS, SCORES
from mbench.core.types import Floats
from mbench.publish.collect import Entry

LARGEST = 256 * 2**20
"""Bytes, of the file and of what it unpacks to."""
MOST_QUERIES = 1_000_000
LONGEST_ID = 500


@dataclass(frozen=True, slots=True)
class QueryScores:
    """One metric of one result: `values` [n_q] (NaN: not judged) for the queries `ids`."""

    ids: tuple[str, ...]
    values: Floats


@dataclass(frozen=True, slots=True)
class Top:
    """The first candidates of a query, best first, and their scores."""

    candidates: tuple[str, ...]
    scores: tuple[float, ...]


def query_scores(entry: Entry, key: str) -> QueryScores | None:
    """Return the values of metric `key` for each query, or None where there is no sound evidence for it."""
    import pyarrow as pa

    table = _read(entry, SCORES, {"query_id": pa.types.is_string, key: pa.types.is_floating})
    ids = None if table is None else _ids(table["query_id"])
    if table is None or ids is None:
        return None
    values = np.asarray(table[key].to_numpy(), dtype=np.float64)
    return None if np.isinf(values).any() else QueryScores(ids, values)


def tops(entry: Entry, queries: Sequence[str], k: int) -> dict[str, Top] | None:
    """Return the first `k` candidates of each of `queries` that the ranking holds, or None without sound evidence."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _read(entry, RANKINGS, {"query_id": pa.types.is_string, "candidate_ids": _is_list, "scores": _is_list})
    if table is None:
        return None
    wanted = table.filter(pc.is_in(table["query_id"], pa.array(list(queries), pa.string())))
    rows = zip(*(wanted[name].to_pylist() for name in ("query_id", "candidate_ids", "scores")), strict=True)
    return {query: Top(tuple(ids[:k]), tuple(scores[:k])) for query, ids, scores in rows if _sound(ids, scores)}


def first_scores(entry: Entry) -> QueryScores | None:
    """Return the score of each query's first candidate, or None without sound evidence."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _read(entry, RANKINGS, {"query_id": pa.types.is_string, "scores": _is_list})
    ids = None if table is None else _ids(table["query_id"])
    if table is None or ids is None:
        return None
    lists = table["scores"].combine_chunks()
    full = pc.greater(pc.fill_null(pc.list_value_length(lists), 0), 0)
    values = np.full(len(ids), np.nan)
    values[np.asarray(full)] = np.asarray(pc.list_element(lists.filter(full), 0), dtype=np.float64)
    return QueryScores(ids, np.where(np.isfinite(values), values, np.nan))


def _read(entry: Entry, ending: str, columns: dict[str, Any]) -> Any:
    """Return an Arrow table of `columns`, whose types the given predicates accept, or None."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _beside(entry, ending)
    if path is None:
        return None
    try:
        with pq.ParquetFile(path) as file:
            if not _fits(file, columns):
                return None
            return file.read(columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError, ValueError):
        return None


def _beside(entry: Entry, ending: str) -> Path | None:
    if entry.path is None:
        return None
    path = entry.path.with_name(entry.path.stem + ending)
    return path if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST else None


def _fits(file: Any, columns: dict[str, Any]) -> bool:
    found = {field.name: field.type for field in file.schema_arrow}
    size = sum(file.metadata.row_group(place).total_byte_size for place in range(file.metadata.num_row_groups))
    typed = all(name in found and accepts(found[name]) for name, accepts in columns.items())
    return typed and size <= LARGEST and file.metadata.num_rows <= MOST_QUERIES


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind)) and bool(
        pa.types.is_string(kind.value_type) or pa.types.is_floating(kind.value_type)
    )


def _ids(column: Any) -> tuple[str, ...] | None:
    """Return the ids, or None where one is missing, endless or stands twice."""
    ids = column.to_pylist()
    sound = all(isinstance(one, str) and 0 < len(one) <= LONGEST_ID for one in ids)
    return tuple(ids) if sound and len(set(ids)) == len(ids) else None


def _sound(ids: Any, scores: Any) -> bool:
    return ids is not None and scores is not None and len(ids) == len(scores) and None not in ids
