"""Results can be read back as they were written, with the evidence beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mbench.core.errors import DataError
from mbench.core.results import (
    Counts,
    Evidence,
    ModelRef,
    TaskRef,
    TaskResult,
    Value,
    read_result,
    result_folder,
    safe_name,
    write_result,
)
from mbench.core.specs import ModelCard
from mbench.core.types import Rankings
from mbench.data.table import ArrowTable

CARD = ModelCard(id="org/model:large", modalities=["text"], uses_instructions=False, license="MIT", revision="abc")


def result() -> TaskResult:
    return TaskResult(
        task=TaskRef(id="task", version=1, protocol="official", fingerprint="f" * 16),
        model=ModelRef(id=CARD.id, revision=CARD.revision, fingerprint="e" * 16, card=CARD),
        metrics={"map@5": Value(value=0.1062, n=2, low=0.1, high=0.2)},
        counts=Counts(queries=2, candidates=3, judged=2, skipped=0),
    )


def evidence() -> Evidence:
    main = Rankings(np.array([[2, 0], [1, -1]]), np.array([[0.9, 0.1], [0.5, -np.inf]]))
    subset = Rankings(np.array([[0], [1]]), np.array([[0.1], [0.5]]))
    candidates = ArrowTable.of({"id": ["a", "b", "c"], "text": ["A", "B", "C"]}, name="candidates")
    return Evidence(["q1", "q2"], candidates, {"main": main, "subset": subset}, {"map@5": np.array([1.0, np.nan])})


def test_a_result_survives_writing_and_reading(tmp_path: Path) -> None:
    path = write_result(result_folder(tmp_path, result().model), result(), evidence())
    assert path == tmp_path / "org__model__large" / "abc" / "task.json"
    assert read_result(path) == result()


def test_the_ranking_file_drops_padding_and_keeps_every_pool(tmp_path: Path) -> None:
    write_result(tmp_path, result(), evidence())
    rows = pq.read_table(tmp_path / "task.ranking.parquet").to_pylist()
    assert rows[0] == {
        "query_id": "q1",
        "candidate_ids": ["c", "a"],
        "scores": [0.9, 0.1],
        "subset_candidate_ids": ["a"],
        "subset_scores": [0.1],
    }
    assert rows[1]["candidate_ids"] == ["b"]


def test_a_query_that_is_not_judged_has_no_score(tmp_path: Path) -> None:
    write_result(tmp_path, result(), evidence())
    rows = pq.read_table(tmp_path / "task.queries.parquet").to_pylist()
    assert rows == [{"query_id": "q1", "map@5": 1.0}, {"query_id": "q2", "map@5": None}]


@pytest.mark.parametrize("text", ['{"task": 1}', "[]", '{"schema_version": 2}', '{"group": "x"}'])
def test_another_json_file_is_not_taken_for_a_result(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match="not a result of mbench"):
        read_result(tmp_path / "x.json")


def test_a_result_cannot_hold_nan() -> None:
    with pytest.raises(ValueError, match="finite"):
        Value(value=float("nan"), n=1)


@pytest.mark.parametrize(
    ("name", "safe"), [("a/b:c", "a__b__c"), ("../../etc", "__..__etc"), ("..", "_"), ("ünï", "__n__")]
)
def test_a_model_name_cannot_leave_the_output_folder(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert "/" not in safe_name(name) and safe_name(name) not in (".", "..")
