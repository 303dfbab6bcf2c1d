"""The shipped emoji data: sound, small, licensed, and the check that says so can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tools.emoji.check import CHECKS, TASKS, Loaded, Row, check_drawings, load, load_pictures, problems
from tools.emoji.check_meaning import meaning_problems
from tools.emoji.floors import chance, constant, subset_chance, subset_constant
from tools.emoji.sources import SourceError, packages, read_json

DATA = Path(__file__).parents[2] / "tasks" / "emoji" / "data"
STRINGS = pa.list_(pa.string())


@pytest.fixture(scope="module")
def pictures() -> dict[str, Row]:
    return load_pictures(DATA)


@pytest.fixture(scope="module")
def tasks(pictures: dict[str, Row]) -> dict[str, Loaded]:
    return {name: load(DATA, name, pictures) for name in TASKS}


def test_shipped_files_have_no_problem() -> None:
    assert problems(DATA) == []


def test_licence_texts_ship_with_the_pictures() -> None:
    texts = {path.name: path.read_text("utf-8") for path in (DATA / "LICENSES").iterdir()}
    assert "Apache License" in texts["noto-emoji-Apache-2.0.txt"]
    assert "Copyright (c) Microsoft Corporation" in texts["fluent-emoji-MIT.txt"]
    assert "Miles Johnson" in texts["emojibase-MIT.txt"]
    assert {"Noto", "Fluent", "emojibase"} <= set(texts["ATTRIBUTION.md"].split())


@pytest.mark.parametrize("task", TASKS)
def test_columns_have_the_types_that_the_loader_reads(task: str) -> None:
    schema = pq.read_schema(DATA / f"{task}.queries.parquet")
    lists = {"tiles", "relevant", "target", "exclude", "gallery", "subset", "paraphrases"}
    texts = {"id", "text", "instruction", "group", "opposite"}
    tags = {name for name in schema.names if name.startswith("tag_")}
    assert set(schema.names) == lists | texts | tags
    assert "tag_wording" in tags
    assert all(schema.field(name).type == STRINGS for name in lists | tags)
    assert all(schema.field(name).type == pa.string() for name in texts)
    assert pq.read_schema(DATA / f"{task}.candidates.parquet").names == ["id", "text", "tiles", "modality"]


def test_control_is_large_enough_and_has_both_kinds_and_both_wordings(tasks: dict[str, Loaded]) -> None:
    queries = tasks["emoji-ctrl"].queries
    assert len(queries) >= 2000
    assert {tuple(q["tag_kind"]) for q in queries} == {("position",), ("conjunction",)}
    assert 0.2 < sum(q["tag_wording"] == ["unseen"] for q in queries) / len(queries) < 0.3
    assert all(q["text"] is None and q["instruction"] for q in queries)


def test_no_label_is_asked_for_often_enough_to_be_a_good_guess(tasks: dict[str, Loaded]) -> None:
    asked = [q["target"][0] for q in tasks["emoji-ctrl"].queries]
    assert max(map(asked.count, set(asked))) / len(asked) < 0.01


@pytest.mark.parametrize("task", TASKS)
def test_equal_vectors_never_beat_chance(task: str, tasks: dict[str, Loaded]) -> None:
    loaded = tasks[task]
    assert constant(loaded, loaded.queries) <= chance(loaded, loaded.queries) + 1e-9
    if loaded.queries[0]["subset"]:
        assert subset_constant(loaded, loaded.queries) <= subset_chance(loaded, loaded.queries) + 1e-9


@pytest.mark.parametrize("wording", ["seen", "unseen"])
def test_unseen_wordings_are_never_among_the_training_ones(wording: str, tasks: dict[str, Loaded]) -> None:
    from tools.emoji.templates import HELD_OUT_CATEGORY, TRAIN_CATEGORY, fill

    loaded = tasks["emoji-ctrl-category"]
    for query in (q for q in loaded.queries if q["tag_wording"] == [wording]):
        category = query["tag_category"][0]
        train = {fill(template, category=category) for template in TRAIN_CATEGORY}
        held_out = {fill(template, category=category) for template in HELD_OUT_CATEGORY}
        assert query["instruction"] in (train if wording == "seen" else held_out)
        assert set(query["paraphrases"]) <= held_out - train


def test_vqa_answers_are_balanced_in_every_kind(tasks: dict[str, Loaded]) -> None:
    by_kind: dict[str, list[str]] = {}
    for query in tasks["emoji-vqa"].queries:
        if query["tag_kind"] not in (["position-label"], ["compare-number"]):
            by_kind.setdefault(query["tag_kind"][0], []).append(query["target"][0])
    for answers in by_kind.values():
        assert len({answers.count(answer) for answer in answers}) == 1


def test_presence_questions_ask_for_each_category_as_often_with_yes_as_with_no(tasks: dict[str, Loaded]) -> None:
    yes: dict[str, int] = {}
    for query in tasks["emoji-vqa"].queries:
        if query["tag_kind"] == ["presence-category"]:
            asked = max((name for name in _category_names() if f" {name}" in query["text"]), key=len)
            yes[asked] = yes.get(asked, 0) + (1 if query["target"] == ["answer:yes"] else -1)
    assert len(yes) > 10
    assert set(yes.values()) == {0}


def _category_names() -> list[str]:
    from tools.emoji.categories import CATEGORIES

    return [category.name for category in CATEGORIES]


def test_cir_has_every_kind_of_change_and_several_right_answers(tasks: dict[str, Loaded]) -> None:
    queries = tasks["emoji-cir"].queries
    kinds = [q["tag_change"][0] for q in queries]
    assert set(kinds) == {"tone", "gender", "hair", "age", "direction", "role", "style"}
    assert max(map(kinds.count, set(kinds))) <= 200
    assert all(q["exclude"] == q["tiles"] for q in queries)
    assert sum(len(q["relevant"]) > 1 for q in queries) > 100


def test_style_alone_does_not_find_a_flat_picture(tasks: dict[str, Loaded]) -> None:
    flat = [c["id"] for c in tasks["emoji-cir"].candidates if c["id"].startswith("flat:")]
    asked = [q for q in tasks["emoji-cir"].queries if q["tag_change"] == ["style"]]
    assert len(flat) > 2 * len(asked)
    assert all(sum(code.startswith("flat:") for code in q["subset"]) > 1 for q in asked)


def _swap(**fields: object) -> Callable[[Loaded], Loaded]:
    def change(task: Loaded) -> Loaded:
        first, *rest = task.queries
        return replace(task, queries=[{**first, **fields}, *rest])

    return change


def _exclude_answer(task: Loaded) -> Loaded:
    return _swap(exclude=task.queries[0]["relevant"])(task)


def _repeat_id(task: Loaded) -> Loaded:
    return _swap(id=task.queries[1]["id"])(task)


def _cut_scene(task: Loaded) -> Loaded:
    return replace(task, queries=task.queries[:2])


FAULTS: dict[str, Callable[[Loaded], Loaded]] = {
    "unknown answer": _swap(relevant=["nowhere"], target=["nowhere"]),
    "right answer excluded": _exclude_answer,
    "target not in subset": _swap(subset=["1f600", "1f603", "1f604"]),
    "same id twice": _repeat_id,
    "picture that does not exist": _swap(tiles=["noto:nothing", "", "", ""]),
    "unfilled template": _swap(instruction="what is {a} {category}?"),
    "no paraphrase": _swap(paraphrases=[]),
    "scene of two questions": _cut_scene,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_check_notices(fault: str, tasks: dict[str, Loaded]) -> None:
    broken = FAULTS[fault](tasks["emoji-ctrl"])
    assert [problem for one in CHECKS for problem in one(broken)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("emoji-ctrl", "position"),
        ("emoji-ctrl", "conjunction"),
        ("emoji-vqa", "count-all"),
        ("emoji-vqa", "position-label"),
        ("emoji-vqa", "position-where"),
        ("emoji-vqa", "compare-place"),
    ],
)
def test_check_notices_a_scene_turned_around(
    name: str, kind: str, tasks: dict[str, Loaded], pictures: dict[str, Row]
) -> None:
    task = tasks[name]
    query = next(q for q in task.queries if q["tag_kind"] == [kind] and all(q["tiles"]))
    turned = {**query, "tiles": query["tiles"][::-1] if kind != "count-all" else [*query["tiles"][:3], ""]}
    assert list(meaning_problems(name, [query], task.by_id, pictures)) == []
    assert list(meaning_problems(name, [turned], task.by_id, pictures))


def test_twin_drawing_that_is_called_wrong_is_noticed(tasks: dict[str, Loaded]) -> None:
    task = tasks["emoji-t2i"]
    twins = next(q for q in task.queries if len(q["relevant"]) > 1)
    broken = replace(task, queries=[{**twins, "relevant": twins["target"]}])
    assert list(check_drawings(broken))


def test_package_other_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / packages()["noto"].archive).write_bytes(b"another release")
    with pytest.raises(SourceError, match=r"noto-1\.2\.9\.tgz: expected sha512-"):
        read_json("noto", "icons.json", tmp_path)
