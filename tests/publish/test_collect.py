from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.publish.sample import card, result, task, write

from mbench.core.errors import UserError
from mbench.core.files import write_json
from mbench.core.results import GroupResult, result_folder
from mbench.publish.collect import collect, sources
from mbench.publish.plausible import LARGEST

ONE = task("one")


def test_reads_results_and_submissions_and_nothing_else_in_them(tmp_path: Path) -> None:
    write(tmp_path / "results", result(ONE, card("a"), 0.5))
    write(tmp_path / "subs" / "b" / "results", result(ONE, card("b"), 0.6))
    write_json(tmp_path / "results" / "notes.json", {"no": "result"})
    write_json(tmp_path / "subs" / "b" / "package.json", {"no": "result"})
    found = collect(sources([tmp_path / "results"], tmp_path / "subs"))
    assert [e.where for e in found.entries] == [
        "results/a/unversioned/one.json",
        "subs/b/results/b/unversioned/one.json",
    ]
    assert (found.broken, found.left_out) == ((), ())


def test_newest_run_wins_whatever_the_order_of_the_folders(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(old, result(ONE, card("a"), 0.5, run={"date": "2025-03-01T23:30:00-05:00"}))
    write(new, result(ONE, card("a"), 0.6, run={"date": "2025-03-02T05:00:00+00:00"}))
    for order in ([old, new], [new, old]):
        found = collect(sources(order, None))
        assert [e.result.metrics["recall@1"].value for e in found.entries] == [0.6]
        assert "replaced by the newer run in new/a" in found.left_out[0].reason
        assert [e.result.metrics["recall@1"].value for e in found.older] == [0.5]


def test_a_run_without_a_date_never_replaces_a_dated_one(tmp_path: Path) -> None:
    write(tmp_path / "z", result(ONE, card("a"), 0.5, run={"date": "yesterday"}))
    write(tmp_path / "a", result(ONE, card("a"), 0.6))
    assert collect(sources([tmp_path / "a", tmp_path / "z"], None)).entries[0].result.metrics["recall@1"].value == 0.6


def test_one_folder_given_twice_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "r", result(ONE, card("a"), 0.5))
    (tmp_path / "x").mkdir()
    found = collect(sources([tmp_path / "r", tmp_path / "x" / ".." / "r"], None))
    assert len(found.entries) == 1 and found.left_out == ()


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for parent in "ab":
        write(tmp_path / parent / "results", result(ONE, card(parent), 0.5))
    found = collect(sources([tmp_path / "a" / "results", tmp_path / "b" / "results"], None))
    assert [e.where.split("/")[0] for e in found.entries] == ["results", "results (2)"]


@pytest.mark.parametrize("keys", [{"partial": True}, {"variant": "instructions=none"}])
def test_limited_and_varied_runs_are_no_results_of_the_leaderboard(tmp_path: Path, keys: dict[str, Any]) -> None:
    write(tmp_path / "r", result(ONE, card("a"), 0.5, **keys))
    found = collect(sources([tmp_path / "r"], None))
    assert found.entries == () and len(found.left_out) == 1
    assert len(found.partial) == ("partial" in keys)


def test_a_limited_run_never_stands_beside_a_whole_one(tmp_path: Path) -> None:
    write(tmp_path / "r", result(ONE, card("a"), 0.5))
    late = {"date": "2099-01-01T00:00:00+00:00"}
    write(tmp_path / "q", result(ONE, card("a"), 0.9, partial=True, run=late))
    found = collect(sources([tmp_path / "r", tmp_path / "q"], None))
    assert [e.result.metrics["recall@1"].value for e in found.entries] == [0.5] and found.partial == ()


def test_results_of_groups_are_not_taken_for_broken(tmp_path: Path) -> None:
    one = result(ONE, card("a"), 0.5)
    group = GroupResult(group="emoji", model=one.model, metrics=one.metrics, tasks={"one": one.task})
    write_json(result_folder(tmp_path / "r", one.model) / "emoji.json", group.model_dump(mode="json"))
    assert collect(sources([tmp_path / "r"], None)).broken == ()


def broken_value(data: dict[str, Any]) -> None:
    data["metrics"]["recall@1"]["value"] = 21.3


def broken_interval(data: dict[str, Any]) -> None:
    data["metrics"]["recall@1"] |= {"low": 0.9, "high": 0.1}


def broken_slice(data: dict[str, Any]) -> None:
    data["slices"]["kind"]["place"]["recall@1"]["value"] = -0.1


def broken_key(data: dict[str, Any]) -> None:
    data["rank"] = 1


def hidden_name(data: dict[str, Any]) -> None:
    data["model"]["id"] = "tiny\u200b"


def reversed_name(data: dict[str, Any]) -> None:
    data["model"]["revision"] = "\u202egpj"


def half_character(data: dict[str, Any]) -> None:
    data["task"]["protocol"] = "\ud800"


def endless_name(data: dict[str, Any]) -> None:
    data["model"]["id"] = "x" * 5000


def other_task(data: dict[str, Any]) -> None:
    data["task"]["id"] = "../../two"


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (broken_value, "metrics.recall@1: 21.3 is not a fraction"),
        (broken_interval, "metrics.recall@1: 0.9 to 0.1 is not an interval"),
        (broken_slice, "slices.kind.place.recall@1: -0.1 is not a fraction"),
        (broken_key, "rank: Extra inputs"),
        (hidden_name, "model.id"),
        (reversed_name, "model.revision"),
        (half_character, "task.protocol"),
        (endless_name, "model.id"),
        (other_task, "its name must be ../../two.json"),
    ],
)
def test_a_result_that_cannot_be_right_is_listed_with_its_reason(tmp_path: Path, break_it: Any, reason: str) -> None:
    data = result(ONE, card("a"), 0.5).model_dump(mode="json")
    break_it(data)
    path = tmp_path / "r" / "a" / "1" / "one.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(data))
    found = collect(sources([tmp_path / "r"], None))
    assert found.entries == ()
    assert [note.where for note in found.broken] == ["r/a/1/one.json"]
    assert reason in found.broken[0].reason
    assert str(tmp_path) not in found.broken[0].reason


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", result(ONE, card("a"), 0.5))
    subs = tmp_path / "subs" / "evil"
    (subs / "results").mkdir(parents=True)
    (subs / "results" / "one.json").symlink_to(tmp_path / "elsewhere" / "a" / "unversioned" / "one.json")
    (subs / "results" / "more").symlink_to(tmp_path / "elsewhere")
    found = collect(sources([], tmp_path / "subs"))
    assert found.entries == ()
    assert {note.where: note.reason.split(";")[0] for note in found.broken} == {
        "subs/evil/results/more": "a symbolic link",
        "subs/evil/results/one.json": "a symbolic link",
    }


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "r" / "a" / "1" / "one.json"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    assert "at most 16 MiB" in collect(sources([tmp_path / "r"], None)).broken[0].reason


def test_a_folder_that_is_not_there_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        sources([tmp_path / "reslts"], None)


def test_folders_nested_without_end_are_not_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "r", result(ONE, card("a"), 0.5))
    (tmp_path / "r" / "/".join("d" * 60)).mkdir(parents=True)
    scandir, seen = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda path: [seen.append(path), scandir(path)][1])
    assert len(collect(sources([tmp_path / "r"], None)).entries) == 1
    assert collect(sources([], tmp_path / "r")).entries == ()
    assert len(seen) < 20


def test_links_in_the_place_of_results_are_listed_also_those_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "r", result(ONE, card("a"), 0.5))
    folder = tmp_path / "r" / "a" / "unversioned"
    (folder / "two.json").symlink_to(folder / "one.json")
    (folder / "three.json").symlink_to("three.json")
    (folder / "four").symlink_to(folder)
    (folder / "five.txt").symlink_to(folder / "one.json")
    found = collect(sources([tmp_path / "r"], None))
    assert [note.where.rpartition("/")[2] for note in found.broken] == ["four", "three.json", "two.json"]
    assert {note.reason for note in found.broken} == {"a symbolic link; put the files themselves there"}
    assert len(found.entries) == 1
