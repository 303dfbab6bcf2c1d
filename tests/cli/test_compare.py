"""`mbench compare` over results as `mbench run` leaves them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Command

from mbench.data.catalog import Catalog
from mbench.data.loading import load
from mbench.scoring.paired import compare


@pytest.fixture
def results(mbench: Command, tmp_path: Path) -> Path:
    assert mbench("run", "-m", "random,constant", "-t", "emoji-ctrl,emoji-cls", "-o", "out", "--no-cache").code == 0
    return tmp_path / "out"


def column(folder: Path, task: str, key: str) -> np.ndarray:
    return np.asarray(pq.read_table(next(folder.rglob(f"{task}.queries.parquet")))[key], dtype=np.float64)


def test_json_is_not_as_promised_or_ignores_who_belongs_together(mbench: Command, results: Path) -> None:
    done = mbench("compare", results / "random", results / "constant", "--json")
    assert done.code == 0, done.err
    tasks = json.loads(done.out)["tasks"]
    assert set(tasks) == {"emoji-cls", "emoji-ctrl"}
    a, b = (column(results / model, "emoji-ctrl", "recall@1") for model in ("random", "constant"))
    groups = load(Catalog.read().task("emoji-ctrl")).judgments.groups
    expected, found = compare(a, b, groups), tasks["emoji-ctrl"]["recall@1"]
    assert found["clustered"] and not tasks["emoji-cls"]["hit@1"]["clustered"]
    assert found["difference"] == pytest.approx(a.mean() - b.mean(), abs=1e-12)
    assert found["p"] == pytest.approx(expected.p, abs=0.02)
    assert [found["low"], found["high"]] == pytest.approx([expected.low, expected.high], abs=0.002)
    parts = [one["part"] for one in found["slices"]["kind"].values()]
    assert sum(parts) == pytest.approx(found["difference"], abs=1e-12)


def test_tables_lack_what_json_has(mbench: Command, results: Path) -> None:
    table = mbench("compare", results / "random", results / "constant")
    text = mbench("compare", results / "random", results / "constant", "--markdown", "--interval", "bca")
    assert table.code == text.code == 0, table.err + text.err
    for said in ("emoji-cls", "emoji-ctrl", "p (Holm)", "wins / ties / losses", "kind = position"):
        assert said in table.out and said in text.out
    assert "queries that belong together" in table.err and "queries that belong together" in text.out


def test_a_users_mistake_ends_in_a_number_or_a_traceback(mbench: Command, results: Path) -> None:
    assert mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "short", "--limit", "9", "--no-cache").code == 0
    short = results.parent / "short" / "random"
    for arguments, code, words in (
        ([short, results / "random"], 2, "extents: partial and complete"),
        ([results / "random"], 2, "at least two results"),
        ([results / "random", results / "nowhere"], 2, "nowhere"),
        ([results / "random", results / "constant", "--metric", "hit@3"], 2, "'hit@3'"),
        ([results / "random", results / "constant", "--json", "--markdown"], 2, "choose one"),
    ):
        done = mbench("compare", *arguments)
        assert done.code == code and words in done.err and "Traceback" not in done.err and not done.out
    next((results / "constant").rglob("emoji-cls.queries.parquet")).unlink()
    done = mbench("compare", results / "random", results / "constant")
    assert done.code == 3 and "emoji-cls.queries.parquet" in done.err and "Traceback" not in done.err
