"""Writes pictures, queries and candidates as Parquet with fixed settings: the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tools.emoji.catalog import catalog
from tools.emoji.questions import Candidate, Query, Task
from tools.emoji.render import on_white, render_style

PICTURE_PX = 72
STRINGS = pa.list_(pa.string())
PICTURES = pa.schema(
    [
        ("id", pa.string()),
        ("style", pa.string()),
        ("hex", pa.string()),
        ("label", pa.string()),
        ("size", pa.int32()),
        ("pixels", pa.binary()),
    ]
)
CANDIDATES = pa.schema([("id", pa.string()), ("text", pa.string()), ("tiles", STRINGS), ("modality", pa.string())])
QUERIES = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("instruction", pa.string()),
        ("tiles", STRINGS),
        ("relevant", STRINGS),
        ("target", STRINGS),
        ("exclude", STRINGS),
        ("gallery", STRINGS),
        ("subset", STRINGS),
        ("group", pa.string()),
        ("paraphrases", STRINGS),
        ("opposite", pa.string()),
    ]
)


def write_task(task: Task, folder: Path) -> None:
    """`<task>.queries.parquet` and `<task>.candidates.parquet`."""
    _write(_queries_table(task.queries), folder / f"{task.id}.queries.parquet")
    _write(_candidates_table(task.candidates), folder / f"{task.id}.candidates.parquet")


def used_pictures(tasks: Iterable[Task]) -> set[str]:
    """Ids of all pictures that any question or candidate shows."""
    shown: set[str] = set()
    for task in tasks:
        for query in task.queries:
            shown |= set(query.tiles or ())
        for candidate in task.candidates:
            shown |= set(candidate.tiles or ())
    return shown - {""}


def write_pictures(ids: set[str], folder: Path, cache_dir: Path) -> None:
    """`pictures.parquet`: RGB on white, [PICTURE_PX, PICTURE_PX, 3], the tones of a concept side by side.

    One page holds a whole style, so that the compressor sees siblings together.
    """
    rows = []
    for style in ("noto", "flat"):
        drawings = render_style(style, PICTURE_PX, cache_dir)
        for row in catalog(cache_dir).values():
            picture = f"{style}:{row.hex}"
            if picture in ids:
                pixels = on_white(drawings[row.hex]).tobytes()
                rows.append((picture, style, row.hex, row.label, PICTURE_PX, pixels))
    columns = [
        pa.array(column, type=field.type) for column, field in zip(zip(*rows, strict=True), PICTURES, strict=True)
    ]
    _write(pa.Table.from_arrays(columns, schema=PICTURES), folder / "pictures.parquet")


def _queries_table(queries: Sequence[Query]) -> pa.Table:
    table = pa.Table.from_pylist([{name: getattr(query, name) for name in QUERIES.names} for query in queries], QUERIES)
    for name in sorted({name for query in queries for name in query.tags}):
        values = [[query.tags[name]] if name in query.tags else [] for query in queries]
        table = table.append_column(f"tag_{name}", pa.array(values, type=STRINGS))
    return table


def _candidates_table(candidates: Sequence[Candidate]) -> pa.Table:
    rows = [{name: getattr(candidate, name) for name in CANDIDATES.names} for candidate in candidates]
    return pa.Table.from_pylist(rows, CANDIDATES)


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(
        table,
        path,
        version="2.6",
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in table.schema.names if name not in {"id", "pixels"}],
        write_statistics=False,
        row_group_size=1 << 20,
        data_page_size=1 << 28,
        write_batch_size=64,
    )
