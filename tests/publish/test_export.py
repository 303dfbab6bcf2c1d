"""Exports say what the result says: the same order, the same numbers, and nothing that is not official."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.data.official import put, tiny

from mbench.core.errors import DataError, PredictionError, UnknownNameError, UserError
from mbench.core.files import write_json
from mbench.core.results import Counts, Evidence, GroupResult, ModelRef, TaskRef, TaskResult, Value, write_rankings
from mbench.core.specs import ModelCard
from mbench.core.types import Rankings
from mbench.data.catalog import Catalog, Task
from mbench.data.table import ArrowTable
from mbench.publish.export import export, unwritten
from mbench.publish.exported import ranking_at, results_at

CARD = ModelCard(
    id="org/model", modalities=["text", "image+text"], uses_instructions=True, license="MIT", dimension=8, revision="r1"
)
MODEL = ModelRef(id="org/model", revision="r1", fingerprint="f", card=CARD)
IDS = ["c9", "c10", "c1"]


def catalog(*tasks: Task) -> Catalog:
    return Catalog({one.id: one for one in tasks}, {})


def result(name: str = "emoji-cls", **changes: Any) -> TaskResult:
    one = TaskResult(
        task=TaskRef(id=name, version=1, protocol="p", fingerprint="abc"),
        model=MODEL,
        metrics={
            "hit@1": Value(value=0.25, n=4, low=0.1, high=0.4),
            "recall_subset@1": Value(value=0.123456789012, n=4),
        },
        slices={"kind": {"of, two": {"hit@1": Value(value=1, n=2)}}},
        counts=Counts(queries=2, candidates=3, judged=2, skipped=0),
        run={"date": "2025-01-02T03:04:05+00:00", "seconds": {"load": 1.5, "search": 2}},
    )
    return one.model_copy(update=changes)


def saved(folder: Path, one: TaskResult, candidates: list[str] = IDS, **pools: Rankings) -> Path:
    table = ArrowTable.of({"id": candidates, "text": candidates}, name="candidates")
    rankings = pools or {"main": Rankings(np.array([[0, 1], [2, -1]]), np.array([[0.1, 0.1], [1e-17, -np.inf]]))}
    write_json(folder / f"{one.task.id}.json", one.model_dump(mode="json"))
    write_rankings(folder / f"{one.task.id}.ranking.parquet", Evidence(["q1", "q2"], table, rankings, {}))
    return folder / f"{one.task.id}.json"


def exported(path: Path, name: str, *tasks: Task) -> list[Path]:
    return export(results_at(path, catalog(*tasks) if tasks else Catalog.read()), name, path.parent / "out")


def test_a_trec_run_keeps_order_and_every_digit_of_the_scores(tmp_path: Path) -> None:
    pools = {
        "main": Rankings(np.array([[0, 1], [2, -1]]), np.array([[0.1, 0.1], [1e-17, -np.inf]])),
        "subset": Rankings(np.array([[1], [2]]), np.array([[1.0], [2.0]])),
    }
    main, subset = exported(saved(tmp_path, result(), **pools), "trec")
    assert main.read_text().splitlines() == [
        "q1 Q0 c9 1 0.1 org__model",
        "q1 Q0 c10 2 0.1 org__model",
        "q2 Q0 c1 1 1e-17 org__model",
    ]
    assert (main.name, subset.name) == ("emoji-cls.trec", "emoji-cls.subset.trec")


def test_an_id_with_a_space_cannot_be_a_trec_run(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="the id 'c 10' cannot be written"):
        exported(saved(tmp_path, result(), ["c9", "c 10", "c1"]), "trec")


def test_csv_has_a_line_a_score_with_what_limits_it(tmp_path: Path) -> None:
    (path,) = exported(saved(tmp_path, result(partial=True)), "csv")
    rows = list(csv.DictReader(path.open()))
    assert [(row["metric"], row["slice"], row["value"], row["low"], row["partial"]) for row in rows] == [
        ("hit@1", "", "0.25", "0.1", "True"),
        ("recall_subset@1", "", "0.123456789012", "", "True"),
        ("hit@1", "kind=of, two", "1.0", "", "True"),
    ]


def test_a_folder_exports_all_results_and_groups_but_no_server_files(tmp_path: Path) -> None:
    saved(tmp_path, result())
    group = GroupResult(group="emoji", model=MODEL, metrics={"mean": Value(value=0.5, n=8)}, tasks={})
    write_json(tmp_path / "emoji.json", group.model_dump(mode="json"))
    put(tmp_path / "cirr-test.recall.json", {"version": "rc2"})
    (path,) = export(results_at(tmp_path, Catalog.read()), "csv", tmp_path / "out")
    assert [row["task"] for row in csv.DictReader(path.open())] == ["emoji-cls"] * 3 + ["emoji"]


def test_mteb_gets_its_keys_under_its_names(tmp_path: Path) -> None:
    sheet, model = exported(saved(tmp_path, result()), "mteb")
    assert sheet.relative_to(tmp_path / "out").as_posix() == "org__model/r1/emoji-cls.json"
    value = json.loads(sheet.read_text())
    assert value["scores"] == {
        "test": [
            {
                "main_score": 0.25,
                "hf_subset": "default",
                "languages": ["eng-Latn"],
                "hit_at_1": 0.25,
                "recall_subset_at_1": 0.123456789012,
            }
        ]
    }
    assert (value["task_name"], value["evaluation_time"], value["mteb_version"]) == ("emoji-cls", 3.5, None)
    assert json.loads(model.read_text())["modalities"] == ["image", "text"]


def test_the_hub_gets_a_model_index_and_results_of_data_sets_that_it_has(tmp_path: Path) -> None:
    task = tiny("emoji-cls")
    (index,) = exported(saved(tmp_path, result()), "hf", task)
    (entry,) = yaml.safe_load(index.read_text())["model-index"][0]["results"]
    assert entry["metrics"][0] == {"type": "hit@1", "name": "hit@1", "value": 0.25}
    hub = {"repo": "org/data", "revision": "123", "repo_type": "dataset", "include": []}
    source = task.spec.source.model_validate({**task.spec.source.model_dump(), "hub": hub})
    there = Task(task.spec.model_copy(update={"source": source}), task.path, task.fingerprint)
    _, one = exported(tmp_path / "emoji-cls.json", "hf", there)
    assert one.name == "emoji-cls.yaml" and one.parent.name == ".eval_results"
    (entry,) = yaml.safe_load(one.read_text())
    assert entry["dataset"] == {"id": "org/data", "task_id": "emoji-cls", "revision": "123"}
    assert (entry["value"], entry["date"]) == (0.25, "2025-01-02")


def test_mmeb_gets_a_sheet_with_official_names_and_only_what_was_measured(tmp_path: Path) -> None:
    task = tiny("emoji-cls")
    source = task.spec.source.model_copy(update={"loader": "mmeb", "options": {"config": "ImageNet-1K"}})
    there = Task(task.spec.model_copy(update={"source": source}), task.path, task.fingerprint)
    (path,) = exported(saved(tmp_path, result()), "mmeb", there)
    sheet = json.loads(path.read_text())
    assert sheet["metrics"]["image"] == {
        "ImageNet-1K": {"hit@1": 0.25, "recall_subset@1": 0.123456789012, "num_pred": 2, "num_data": 2}
    }
    assert sheet["metadata"]["model_name"] == "org/model"
    with pytest.raises(UserError, match="None of emoji-cls is a set of MMEB"):
        exported(tmp_path / "emoji-cls.json", "mmeb")


@pytest.mark.parametrize("name", ["mteb", "hf"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"partial": True}, "the result is partial"),
        ({"variant": "instructions=none"}, "the result is instructions=none"),
        ({"metrics": {}}, "the result is without scores"),
    ],
)
def test_sheets_of_others_take_no_unofficial_number(
    tmp_path: Path, name: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        exported(saved(tmp_path, result(**changes)), name)


def test_a_result_without_its_ranking_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path, result())
    (tmp_path / "emoji-cls.ranking.parquet").unlink()
    with pytest.raises(DataError, match=r"emoji-cls\.ranking\.parquet: the ranking behind the result is not there"):
        exported(path, "trec")


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("tre", UnknownNameError, "Did you mean 'trec'"),
        ("cirr", UserError, "None of emoji-cls is a task of the server of cirr"),
    ],
)
def test_a_format_that_does_not_fit_is_named(tmp_path: Path, name: str, error: type[UserError], words: str) -> None:
    with pytest.raises(error, match=words):
        exported(saved(tmp_path, result()), name)


def test_a_place_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such result"):
        results_at(tmp_path / "x", Catalog.read())
    with pytest.raises(UserError, match="no results; expected"):
        results_at(tmp_path, Catalog.read())


def cirr_files(root: Path) -> Task:
    """Two queries of the test split among 60 photographs."""
    names = [f"t-{number}" for number in range(60)]
    rows = [
        {"pairid": pair, "reference": "t-0", "caption": "x", "img_set": {"members": names[:6]}} for pair in (11, 12)
    ]
    put(root / "cirr/captions/cap.rc2.test1.json", rows)
    put(root / "cirr/image_splits/split.rc2.test1.json", {name: f"./test1/{name}.png" for name in names})
    return tiny("cirr-test")


def run_lines(pair: int, numbers: range, worst: float = 0.0) -> str:
    return "".join(f"{pair} Q0 t-{number} 0 {worst - number} x\n" for number in numbers)


def test_a_deep_ranking_made_elsewhere_gives_both_files_without_the_reference(tmp_path: Path) -> None:
    task = cirr_files(tmp_path)
    run = tmp_path / "mine.trec"
    run.write_text(run_lines(11, range(60)) + run_lines(12, range(60)))
    found = [ranking_at(run, task, tmp_path)]
    recall, subset = (json.loads(path.read_text()) for path in export(found, "cirr", tmp_path / "out"))
    assert recall["11"] == [f"t-{number}" for number in range(1, 51)]
    assert subset["12"] == ["t-1", "t-2", "t-3"]
    assert unwritten(found, "cirr") == []


def test_a_shallow_ranking_gives_one_file_and_says_what_lacks(tmp_path: Path) -> None:
    task = cirr_files(tmp_path)
    run = tmp_path / "mine.trec"
    run.write_text(run_lines(11, range(4, 60)) + run_lines(12, range(4, 60)))
    found = [ranking_at(run, task, tmp_path)]
    assert [path.name for path in export(found, "cirr", tmp_path / "out")] == ["cirr-test.recall.json"]
    assert unwritten(found, "cirr") == [
        "cirr-test.recall_subset.json: the ranking does not hold the whole pool 'subset' of every query"
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (run_lines(11, range(60)), "1 of 2 queries have no ranking"),
        (run_lines(11, range(60)) + run_lines(13, range(60)), "query ids that the task does not have: '13'"),
        (run_lines(11, range(61)) + run_lines(12, range(60)), "query '11' ranks 't-60', which is no candidate"),
        (run_lines(11, range(60)) * 2 + run_lines(12, range(60)), "twice"),
        (run_lines(11, range(40)) + run_lines(12, range(60)), "query '11': expected a list of 50 candidates; found 39"),
    ],
)
def test_a_ranking_that_no_server_would_take_is_refused(tmp_path: Path, text: str, words: str) -> None:
    run = tmp_path / "mine.trec"
    run.write_text(text)
    with pytest.raises(PredictionError, match=words):
        export([ranking_at(run, cirr_files(tmp_path), tmp_path)], "cirr", tmp_path / "out")
