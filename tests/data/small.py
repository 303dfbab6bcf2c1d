"""A tiny data set in the schema of the emoji suite, to be bent into every wrong shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mbench.core.specs import TaskSpec
from mbench.core.types import EvalData
from mbench.data.catalog import Task, task_fingerprint
from mbench.data.images import TileImages
from mbench.data.loading import load

TEXT, LIST = pa.string(), pa.list_(pa.string())
SIZE = 2
OPTIONS = {"queries": "q.parquet", "candidates": "c.parquet", "pictures": "p.parquet"}
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "carmine": (255, 0, 0)}
QUERY_TYPES = {
    **dict.fromkeys(("id", "text", "instruction", "group", "opposite"), TEXT),
    **dict.fromkeys(("tiles", "relevant", "target", "exclude", "gallery", "subset", "paraphrases", "tag_kind"), LIST),
}

CANDIDATES: list[dict[str, Any]] = [
    {"id": "c1", "text": "one", "tiles": None, "modality": "text"},
    {"id": "c2", "text": "two", "tiles": None, "modality": "text"},
    {"id": "c3", "text": "three", "tiles": None, "modality": "text"},
    {"id": "c10", "text": "ten", "tiles": None, "modality": "text"},
]


def query(name: str, **fields: Any) -> dict[str, Any]:
    """A query with one red picture whose right answer is c1, unless told otherwise."""
    one: dict[str, Any] = dict.fromkeys(QUERY_TYPES)
    one |= {"id": name, "instruction": "what?", "tiles": ["red"], "relevant": ["c1"], "target": ["c1"]}
    one |= {"exclude": [], "paraphrases": [], "tag_kind": ["a"]}
    return one | fields


def picture_bytes(name: str) -> bytes:
    return np.full((SIZE, SIZE, 3), COLOURS[name], dtype=np.uint8).tobytes()


def tiles() -> TileImages:
    return TileImages({name: picture_bytes(name) for name in COLOURS}, SIZE)


def declaration(**fields: Any) -> dict[str, Any]:
    """The YAML of the tiny task as plain values."""
    one: dict[str, Any] = {
        "id": "small",
        "version": 1,
        "protocol": "test",
        "description": "A tiny task.",
        "kind": "control",
        "source": {
            "loader": "emoji",
            "shipped": True,
            "options": OPTIONS,
        },
        "query": {"modality": "image"},
        "candidates": {"modality": "text"},
        "metrics": ["recall@1"],
        "primary": "recall@1",
        "license": "CC0-1.0",
        "citation": "none",
    }
    return one | fields


def write(
    folder: Path,
    queries: list[dict[str, Any]],
    candidates: list[dict[str, Any]] | None = None,
    pictures: Mapping[str, Any] | None = None,
) -> None:
    """Write the three Parquet files."""
    query_schema = pa.schema([(name, QUERY_TYPES[name]) for name in QUERY_TYPES])
    pq.write_table(pa.Table.from_pylist(queries, query_schema), folder / "q.parquet")
    schema = pa.schema([("id", TEXT), ("text", TEXT), ("tiles", LIST), ("modality", TEXT)])
    pq.write_table(pa.Table.from_pylist(CANDIDATES if candidates is None else candidates, schema), folder / "c.parquet")
    sizes = pa.array([SIZE] * len(COLOURS), pa.int32())
    plain = {"id": list(COLOURS), "size": sizes, "pixels": [picture_bytes(name) for name in COLOURS]}
    pq.write_table(pa.table(plain | dict(pictures or {})), folder / "p.parquet")


def task(folder: Path, **fields: Any) -> Task:
    spec = TaskSpec.model_validate(declaration(**fields))
    return Task(spec, folder / "small.yaml", task_fingerprint(spec))


def loaded(folder: Path, queries: list[dict[str, Any]], **fields: Any) -> EvalData:
    """Write the files, and load them as the tiny task with `fields` changed."""
    write(folder, queries)
    return load(task(folder, **fields))
