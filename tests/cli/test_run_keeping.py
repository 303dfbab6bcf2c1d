"""Which results a second run keeps, and which it makes again."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from tests.cli.adapters import adapter, read
from tests.cli.conftest import Command

ROOT = Path(__file__).resolve().parents[2]


def test_a_second_run_keeps_the_results_that_are_there(mbench: Command, tmp_path: Path) -> None:
    mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "out")
    before = next((tmp_path / "out").rglob("emoji-cls.json")).read_bytes()
    again = mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "out")
    assert again.code == 0 and "already there" in again.err
    assert next((tmp_path / "out").rglob("emoji-cls.json")).read_bytes() == before


def test_a_partial_result_never_replaces_a_complete_one(mbench: Command, tmp_path: Path) -> None:
    mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "out")
    refused = mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "out", "--limit", "5")
    assert refused.code == 2 and "--overwrite" in refused.err
    assert not read(tmp_path / "out", "emoji-cls.json")["partial"]
    assert mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "out", "--limit", "5", "--overwrite").code == 0
    partial = read(tmp_path / "out", "emoji-cls.json")
    assert partial["partial"] and partial["counts"]["queries"] == 5
    assert mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "out").code == 0
    assert not read(tmp_path / "out", "emoji-cls.json")["partial"]


def test_an_edited_adapter_is_evaluated_again(mbench: Command, tmp_path: Path) -> None:
    ask = ["-t", "emoji-cls", "-o", "out", "--json"]
    first = mbench("run", "-m", adapter(tmp_path, "vectors[:, 0] += 1"), *ask)
    second = mbench("run", "-m", adapter(tmp_path, "vectors[:, 0] -= 1"), *ask)
    one, two = (json.loads(done.out)["results"][0]["model"] for done in (first, second))
    assert one["fingerprint"] != two["fingerprint"]


def test_another_seed_never_replaces_a_complete_result(mbench: Command, tmp_path: Path) -> None:
    mbench("run", "-m", "constant", "-t", "emoji-cls", "-o", "out")
    refused = mbench("run", "-m", "constant", "-t", "emoji-cls", "-o", "out", "--seed", "3")
    assert refused.code == 2 and "seed 0" in refused.err and "--overwrite" in refused.err
    assert read(tmp_path / "out", "emoji-cls.json")["run"]["seed"] == 0


def test_a_result_without_its_evidence_is_made_again(mbench: Command, tmp_path: Path) -> None:
    mbench("run", "-m", "constant", "-t", "emoji-cls", "-o", "out")
    next((tmp_path / "out").rglob("*.ranking.parquet")).unlink()
    again = mbench("run", "-m", "constant", "-t", "emoji-cls", "-o", "out")
    assert again.code == 0 and "already there" not in again.err
    assert list((tmp_path / "out").rglob("*.ranking.parquet"))


def test_changed_data_of_a_task_without_hashes_are_evaluated_again(mbench: Command, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tasks/emoji", tmp_path / "mine", ignore=shutil.ignore_patterns("*.yaml", "LICENSES"))
    text = (ROOT / "tasks/emoji/emoji-cls.yaml").read_text()
    text = re.sub(r"\n +(sha256|bytes): \S+|\nsizes: .*", "", text).replace("id: emoji-cls", "id: my-cls")
    (tmp_path / "mine/my-cls.yaml").write_text(text)
    ask = ["run", "-m", "constant", "-t", "my-cls", "--task-dir", "mine", "-o", "out"]
    assert mbench(*ask).code == 0
    assert "already there" in mbench(*ask).err
    queries = tmp_path / "mine/data/emoji-cls.queries.parquet"
    pq.write_table(pq.read_table(queries).slice(0, 700), queries)
    assert "already there" not in mbench(*ask).err
    assert read(tmp_path / "out", "my-cls.json")["counts"]["queries"] == 700


def test_a_mean_of_replaced_scores_does_not_stay(mbench: Command, tmp_path: Path) -> None:
    assert mbench("run", "-m", "constant", "-t", "emoji", "-o", "out").code == 0
    assert mbench("run", "-m", "constant", "-t", "emoji-cls", "-o", "out", "--overwrite").code == 0
    assert not list((tmp_path / "out").rglob("emoji.json"))
