"""`mbench score` gives for an exported ranking the very numbers that the run gave."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Command


@pytest.fixture
def ranking(mbench: Command, tmp_path: Path) -> Path:
    assert mbench("run", "-m", "random", "-t", "emoji-cir", "-o", "out", "--no-cache").code == 0
    return next((tmp_path / "out").rglob("emoji-cir.ranking.parquet"))


def measured(folder: Path) -> dict[str, float]:
    result = json.loads(next(folder.rglob("emoji-cir.json")).read_text())
    return {key: value["value"] for key, value in result["metrics"].items()}


def test_our_own_ranking_file_scores_as_the_run_did(mbench: Command, tmp_path: Path, ranking: Path) -> None:
    done = mbench("score", "-t", "emoji-cir", "--predictions", ranking, "--json")
    assert done.code == 0, done.err
    scored = {key: value["value"] for key, value in json.loads(done.out)["metrics"].items()}
    assert scored == pytest.approx(measured(tmp_path / "out"), abs=1e-12)


def test_a_trec_run_scores_as_the_run_did_on_the_pool_that_it_ranks(
    mbench: Command, tmp_path: Path, ranking: Path
) -> None:
    lines = []
    for row in pq.read_table(ranking).to_pylist():
        for place, (candidate, score) in enumerate(zip(row["candidate_ids"], row["scores"], strict=True), 1):
            lines.append(f"{row['query_id']} Q0 {candidate} {place} {score!r} mine")
    (tmp_path / "run.trec").write_text("\n".join(lines) + "\n")
    done = mbench("score", "-t", "emoji-cir", "--predictions", "run.trec", "--json")
    assert done.code == 0, done.err
    scored = {key: value["value"] for key, value in json.loads(done.out)["metrics"].items()}
    wanted = {key: value for key, value in measured(tmp_path / "out").items() if "subset" not in key}
    assert scored == pytest.approx(wanted, abs=1e-12)


def test_a_missing_file_is_named(mbench: Command) -> None:
    done = mbench("score", "-t", "emoji-cir", "--predictions", "nowhere.trec")
    assert done.code != 0 and "nowhere.trec" in done.err and "Traceback" not in done.err


def test_missing_queries_are_an_error_not_a_smaller_mean(mbench: Command, tmp_path: Path, ranking: Path) -> None:
    pq.write_table(pq.read_table(ranking).slice(0, 5), tmp_path / "short.parquet")
    done = mbench("score", "-t", "emoji-cir", "--predictions", "short.parquet")
    assert done.code == 2 and "1,203" in done.err.replace("1203", "1,203"), done.err
