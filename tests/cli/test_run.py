"""`mbench run` as a user meets it: results, wrong arguments, failing adapters, interruptions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.cli.adapters import adapter, read, results
from tests.cli.conftest import Command


def test_a_run_leaves_result_rankings_and_scores_of_every_query(mbench: Command, tmp_path: Path) -> None:
    done = mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "out")
    assert done.code == 0, done.err
    assert "hit@1" in done.out and "emoji-cls" in done.out
    assert results(tmp_path / "out") == ["emoji-cls.json", "emoji-cls.queries.parquet", "emoji-cls.ranking.parquet"]
    result = read(tmp_path / "out", "emoji-cls.json")
    assert result["task"]["id"] == "emoji-cls" and not result["partial"]
    scores = pq.read_table(next((tmp_path / "out").rglob("*.queries.parquet")))["hit@1"].to_pylist()
    assert result["metrics"]["hit@1"]["value"] == pytest.approx(sum(scores) / len(scores), abs=1e-12)
    assert (
        result["metrics"]["hit@1"]["low"] <= result["metrics"]["hit@1"]["value"] <= result["metrics"]["hit@1"]["high"]
    )
    assert set(result["run"]["seconds"]) == {"load", "encode_queries", "encode_candidates", "search", "score"}


def test_a_group_is_averaged_and_written_beside_its_tasks(mbench: Command, tmp_path: Path) -> None:
    done = mbench("run", "-m", "random", "-t", "emoji", "-o", "out", "--no-cache")
    assert done.code == 0, done.err
    group = read(tmp_path / "out", "emoji.json")
    parts = [read(tmp_path / "out", f"{name}.json") for name in group["tasks"]]
    assert len(parts) == 8
    primaries = {"map@10", "hit@1", "hit@5", "recall@1"}
    values = [next(v["value"] for k, v in part["metrics"].items() if k in primaries) for part in parts]
    assert 0 <= min(values) <= next(iter(group["metrics"].values()))["value"] <= max(values)


def test_json_goes_to_standard_output_alone(mbench: Command) -> None:
    done = mbench("run", "-m", "random,constant", "-t", "emoji-cls", "-o", "out", "--json")
    assert [r["model"]["id"] for r in json.loads(done.out)["results"]] == ["random", "constant"]


def test_a_dry_run_counts_and_writes_nothing(mbench: Command, tmp_path: Path) -> None:
    done = mbench("run", "-m", "random", "-t", "emoji-cls,emoji-vqa", "-o", "out", "--dry-run", "--json")
    first, second = json.loads(done.out)
    assert first["task"] == "emoji-cls" and first["vectors"] == first["queries"] + first["candidates"]
    assert first["bytes"] > 0 and first["seconds"] >= 0 and second["queries"] > 0
    assert results(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-m", "tinny", "-t", "emoji-cls"], ["Unknown model 'tinny'", "'tiny'"]),
        (["-m", "random", "-t", "emojy-cls"], ["Unknown task or group 'emojy-cls'", "'emoji-cls'"]),
        (["-m", "random", "-t", "emoji-cls", "--limit", "0"], ["--limit", "positive"]),
        (["-m", "random", "-t", "emoji-cls", "--seed", "-1"], ["--seed", "equal to 0"]),
        (["-m", "random", "-t", "emoji-cls", "--batch-size", "many"], ["--batch-size", "'many'"]),
        (["-m", "random", "-t", "emoji-cls", "--memory", "lots"], ["--memory", "4GB"]),
        (["-m", "random", "-t", "emoji-cls", "--device", "tpu"], ["tpu"]),
        (["-m", "random", "-t", "emoji-cls", "--search-device", "mps"], ["--search-device", "cpu, cuda", "'mps'"]),
        (["-m", "random", "-t", "emoji-cls", "--search-device", "cuda:7"], ["--search-device cuda:7", "lacks"]),
        (["-m", "random", "-t", "emoji-cls", "--dtype", "fp12"], ["fp12"]),
        (["-m", "random", "-t", "emoji-cls", "--instructions", "loud"], ["--instructions", "loud"]),
        (["-m", "random", "-t", "emoji-cls", "--model-args", "seed"], ["--model-args", "key=value"]),
        (["-m", "random", "-t", "emoji-cls", "--model-args", "x=1"], ["x"]),
        (["-m", "random", "-t", "emoji-cls", "--no-such-flag"], ["--no-such-flag"]),
        (["-m", "random", "-t", ","], ["--tasks", "names nothing"]),
        (["-m", "text-only", "-t", "emoji-cls"], ["text-only:"]),
        (["-m", "random", "-t", "emoji-cls", "--task-dir", "nowhere"], ["nowhere"]),
        (["-m", "random", "-t", "emoji-cls", "--cache", "c", "--no-cache"], ["--no-cache"]),
        (["-t", "emoji-cls"], ["--model"]),
    ],
)
def test_a_wrong_argument_is_exit_code_2_and_one_message(
    mbench: Command, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    done = mbench("run", *arguments, "-o", "out")
    assert done.code == 2, done.err
    text = re.sub(r"[\s│]+", " ", done.err)
    assert all(word in text for word in words), done.err
    assert "Traceback" not in done.err and results(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("vectors[0] = np.nan", 1, ["NaN or infinity"]),
        ("vectors[0, 0] = np.inf", 1, ["NaN or infinity"]),
        ("vectors[:] = 0", 1, ["a zero vector"]),
        ("vectors = vectors[1:]", 1, ["expected float32"]),
        ("vectors = vectors.tolist()[0]", 1, ["expected float32"]),
        ("raise RuntimeError('no kernel image')", 3, ["RuntimeError", "no kernel image"]),
        ("raise SystemExit(0)", 3, ["SystemExit"]),
        ("vectors = vectors[:, : 3 if len(items) < 64 else 4]", 1, ["different dimensions"]),
    ],
)
def test_a_failing_adapter_leaves_no_result(
    mbench: Command, tmp_path: Path, body: str, code: int, words: list[str]
) -> None:
    done = mbench("run", "-m", adapter(tmp_path, body), "-t", "emoji-cls", "-o", "out")
    assert done.code == code, done.err
    assert all(word in done.err for word in words) and "Traceback" not in done.err
    assert results(tmp_path / "out") == []


def test_a_memory_that_the_search_cannot_do_with_is_refused_before_the_candidates_are_encoded(
    mbench: Command, tmp_path: Path
) -> None:
    body = "assert role == 'query', 'encoded for nothing'"
    done = mbench("run", "-m", adapter(tmp_path, body), "-t", "emoji-cls", "--memory", "1MB", "-o", "out")
    assert done.code == 2, done.err
    assert "1,000,000 bytes are too few to search" in done.err


def test_one_failing_task_does_not_lose_the_others(mbench: Command, tmp_path: Path) -> None:
    body = "assert not any(i.text and 'how many' in i.text for i in items), 'cannot count'"
    done = mbench("run", "-m", adapter(tmp_path, body), "-t", "emoji-vqa,emoji-cls", "-o", "out")
    assert done.code == 3 and "cannot count" in done.err
    assert "emoji-cls.json" in results(tmp_path / "out") and "emoji-vqa.json" not in results(tmp_path / "out")


@pytest.mark.parametrize("load", ["raise OSError('no weights at hub')", "import no_such_package_here"])
def test_a_model_that_cannot_be_loaded_is_exit_code_3(mbench: Command, tmp_path: Path, load: str) -> None:
    done = mbench("run", "-m", adapter(tmp_path, load=load), "-t", "emoji-cls", "-o", "out")
    assert done.code == 3 and "no" in done.err and "Traceback" not in done.err


def test_ctrl_c_keeps_what_was_finished(mbench: Command, tmp_path: Path) -> None:
    body = "if any(i.text and 'how many' in i.text for i in items): raise KeyboardInterrupt"
    done = mbench("run", "-m", adapter(tmp_path, body), "-t", "emoji-cls,emoji-vqa", "-o", "out")
    assert done.code == 130 and "Interrupted" in done.err and "Traceback" not in done.err
    assert results(tmp_path / "out") == ["emoji-cls.json", "emoji-cls.queries.parquet", "emoji-cls.ranking.parquet"]


def test_an_output_folder_that_cannot_be_written_is_named(mbench: Command, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    done = mbench("run", "-m", "random", "-t", "emoji-cls", "-o", "out")
    assert done.code == 2 and "cannot be written" in done.err and "out" in done.err


def test_instructions_can_be_taken_away_and_the_result_says_so(mbench: Command, tmp_path: Path) -> None:
    done = mbench("run", "-m", "random", "-t", "emoji-ctrl", "-o", "out", "--instructions", "none", "--limit", "50")
    assert done.code == 0, done.err
    result = read(tmp_path / "out", "emoji-ctrl.json")
    assert result["variant"] == "instructions=none" and "instructions=none" in done.out


def test_the_output_folder_is_tried_before_anything_is_encoded(mbench: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    body = "raise RuntimeError('encoded')"
    done = mbench("run", "-m", adapter(tmp_path, body), "-t", "emoji-cls", "-o", "file/out")
    assert done.code == 2 and "cannot be written" in done.err and "encoded" not in done.err


def test_an_adapter_that_prints_leaves_the_json_alone(mbench: Command, tmp_path: Path) -> None:
    done = mbench("run", "-m", adapter(tmp_path, "print('NOISE')"), "-t", "emoji-cls", "-o", "out", "--json")
    assert json.loads(done.out)["results"] and "NOISE" in done.err


@pytest.mark.parametrize("told", ["needs = ['txt']", "identity = 'abc'", "identity = {'p': object()}"])
def test_attributes_that_nothing_can_be_made_of_are_refused(mbench: Command, tmp_path: Path, told: str) -> None:
    name = adapter(tmp_path, load=f"cls.{told}")
    done = mbench("run", "-m", name, "-t", "emoji-cls", "-o", "out")
    assert done.code == 3 and "must be a" in done.err and "Traceback" not in done.err


def test_verbose_shows_the_cause(mbench: Command, tmp_path: Path) -> None:
    done = mbench("run", "-m", adapter(tmp_path, "raise ValueError('deep')"), "-t", "emoji-cls", "-o", "out", "-v")
    assert "Traceback" in done.err and "deep" in done.err
