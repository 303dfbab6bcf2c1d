"""Parquet files that are none, are other than they seem, or unpack without end."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.publish.hostile import LONG, Case, queries_path, ranking, ranking_path, ranking_table, rows
from tests.publish.hostile_folders import Runs

Row = dict[str, Any]


def renamed(old: str, new: str) -> Any:
    def change(table: pa.Table) -> pa.Table:
        return table.rename_columns([new if name == old else name for name in table.column_names])

    return change


def as_text(table: pa.Table) -> pa.Table:
    return table.set_column(table.column_names.index("scores"), "scores", table["scores"].cast(pa.list_(pa.string())))


def with_blob(table: pa.Table) -> pa.Table:
    return table.append_column("blob", pa.array([pickle.dumps(Runs())] * len(table), pa.binary()))


def as_struct(table: pa.Table) -> pa.Table:
    ids = table["query_id"].combine_chunks()
    return table.set_column(0, "query_id", pa.StructArray.from_arrays([ids, ids], ["a", "b"]))


def nested_lists(table: pa.Table) -> pa.Table:
    lists = pa.array([[one] for one in table["candidate_ids"].to_pylist()])
    return table.set_column(table.column_names.index("candidate_ids"), "candidate_ids", lists)


def without_ids(table: pa.Table) -> pa.Table:
    lists = [[None, *one[1:]] for one in table["candidate_ids"].to_pylist()]
    kind = pa.list_(pa.string())
    return table.set_column(table.column_names.index("candidate_ids"), "candidate_ids", pa.array(lists, kind))


def with_metadata(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata({"code": "import os; os.system('touch canary')"})


def extension(folder: Path) -> None:
    path = ranking_path(folder)
    table = pq.read_table(path)
    field = table.schema.field("query_id").with_metadata({"ARROW:extension:name": "evil"})
    schema = table.schema.set(table.schema.get_field_index("query_id"), field)
    pq.write_table(table.cast(schema), path)


def long_id(row: Row) -> None:
    row["candidate_ids"] = ["x" * 5_000_000, *row["candidate_ids"][1:]]


def many_rows(folder: Path) -> None:
    """A few kilobytes that say they hold two million queries."""
    ids = pa.array(["q"] * 2_000_000)
    empty = pa.ListArray.from_arrays(pa.array([0] * 2_000_001, pa.int32()), pa.array([], pa.string()))
    scores = pa.ListArray.from_arrays(pa.array([0] * 2_000_001, pa.int32()), pa.array([], pa.float64()))
    table = pa.table({"query_id": ids, "candidate_ids": empty, "scores": scores})
    pq.write_table(table, ranking_path(folder), compression="zstd")


def many_entries(folder: Path) -> None:
    """One list of 21 million candidates in a few kilobytes."""
    count = 21_000_000
    ids = pa.DictionaryArray.from_arrays(pa.array(bytearray(count), pa.int8()), pa.array(["x"]))
    offsets = pa.array([0, count], pa.int32())
    table = pa.table({"query_id": ["q"], "candidate_ids": pa.ListArray.from_arrays(offsets, ids)})
    pq.write_table(table, ranking_path(folder), compression="zstd")


def repeated(folder: Path) -> None:
    """One id of 500 bytes, two million times: 1 GB in a few kilobytes."""
    count = 2_000_000
    ids = pa.DictionaryArray.from_arrays(pa.array(bytearray(count), pa.int8()), pa.array(["x" * 500]))
    offsets = pa.array([0, count], pa.int32())
    scores = pa.ListArray.from_arrays(offsets, pa.array(np.zeros(count)))
    table = pa.table({"query_id": ["q"], "candidate_ids": pa.ListArray.from_arrays(offsets, ids), "scores": scores})
    pq.write_table(table, ranking_path(folder), compression="zstd")


def one_row_a_group(folder: Path) -> None:
    """A thousand and one row groups."""
    path = ranking_path(folder, LONG)
    table = pq.read_table(path)
    table = pa.concat_tables([table] * (1 + 1_001 // len(table))).slice(0, 1_001)
    pq.write_table(table, path, row_group_size=1)


def zeros(folder: Path) -> None:
    """A column of zeros that unpacks to thousands of times its size."""
    count = 4_000_000
    values = pa.array(np.zeros(count))
    table = pa.table({"query_id": ["q"], "scores": pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), values)})
    pq.write_table(table, ranking_path(folder), compression="zstd", use_dictionary=False)


def footer(folder: Path) -> None:
    """A footer that says it is larger than the file."""
    path = ranking_path(folder)
    data = path.read_bytes()
    path.write_bytes(data[:-8] + struct.pack("<I", 0x7FFFFFFF) + b"PAR1")


def damaged(folder: Path) -> None:
    path = ranking_path(folder)
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 200] = b"\xff" * 200
    path.write_bytes(bytes(data))


def damaged_footer(folder: Path) -> None:
    path = ranking_path(folder)
    data = bytearray(path.read_bytes())
    data[-200:-100] = b"\xff" * 100
    path.write_bytes(bytes(data))


def encrypted(folder: Path) -> None:
    path = ranking_path(folder)
    path.write_bytes(b"PARE" + path.read_bytes()[4:-4] + b"PARE")


def text_file(folder: Path) -> None:
    ranking_path(folder).write_bytes(b"query Q0 candidate 1 0.5 tag\n")


def pickle_file(folder: Path) -> None:
    ranking_path(folder).write_bytes(pickle.dumps(Runs()))


def queries_pickle(folder: Path) -> None:
    queries_path(folder).write_bytes(pickle.dumps(Runs()))


CASES = [
    Case("no column of scores", "parquet-schema", ranking_table(lambda table: table.drop_columns(["scores"]))),
    Case("a column of another name", "parquet-schema", ranking_table(renamed("query_id", "query"))),
    Case("scores as text", "parquet-schema", ranking_table(as_text)),
    Case("a pickle in a column", "parquet-schema", ranking_table(with_blob)),
    Case("a struct in place of ids", "parquet-schema", ranking_table(as_struct)),
    Case("lists of lists", "parquet-schema", ranking_table(nested_lists)),
    Case("code as metadata", "parquet-schema", ranking_table(with_metadata)),
    Case("a type that brings code along", "parquet-schema", extension),
    Case("ids that are missing", "parquet-null", ranking_table(without_ids)),
    Case("an id of 5 MB", "parquet-bomb", ranking(rows(long_id, 1))),
    Case("two million queries in no space", "parquet-bomb", many_rows),
    Case("21 million candidates in no space", "parquet-bomb", many_entries),
    Case("one id two million times", "parquet-bomb", repeated),
    Case("a row group a query", "parquet-bomb", one_row_a_group),
    Case("zeros that unpack without end", "parquet-bomb", zeros),
    Case("a footer larger than the file", "parquet-bomb", footer),
    Case("damaged pages", "parquet-unreadable", damaged),
    Case("a damaged footer", "parquet-unreadable", damaged_footer),
    Case("an encrypted ranking", "parquet-encrypted", encrypted),
    Case("text under the name of a ranking", "parquet-unreadable", text_file),
    Case("a pickle under the name of a ranking", "parquet-unreadable", pickle_file),
    Case("a pickle under the name of scores", "parquet-unreadable", queries_pickle),
]
