from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.publish.sample import Html, build, card, catalog, result, rows, task, write

from mbench.core.results import TaskResult
from mbench.publish.board import Board
from mbench.publish.collect import collect, sources
from mbench.publish.howto import run_command
from mbench.publish.modelview import ModelView, model_view

ONE, TWO = task("one", datasets=["COCO"]), task("two")


def view(folder: Path, name: str, *results: TaskResult) -> ModelView:
    write(folder, *results)
    return model_view(Board(collect(sources([folder], None)), catalog(ONE, TWO)), name, ())


def run_on(found: TaskResult, **run: object) -> TaskResult:
    return found.model_copy(update={"run": found.run | run})


def test_the_command_names_a_whole_group_and_its_rest_by_tasks() -> None:
    declared = catalog(ONE, TWO)
    whole = [result(ONE, card("m"), 0.1), result(TWO, card("m"), 0.1)]
    assert run_command(whole, declared) == "mbench run -m m -t emoji --seed 7"
    assert run_command(whole[:1], declared) == "mbench run -m m -t one --seed 7"
    assert (
        run_command([*whole, result(task("three"), card("m"), 0.1)], declared)
        == "mbench run -m m -t emoji,three --seed 7"
    )


def test_the_command_has_what_can_change_a_score() -> None:
    model = card("clip", checkpoint="openai/clip", revision="abc123")
    found = run_on(result(ONE, model, 0.1), seed=7, model_args={"base": "b", "adapter": "a"})
    words = shlex.split(run_command([found], catalog(ONE)))
    assert words[-6:] == ["--model-revision", "abc123", "--model-args", "adapter=a,base=b", "--seed", "7"]


def test_a_hostile_name_stays_one_word_of_the_shell() -> None:
    hostile = "x; rm -rf ~ $(reboot) `id` 'q'"
    words = shlex.split(run_command([result(ONE, card(hostile), 0.1)], catalog(ONE)))
    assert words[:4] == ["mbench", "run", "-m", hostile]


def test_a_model_that_saw_a_tasks_data_says_so_on_its_page(tmp_path: Path) -> None:
    found = view(tmp_path, "m", result(ONE, card("m", training_datasets=["coco"]), 0.1), result(TWO, card("m"), 0.2))
    assert [(one.title, bool(one.reason)) for one in found.seen] == [("Small one", True)]


@pytest.mark.parametrize(
    ("datasets", "words"), [(None, "does not name the training data"), (["Flickr30K"], "None of the tasks below")]
)
def test_unknown_training_data_is_no_clean_record(tmp_path: Path, datasets: list[str] | None, words: str) -> None:
    write(tmp_path / "r", result(ONE, card("m", training_datasets=datasets), 0.1))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    assert words in Html(tmp_path / "site" / "models" / "m.html").text


def test_a_model_stands_in_the_range_of_all_models(tmp_path: Path) -> None:
    found = view(
        tmp_path,
        "m",
        result(ONE, card("m", revision="1"), 0.9),
        run_on(result(ONE, card("m", revision="2"), 0.5), date="2025-05-01T00:00:00+00:00"),
        result(ONE, card("other"), 0.3),
    )
    assert found.figure is not None
    assert [cell.text for cell in found.figure.table.rows[0].cells] == ["50.0", "30.0", "50.0", "90.0"]


def test_revisions_have_a_history_newest_first_and_a_command_each(tmp_path: Path) -> None:
    found = view(
        tmp_path,
        "m",
        result(ONE, card("m", revision="1"), 0.2),
        result(TWO, card("m", revision="1"), 0.4),
        run_on(result(ONE, card("m", revision="2"), 0.5), date="2025-05-01T00:00:00+00:00"),
    )
    assert found.history is not None
    assert [row.name.title for row in found.history.rows] == ["2", "1"]
    assert [cell.text for cell in found.history.rows[1].cells] == ["2025-03-01", "2", "30.0"]
    assert found.history.rows[0].cells[2].text == "–", "a mean needs all of its tasks"
    assert [(one.revision, one.text.split()[-1]) for one in found.commands] == [("1", "7"), ("2", "7")]


def test_runs_that_newer_ones_replaced_are_listed_apart(tmp_path: Path) -> None:
    write(tmp_path / "old", result(ONE, card("m"), 0.2))
    write(tmp_path / "new", run_on(result(ONE, card("m"), 0.3), date="2025-05-01T00:00:00+00:00"))
    board = Board(collect(sources([tmp_path / "old", tmp_path / "new"], None)), catalog(ONE, TWO))
    found = model_view(board, "m", ())
    assert found.earlier is not None
    assert [cell.text for cell in found.earlier.rows[0].cells[:4]] == ["1", "recall@1", "20.0", "2025-03-01"]
    assert next(row.cells[1].text for row in found.tables[0].rows) == "30.0"


def test_one_revision_has_no_history(tmp_path: Path) -> None:
    found = view(tmp_path, "m", result(ONE, card("m"), 0.2))
    assert found.history is None and found.figure is None and found.commands[0].revision == ""


def test_the_page_has_card_command_and_scores_in_this_order(tmp_path: Path) -> None:
    model = card("m", title="The Model", paper="https://example.org/p")
    write(tmp_path / "r", result(ONE, model, 0.2), result(ONE, card("n"), 0.1))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    page = Html(tmp_path / "site" / "models" / "m.html")
    parts = ["Card", "Among other models", "How to run it", "mbench run -m m -t one", "All scores", "Citation"]
    places = [page.text.index(words) for words in parts]
    assert places == sorted(places)
    assert rows(tmp_path / "site" / "models" / "m.html", 1)[1][:3] == ["Small one", "recall@1", "20.0"]


def test_a_models_means_stand_first_and_a_missing_one_tells_how_far_it_is(tmp_path: Path) -> None:
    write(tmp_path / "r", result(ONE, card("a"), 0.2), result(TWO, card("a"), 0.4), result(ONE, card("b"), 0.2))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    whole, partly = (Html(tmp_path / "site" / "models" / f"{name}.html").text for name in "ab")
    assert "Small suite, mean 30.0 28.6–32.1" in whole
    assert "Small suite, mean 1 of 2 tasks, so there is no mean" in partly
