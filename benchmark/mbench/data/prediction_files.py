"""Reading ranking files of four formats into one flat form. Nothing is known here of a task's queries or candidates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mbench.core.arrow import floats, integers, texts
from mbench.core.errors import DataError, PredictionError, listed
from mbench.core.files import read_json
from mbench.core.types import MAIN_POOL, Floats, Rows

MAX_BYTES = 4 * 1024**3
MAX_JSON_BYTES = 256 * 1024**2
CIRR_VERSION = "rc2"
CIRR_POOLS = {"recall": MAIN_POOL, "recall_subset": "subset"}
SUFFIX = "candidate_ids"


@dataclass(frozen=True, slots=True)
class RankedLists:
    """The lists of one pool: query i has `candidates[starts[i]:starts[i + 1]]`, best first unless `scores` say it."""

    queries: pa.Array
    starts: Rows
    candidates: pa.Array
    scores: Floats | None


def read_lists(path: Path) -> dict[str, RankedLists]:
    """Return the ranked lists of a file by pool.

    `.parquet`: columns query_id, candidate_ids, scores and `<pool>_candidate_ids` (`<pool>_scores`). JSON: a file for
    the servers of CIRR or CIRCO. Else a TREC run of six columns. Raises PredictionError that names the line or key.
    """
    _check_size(path, MAX_BYTES)
    if path.suffix == ".parquet":
        return _parquet(path)
    with path.open("rb") as file:
        begin = file.read(64).lstrip()
    if path.suffix == ".json" or begin.startswith((b"{", b"[")):
        _check_size(path, MAX_JSON_BYTES)
        return _server_json(path)
    return {MAIN_POOL: _trec(path)}


def _check_size(path: Path, limit: int) -> None:
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise PredictionError(f"{path}: a folder; name the file with the rankings.")
    except OSError as error:
        raise PredictionError(f"{path}: cannot be read ({error.strerror}).") from None
    if not 0 < size <= limit:
        raise PredictionError(f"{path}: {size} bytes; rankings have between 1 and {limit}.")


def _trec(path: Path) -> RankedLists:
    lists: dict[str, list[str]] = {}
    scores: dict[str, list[float]] = {}
    for query, candidate, score in _trec_lines(path):
        lists.setdefault(query, []).append(candidate)
        scores.setdefault(query, []).append(score)
    if not lists:
        raise PredictionError(f"{path}: holds no ranking.")
    flat = np.array([one for part in scores.values() for one in part], dtype=np.float64)
    return _flat(lists, flat)


def _trec_lines(path: Path) -> Iterator[tuple[str, str, float]]:
    """Yield query, candidate and score of each line that is not blank."""
    with path.open(encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(file, 1):
                parts = line.split()
                if not parts:
                    continue
                if len(parts) != 6:
                    raise PredictionError(
                        f"{path}, line {number}: {len(parts)} columns; a TREC run has six: query Q0 candidate rank "
                        f"score tag. Found {line.strip()[:80]!r}."
                    )
                yield parts[0], parts[2], _number(parts[4], path, number)
        except UnicodeDecodeError:
            raise PredictionError(
                f"{path}: not text. Rankings are a TREC run, the JSON of a test server, or Parquet named *.parquet."
            ) from None


def _number(text: str, path: Path, line: int) -> float:
    try:
        return float(text.replace("_", "?"))
    except ValueError:
        raise PredictionError(f"{path}, line {line}: the score {text!r} is not a number.") from None


def _server_json(path: Path) -> dict[str, RankedLists]:
    try:
        value = read_json(path)
    except DataError as error:
        raise PredictionError(str(error)) from None
    if not isinstance(value, dict) or not value:
        raise PredictionError(f"{path}: expected an object of query id -> list of candidate ids.")
    if "version" in value or "metric" in value:
        return _cirr(path, value)
    return {MAIN_POOL: _flat({key: _ids(path, key, one) for key, one in value.items()}, None)}


def _cirr(path: Path, value: Mapping[str, Any]) -> dict[str, RankedLists]:
    version, metric = value.get("version"), value.get("metric")
    if version != CIRR_VERSION or metric not in CIRR_POOLS:
        raise PredictionError(
            f"{path}: version {version!r} and metric {metric!r}; the server of CIRR takes version {CIRR_VERSION!r} and "
            f"metric {' or '.join(map(repr, CIRR_POOLS))}."
        )
    lists = {key: _ids(path, key, one) for key, one in value.items() if key not in ("version", "metric")}
    return {CIRR_POOLS[metric]: _flat(lists, None)}


def _ids(path: Path, key: str, value: object) -> list[str]:
    """Ids are text or whole numbers: CIRCO's are numbers, and some exporters write them as text."""
    if not isinstance(value, list) or not all(type(one) in (str, int) for one in value):
        raise PredictionError(f"{path}: query {key!r}: expected a list of candidate ids, found {str(value)[:80]}.")
    return [str(one) for one in value]


def _flat(lists: Mapping[str, list[str]], scores: Floats | None) -> RankedLists:
    starts = np.concatenate([[0], np.cumsum([len(one) for one in lists.values()])]).astype(np.int64)
    candidates = texts([name for one in lists.values() for name in one])
    return RankedLists(texts(list(lists)), starts, candidates, scores)


def _parquet(path: Path) -> dict[str, RankedLists]:
    try:
        file = pq.ParquetFile(path)
        unpacked = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if unpacked > 4 * MAX_BYTES:
            raise PredictionError(f"{path}: {unpacked} bytes when unpacked, more than rankings can have.")
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise PredictionError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}") from None
    for name in ("query_id", SUFFIX):
        if table.column_names.count(name) != 1:
            raise PredictionError(f"{path}: expected one column {name!r}; found {listed(table.column_names, 20)}.")
    queries = _column(path, table, "query_id", pa.string())
    prefixes = [name.removesuffix(SUFFIX) for name in table.column_names if name.endswith(f"_{SUFFIX}")]
    pools = {MAIN_POOL: ""} | {prefix.removesuffix("_"): prefix for prefix in prefixes}
    return {pool: _parquet_pool(path, table, prefix, queries) for pool, prefix in pools.items()}


def _parquet_pool(path: Path, table: pa.Table, prefix: str, queries: pa.Array) -> RankedLists:
    lists = _column(path, table, f"{prefix}{SUFFIX}", pa.list_(pa.string()))
    sizes = _sizes(lists)
    scores = None
    if f"{prefix}scores" in table.column_names:
        values = _column(path, table, f"{prefix}scores", pa.list_(pa.float64()))
        wrong = np.flatnonzero(_sizes(values) != sizes)
        if len(wrong):
            raise PredictionError(
                f"{path}: query {queries[int(wrong[0])].as_py()!r} has {sizes[wrong[0]]} {prefix}{SUFFIX}, but "
                f"{_sizes(values)[wrong[0]]} {prefix}scores."
            )
        scores = floats(values.flatten())
    return RankedLists(queries, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), lists.flatten(), scores)


def _sizes(lists: pa.ListArray) -> Rows:
    return integers(lists.value_lengths())


def _column(path: Path, table: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    try:
        column = table[name].cast(kind).combine_chunks()
    except pa.ArrowException:
        raise PredictionError(f"{path}: the column {name!r} must be {kind}, but it is {table[name].type}.") from None
    flat = column.flatten() if pa.types.is_list(kind) else column
    if flat.null_count and not name.endswith("scores"):
        raise PredictionError(f"{path}: the column {name!r} holds {flat.null_count} nulls where ids belong.")
    return column
