"""Results on disk with the scores of their queries, as a run would have left them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.publish.sample import card

from mbench.core.files import write_json
from mbench.core.results import Counts, ModelRef, TaskRef, TaskResult, Value, result_folder

Scores = Mapping[str, Sequence[float | None]]


def saved(folder: Path, model: str, scores: Scores, task: str = "some-task", **keys: Any) -> Path:
    """Write a result and its per-query scores below `folder`; return the result's path. `keys` change the result,
    `about` what it says of the task."""
    n = len(next(iter(scores.values())))
    revision = keys.pop("revision", "1")
    ids = keys.pop("ids", [f"q{row}" for row in range(n)])
    metrics = {
        key: Value(value=float(np.mean(judged)), n=len(judged))
        for key, values in scores.items()
        if (judged := [one for one in values if one is not None])
    }
    about = keys.pop("about", {})
    told = card(model, revision=revision)
    result = TaskResult.model_validate(
        {
            "task": TaskRef.model_validate(
                {"id": task, "version": 1, "protocol": "p1", "fingerprint": "f" * 16} | about
            ),
            "model": ModelRef(id=model, revision=revision, fingerprint=model.ljust(16, "0"), card=told),
            "metrics": metrics,
            "counts": Counts(queries=n, candidates=50, judged=n, skipped=0),
        }
        | keys
    )
    path = result_folder(folder, result.model) / f"{task}.json"
    write_json(path, result.model_dump(mode="json"))
    write_scores(path, ids, scores)
    return path


def write_scores(path: Path, ids: Sequence[str], scores: Scores) -> None:
    """Write `<task>.queries.parquet` beside the result at `path`."""
    columns = {key: pa.array(values, pa.float64()) for key, values in scores.items()}
    table = pa.table({"query_id": pa.array(ids, pa.string()), **columns})
    pq.write_table(table, path.with_name(f"{path.stem}.queries.parquet"))
