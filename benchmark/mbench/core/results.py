"""What a run leaves behind: a result with its provenance, the rankings behind it, and every query's scores.

`<output>/<model>/<revision>/<task>.json` is written last, so a result that can be read has its evidence beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, ValidationError, model_serializer

from mbench.core.arrow import measured, numbers, texts
from mbench.core.errors import DataError
from mbench.core.extras import Ablations, Control, Point, Stability
from mbench.core.files import read_json, write_atomically, write_json
from mbench.core.specs import ModelCard
from mbench.core.types import MAIN_POOL, Floats, ItemTable, Rankings
from mbench.core.values import Record, Value

__all__ = [
    "EXTRAS",
    "Counts",
    "Evidence",
    "GroupResult",
    "ModelRef",
    "Record",
    "TaskRef",
    "TaskResult",
    "Value",
    "read_result",
    "result_folder",
    "safe_name",
    "write_result",
]

SCHEMA_VERSION: Literal[1] = 1
RANKINGS, SCORES = ".ranking.parquet", ".queries.parquet"
EXTRAS = ("ablations", "control", "curves", "stability")
"""What a result holds only where a run was asked for it."""


class TaskRef(Record):
    """Which task, which version of it, and the hash of all that can move a score."""

    id: str
    version: int
    protocol: str
    fingerprint: str


class ModelRef(Record):
    """Which model, which weights, and the hash of all that can change an embedding."""

    id: str
    revision: str
    fingerprint: str
    card: ModelCard


class Counts(Record):
    """How much was evaluated: `judged` queries enter the means, `skipped` have no right answer in the data."""

    queries: int
    candidates: int
    judged: int
    skipped: int


class TaskResult(Record):
    """One model on one task.

    `partial` marks results of --limit or of a smaller pool than the official one, `variant` those that leave the task's
    protocol (other instructions): no leaderboard takes either. Without `labels_public` there are no metrics: the
    benchmark's server has the labels. `curves` holds the scores of shortened and quantised embeddings.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    task: TaskRef
    model: ModelRef
    partial: bool = False
    variant: str = ""
    labels_public: bool = True
    metrics: dict[str, Value]
    slices: dict[str, dict[str, dict[str, Value]]] = Field(default_factory=dict)
    counts: Counts
    diagnostics: dict[str, JsonValue] = Field(default_factory=dict)
    run: dict[str, JsonValue] = Field(default_factory=dict)
    ablations: Ablations | None = None
    control: Control | None = None
    curves: list[Point] | None = None
    stability: Stability | None = None

    @model_serializer(mode="wrap")
    def _without_absent_extras(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        return {key: value for key, value in written.items() if key not in EXTRAS or value is not None}


class GroupResult(Record):
    """One model on a group: plain means of its tasks' scores. `tasks` holds the fingerprint of each member's result."""

    schema_version: Literal[1] = SCHEMA_VERSION
    group: str
    model: ModelRef
    partial: bool = False
    variant: str = ""
    metrics: dict[str, Value]
    tasks: dict[str, TaskRef]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What every number of a result can be recomputed from. `rankings` by pool; `per_query` [n_q] by metric key."""

    query_ids: Sequence[str]
    candidate_ids: ItemTable
    rankings: Mapping[str, Rankings]
    per_query: Mapping[str, Floats]


def safe_name(name: str) -> str:
    """Return `name` as one folder name: other characters than letters, digits, dot, dash and underscore become `__`."""
    return re.sub(r"[^A-Za-z0-9._-]+", "__", name).lstrip(".") or "_"


def result_folder(output: Path, model: ModelRef) -> Path:
    """Return where the results of `model` go below the output folder."""
    return output / safe_name(model.id) / safe_name(model.revision)


def write_result(folder: Path, result: TaskResult, evidence: Evidence) -> Path:
    """Remove an earlier result, write the evidence, then the result; return its path. Raises OutputError."""
    path = folder / f"{result.task.id}.json"
    path.unlink(missing_ok=True)
    write_rankings(folder / f"{result.task.id}{RANKINGS}", evidence)
    write_per_query(folder / f"{result.task.id}{SCORES}", evidence)
    write_json(path, result.model_dump(mode="json"))
    return path


def write_rankings(path: Path, evidence: Evidence) -> None:
    """Write a row a query: query_id, candidate_ids, scores, and the same two with the pool's name for other pools."""
    import pyarrow as pa

    columns: dict[str, Any] = {"query_id": texts(evidence.query_ids)}
    for pool, rankings in evidence.rankings.items():
        prefix = "" if pool == MAIN_POOL else f"{pool}_"
        offsets, ids, scores = _flat(rankings)
        distinct, place = np.unique(ids, return_inverse=True)
        names = texts(evidence.candidate_ids.ids(distinct)).take(numbers(place))
        columns[f"{prefix}candidate_ids"] = pa.ListArray.from_arrays(offsets, names)
        columns[f"{prefix}scores"] = pa.ListArray.from_arrays(offsets, numbers(scores))
    _write_parquet(path, pa.table(columns))


def write_per_query(path: Path, evidence: Evidence) -> None:
    """Write a row a query: query_id and one float column a metric key (null for a query that is not judged)."""
    import pyarrow as pa

    columns: dict[str, Any] = {"query_id": texts(evidence.query_ids)}
    for key, values in evidence.per_query.items():
        columns[key] = measured(values)
    _write_parquet(path, pa.table(columns))


def _flat(rankings: Rankings) -> tuple[Any, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    found = rankings.ids >= 0
    offsets = np.zeros(len(found) + 1, dtype=np.int32)
    np.cumsum(found.sum(axis=1), out=offsets[1:])
    return numbers(offsets), rankings.ids[found], rankings.scores[found]


def _write_parquet(path: Path, table: Any) -> None:
    import pyarrow.parquet as pq

    write_atomically(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def read_result(path: Path) -> TaskResult | GroupResult:
    """Read a result file. Raises DataError that names the file and the key when it does not follow the schema."""
    data = read_json(path)
    cls = GroupResult if isinstance(data, dict) and "group" in data else TaskResult
    try:
        return cls.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(p) for p in first["loc"]) or "(top)"
        raise DataError(f"{path}: not a result of mbench: {key}: {first['msg']}") from None
