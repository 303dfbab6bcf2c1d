"""Parquet of strangers: sizes, columns and encodings are read from the footer and judged before any page is unpacked.

Texts are read by dictionary, so that a file cannot repeat a long text into memory. A footer that lies about its pages
ends in an error of the reader, or ends the process: strangers' files pass `probe` before they are read here.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mbench.core.arrow import floats, integers
from mbench.core.types import MAIN_POOL, Floats, Rows
from mbench.data.prediction_files import RankedLists
from mbench.publish.submission import limits

MAGIC, ENCRYPTED = b"PAR1", b"PARE"
LARGEST_FOOTER = 8 * 2**20
TEXT_LIMIT, CONTAINER_LIMIT = 2**20, 200_000
"""Bounds of the footer's own parser: bytes of a text, elements of a list."""
IDS, SCORES = "candidate_ids", "scores"
METADATA = frozenset({b"ARROW:schema", b"pandas"})
EXTENSION = b"ARROW:extension"


class ParquetError(Exception):
    """A Parquet file that is not read, and why; `code` names the kind of reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class QueryTable:
    """The scores by query: `columns` [n_q] by metric key, NaN for a query that is not judged."""

    queries: tuple[str, ...]
    columns: Mapping[str, Floats]


def read_rankings(path: Path) -> dict[str, RankedLists]:
    """Return the ranked lists by pool: columns query_id, candidate_ids, scores, and `<pool>_` for other pools.

    Raises ParquetError.
    """
    with _told():
        file = _opened(path)
        names = _leaves(file.metadata)
        prefixes = [name.removesuffix(IDS) for name in names if name.endswith(IDS)]
        expected = {"query_id": "text"}
        for prefix in prefixes:
            expected |= {f"{prefix}{IDS}": "texts", f"{prefix}{SCORES}": "numbers"}
        if "" not in prefixes or names != expected:
            _refuse_columns(names, "query_id, candidate_ids, scores (and <pool>_candidate_ids, <pool>_scores)")
        table = _unpacked(path, file, [f"{prefix}{IDS}" for prefix in prefixes])
        queries = _texts(table, "query_id")
        return {prefix.removesuffix("_") or MAIN_POOL: _lists(table, prefix, queries) for prefix in prefixes}


def read_queries(path: Path) -> QueryTable:
    """Return the scores by query: columns query_id and one number a metric key. Raises ParquetError."""
    with _told():
        file = _opened(path)
        names = _leaves(file.metadata)
        if names.pop("query_id", "") != "text" or set(names.values()) - {"number"}:
            _refuse_columns(_leaves(file.metadata), "query_id and one column of float64 a metric")
        table = _unpacked(path, file, [])
        columns = {name: floats(table[name]) for name in names}
        return QueryTable(tuple(_texts(table, "query_id").to_pylist()), columns)


@contextmanager
def _told() -> Iterator[None]:
    """Turn whatever the reader says of a damaged file into one error."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, LookupError, MemoryError, OverflowError, TypeError, ValueError) as error:
        raise ParquetError("parquet-unreadable", f"not a readable Parquet file: {_first_line(error)}") from None


def _opened(path: Path) -> Any:
    import pyarrow.parquet as pq

    _check_ends(path)
    file = pq.ParquetFile(path, thrift_string_size_limit=TEXT_LIMIT, thrift_container_size_limit=CONTAINER_LIMIT)
    _check_sizes(file.metadata, path.stat().st_size)
    _check_metadata(file.metadata.metadata or {})
    return file


def _check_ends(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(max(0, size - 8))
        end = file.read(8)
    if ENCRYPTED in (start, end[-4:]):
        raise ParquetError("parquet-encrypted", "encrypted: nobody could recompute anything from it")
    if size < 12 or start != MAGIC or end[-4:] != MAGIC:
        raise ParquetError("parquet-unreadable", "not a Parquet file: it does not begin and end as one")
    if int.from_bytes(end[:4], "little") > min(size, LARGEST_FOOTER):
        raise ParquetError("parquet-bomb", "its footer claims more bytes than a ranking's has")


def _check_sizes(metadata: Any, size: int) -> None:
    if metadata.num_rows > limits.QUERIES or metadata.num_columns > limits.COLUMNS:
        said = f"{metadata.num_rows} rows and {metadata.num_columns} columns"
        raise ParquetError("parquet-bomb", f"{said}; at most {limits.QUERIES} and {limits.COLUMNS} are read")
    if metadata.num_row_groups > limits.ROW_GROUPS:
        raise ParquetError(
            "parquet-bomb", f"{metadata.num_row_groups} row groups; at most {limits.ROW_GROUPS} are read"
        )
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    if sum(group.num_rows for group in groups) != metadata.num_rows:
        raise ParquetError("parquet-unreadable", "its row groups do not add up to its rows")
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    unpacked = sum(chunk.total_uncompressed_size for chunk in chunks)
    if unpacked > limits.UNPACKED_BYTES or unpacked > limits.RATIO * size + 2**20:
        raise ParquetError("parquet-bomb", f"{size} bytes that unpack to {unpacked}")
    entries = max((chunk.num_values for chunk in chunks), default=0)
    if entries > limits.ENTRIES or sum(chunk.num_values for chunk in chunks) > 4 * limits.ENTRIES:
        raise ParquetError("parquet-bomb", f"a column of {entries} values; at most {limits.ENTRIES} are read")
    if any(chunk.num_values < 0 or chunk.total_uncompressed_size < 0 for chunk in chunks):
        raise ParquetError("parquet-unreadable", "a column with a negative size")


def _check_metadata(metadata: Mapping[bytes, bytes]) -> None:
    unknown = sorted(set(metadata) - METADATA)
    if unknown:
        raise ParquetError("parquet-schema", f"unknown metadata {unknown[0][:40]!r}; a ranking has none")
    try:
        schema = base64.b64decode(metadata.get(b"ARROW:schema", b""), validate=True)
    except binascii.Error:
        raise ParquetError("parquet-schema", "its Arrow schema cannot be decoded") from None
    if EXTENSION in schema:
        raise ParquetError("parquet-schema", "a column of an extension type, which could bring code along")


def _leaves(metadata: Any) -> dict[str, str]:
    """Return what each column holds: text, number, texts, numbers, or what else is there."""
    found: dict[str, str] = {}
    for number in range(metadata.num_columns):
        column = metadata.schema.column(number)
        top, *nested = column.path.split(".")
        known = {("BYTE_ARRAY", "STRING"): "text", ("DOUBLE", "NONE"): "number"}
        kind = known.get((column.physical_type, column.logical_type.type), column.physical_type)
        if nested:
            flat = len(nested) == 2 and column.max_repetition_level == 1
            kind = f"{kind}s" if flat else f"nested {kind}"
        if top in found:
            raise ParquetError("parquet-schema", f"the column {top[:40]!r} stands twice or has several parts")
        found[top] = kind
    return found


def _refuse_columns(names: Mapping[str, str], expected: str) -> None:
    shown = ", ".join(f"{name[:40]}: {kind}" for name, kind in list(names.items())[:8])
    raise ParquetError("parquet-schema", f"columns {shown}; expected {expected}")


def _unpacked(path: Path, file: Any, lists: list[str]) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    leaves = [file.metadata.schema.column(number).path for number in range(file.metadata.num_columns)]
    texts = [leaf for leaf in leaves if leaf.split(".")[0] in {*lists, "query_id"}]
    with pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as again:
        groups = range(again.metadata.num_row_groups)  # Arrow reads lists of texts by dictionary one group at a time
        table = pa.concat_tables(again.read_row_group(n, use_threads=False) for n in groups) if groups else again.read()
    if table.nbytes > limits.UNPACKED_BYTES:
        raise ParquetError("parquet-bomb", f"it unpacks to {table.nbytes} bytes, of which its footer tells nothing")
    table.validate(full=True)  # a damaged page can hold places of a dictionary that it does not have
    return table


def _texts(table: Any, name: str) -> Any:
    """Return a column of texts as one Arrow array of strings, once it is known that none is endless."""
    return _decoded(table[name].combine_chunks(), name)


def _lists(table: Any, prefix: str, queries: Any) -> RankedLists:
    lists = table[f"{prefix}{IDS}"].combine_chunks()
    values = table[f"{prefix}{SCORES}"].combine_chunks()
    sizes, others = _sizes(lists), _sizes(values)
    if (sizes != others).any():
        row = int(np.flatnonzero(sizes != others)[0])
        said = f"row {row} has {sizes[row]} {prefix}{IDS}, but {others[row]} {prefix}{SCORES}"
        raise ParquetError("parquet-schema", said)
    scores = floats(values.flatten())
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return RankedLists(queries, starts, _decoded(lists.flatten(), f"{prefix}{IDS}"), scores)


def _sizes(lists: Any) -> Rows:
    return integers(lists.value_lengths())


def _decoded(column: Any, name: str) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    if coded.null_count or coded.dictionary.null_count:
        raise ParquetError("parquet-null", f"the column {name!r} lacks ids")
    longest = pc.max(pc.binary_length(coded.dictionary)).as_py() or 0
    if longest > limits.ID_CHARACTERS:
        raise ParquetError("parquet-bomb", f"the column {name!r} holds an id of {longest} bytes")
    lengths = integers(pc.binary_length(coded.dictionary))
    unpacked = int(np.bincount(integers(coded.indices), minlength=len(lengths)) @ lengths)
    if unpacked > limits.UNPACKED_BYTES:
        raise ParquetError("parquet-bomb", f"the column {name!r} holds ids of {unpacked} bytes in all")
    return coded.cast(pa.string())


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
