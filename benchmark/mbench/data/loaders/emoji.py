"""Questions, candidates and small pictures in three Parquet files: the emoji suite, and data sets of users.

The columns are described in tasks/emoji/data/README.md. Scenes of four pictures are put together when they are opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mbench.core.arrow import filled, integers, scalar, texts
from mbench.core.declared import spec_from
from mbench.core.errors import DataError, listed, nearest
from mbench.core.specs import Strict, TaskSpec
from mbench.core.types import EvalData, Judgments, Sets
from mbench.data.images import SCENE, SEPARATOR, TileImages
from mbench.data.judging import groups_of, sets_of, tags_of
from mbench.data.loading import SourceFiles
from mbench.data.table import ArrowTable

TEXT, LIST = pa.string(), pa.list_(pa.string())
TAG = "tag_"
PICTURES = {"id": TEXT, "size": pa.int32(), "pixels": pa.binary()}
CANDIDATES = {"id": TEXT}
CONTENTS = {"text": TEXT, "tiles": LIST, "modality": TEXT}
QUERIES = {"id": TEXT, "relevant": LIST}
OPTIONAL = {"text": TEXT, "instruction": TEXT, "tiles": LIST, "target": LIST, "exclude": LIST, "gallery": LIST}
OPTIONAL |= {"subset": LIST, "group": TEXT, "paraphrases": LIST, "opposite": TEXT}
PART = 256
"""Pictures that are read at a time."""
MODALITIES = {"text": (True, False), "image": (False, True), "image,text": (True, True)}


class EmojiOptions(Strict):
    """`source.options` of this loader: file names, and the field that a query's paraphrases and opposite put anew."""

    queries: str
    candidates: str
    pictures: str | None = None
    rewords: Literal["instruction", "text"] = "instruction"


def load(spec: TaskSpec, files: SourceFiles) -> EvalData:
    """Read a task. Raises SpecError for wrong options and DataError, with file and column, for wrong files."""
    options: EmojiOptions = spec_from(EmojiOptions, spec.source.options, f"{spec.id}: source.options")
    pictures = read_pictures(files.path(options.pictures)) if options.pictures else None
    candidates = _candidates(files.path(options.candidates), pictures, f"the candidates of {spec.id}")
    path = files.path(options.queries)
    columns = read_columns(path, QUERIES, OPTIONAL, free=TAG)
    queries = _table(columns, pictures, f"the queries of {spec.id}")
    reworded = pa.repeat(scalar(options.rewords, TEXT), len(queries))
    queries = ArrowTable(queries.columns.append_column("rewords", reworded), pictures, queries.name)
    return EvalData(queries, candidates, _judgments(queries, candidates))


def read_pictures(path: Path) -> TileImages:
    """Read a table of square RGB pictures of one size (columns id, size, pixels). Raises DataError."""
    state = path.stat()
    return _pictures(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)
def _pictures(path: Path, size: int, modified: int) -> TileImages:
    """Kept for the next task of the family; size and time of change are there for the cache alone."""
    names: list[str] = []
    sides: dict[int, None] = {}
    pixels: list[bytes] = []
    for part in _parts(path, PICTURES):
        names += part["id"].to_pylist()
        sides |= dict.fromkeys(part["size"].to_pylist())
        pixels += part["pixels"].to_pylist()
    side = next(iter(sides), 0)
    if len(sides) != 1 or not isinstance(side, int) or side < 1:
        raise DataError(f"{path}: all pictures must have one size of at least 1 pixel; found {listed(list(sides))}.")
    lengths = list(dict.fromkeys(len(one or b"") for one in pixels))
    if lengths != [side**2 * 3]:
        raise DataError(f"{path}: {side} x {side} RGB pixels are {side**2 * 3} bytes; found [{listed(lengths)}].")
    if len(set(names)) != len(names) or any(not name or SEPARATOR in name for name in names):
        raise DataError(f"{path}: picture ids must be unique, not empty and without {SEPARATOR!r}.")
    return TileImages(dict(zip(names, pixels, strict=True)), side)


def _parts(path: Path, required: dict[str, Any]) -> Iterator[pa.Table]:
    """Read a Parquet file as `read_columns`, some rows at a time: the memory of one part serves the next."""
    try:
        for batch in pq.ParquetFile(path).iter_batches(PART, use_threads=False):
            yield _columns(pa.Table.from_batches([batch]), path, required, {}, free="")
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def read_columns(path: Path, required: dict[str, Any], optional: dict[str, Any], free: str) -> pa.Table:
    """Read a Parquet file and cast its columns to the expected types.

    Columns whose name begins with `free` are lists of text. Raises DataError that names the file and the column: not
    Parquet, a column that lacks, is unknown, or holds another type.
    """
    try:
        # read_table would import pyarrow.dataset and pandas; threads do not share the one heavy column, and must start.
        table = pq.ParquetFile(path).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    return _columns(table, path, required, optional, free)


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable Parquet file: {str(error).splitlines()[0]}")


def _columns(table: pa.Table, path: Path, required: dict[str, Any], optional: dict[str, Any], free: str) -> pa.Table:
    expected = required | {name: kind for name, kind in optional.items() if name in table.column_names}
    for name in required:
        if name not in table.column_names:
            raise DataError(f"{path}: the column {name!r} is missing; found {listed(table.column_names, 20)}.")
    for name in table.column_names:
        if not name.startswith(free) and name not in expected:
            near = nearest(name, [*required, *optional])
            raise DataError(f"{path}: unknown column {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
    if free:
        expected |= {name: LIST for name in table.column_names if name.startswith(free)}
    return pa.table({name: _cast(table[name], kind, name, path) for name, kind in expected.items()})


def _cast(column: pa.ChunkedArray, kind: pa.DataType, name: str, path: Path) -> pa.Array:
    try:
        cast = column.cast(kind)
        return cast.chunk(0) if cast.num_chunks == 1 else cast.combine_chunks()
    except pa.ArrowException:
        raise DataError(f"{path}: the column {name!r} must be {kind}, but it is {column.type}.") from None


def _candidates(path: Path, pictures: TileImages | None, name: str) -> ArrowTable:
    table = _table(read_columns(path, CANDIDATES, CONTENTS, free=TAG), pictures, name)
    has_text = pc.is_valid(table.array("text")).to_pylist()
    has_image = pc.is_valid(table.array("image")).to_pylist()
    if "modality" not in table.columns.column_names:
        named = {parts: modality for modality, parts in MODALITIES.items()}
        found = texts([named[parts] for parts in zip(has_text, has_image, strict=True)])
        return ArrowTable(table.columns.append_column("modality", found), pictures, name)
    for row, stated in enumerate(table.column("modality")):
        if MODALITIES.get(str(stated)) != (has_text[row], has_image[row]):
            key = table.ids(np.array([row]))[0]
            raise DataError(
                f"{path}: candidate {key!r} is stated to be {stated!r}, but its text "
                f"{'is there' if has_text[row] else 'is null'} and its tiles are "
                f"{'there' if has_image[row] else 'null'}."
            )
    return table


def _table(columns: pa.Table, pictures: TileImages | None, name: str) -> ArrowTable:
    kept = {key: columns[key] for key in columns.column_names if key != "tiles"}
    if "tiles" in columns.column_names:
        kept["image"] = _references(columns, name)
    table = ArrowTable.of(kept, name=name, pictures=pictures)
    table.check_images()
    return table


def _references(columns: pa.Table, name: str) -> pa.Array:
    tiles = columns["tiles"].combine_chunks()
    lengths = integers(tiles.value_lengths(), 1)
    wrong = np.flatnonzero((lengths != 1) & (lengths != SCENE))
    if len(wrong):
        key = columns["id"][int(wrong[0])].as_py()
        raise DataError(f"{name}: {key!r} has {lengths[wrong[0]]} tiles; a picture is made of 1 or {SCENE}.")
    if not all(filled(pc.binary_join(tiles, scalar("", TEXT)), "-").to_pylist()):
        raise DataError(f"{name}: a row has no picture in any of its tiles; write null where there is none.")
    return pc.binary_join(tiles, scalar(SEPARATOR, TEXT))


def _judgments(queries: ArrowTable, candidates: ArrowTable) -> Judgments:
    names = queries.columns.column_names
    found: dict[str, Sets] = {
        name: sets_of(queries.array(name), queries, candidates, name)
        for name in ("relevant", "target", "exclude", "gallery", "subset")
        if name in names and queries.array(name).null_count < len(queries)
    }
    tags = {name.removeprefix(TAG): tags_of(queries.array(name)) for name in names if name.startswith(TAG)}
    return Judgments(
        labels={name: found[name] for name in ("relevant", "target") if name in found},
        exclude=_unless_empty(found.get("exclude")),
        pools={name: found[name] for name in ("gallery", "subset") if name in found},
        tags=tags,
        groups=groups_of(queries.array("group")) if queries.array("group").null_count < len(queries) else None,
    )


def _unless_empty(sets: Sets | None) -> Sets | None:
    return sets if sets is not None and len(sets.rows) else None
