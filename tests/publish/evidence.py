"""Results with the evidence of a run beside them, on a small task whose data are made here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mbench.core.files import write_json
from mbench.core.results import RANKINGS, SCORES, TaskResult, Value, result_folder


def write_evidence(
    root: Path,
    result: TaskResult,
    values: Mapping[str, float],
    tops: Mapping[str, Sequence[str]] | None = None,
    key: str = "recall@1",
) -> Path:
    """Write `result` with its primary metric set to the mean of `values` (by query), and the files behind it."""
    column = np.array(list(values.values()))
    known = column[~np.isnan(column)]
    metrics = dict(result.metrics) | {key: Value(value=float(known.mean()), n=len(known))}
    folder = result_folder(root, result.model)
    write_json(
        folder / f"{result.task.id}.json", result.model_copy(update={"metrics": metrics}).model_dump(mode="json")
    )
    scores = {"query_id": pa.array(list(values), pa.string()), key: pa.array(column, pa.float64(), from_pandas=True)}
    pq.write_table(pa.table(scores), folder / f"{result.task.id}{SCORES}")
    if tops is not None:
        lists = {
            "query_id": pa.array(list(tops), pa.string()),
            "candidate_ids": pa.array([list(ids) for ids in tops.values()], pa.list_(pa.string())),
            "scores": pa.array([[1.0 - n / 10 for n in range(len(ids))] for ids in tops.values()]),
        }
        pq.write_table(pa.table(lists), folder / f"{result.task.id}{RANKINGS}")
    return folder


def data_of(script: bytes) -> Any:
    """The value that a script file hands to its page."""
    text = script.decode("ascii")
    assert text.startswith("mbenchData(") and text.endswith(");\n")
    return json.loads(text[text.index(",", text.index(",") + 1) + 1 : -3])
