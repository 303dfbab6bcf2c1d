from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.conftest import Command
from tests.publish.hostile import result, result_path
from tests.publish.submissions import Silent

from mbench.core.errors import UserError
from mbench.core.results import read_result
from mbench.core.types import LoadOptions
from mbench.data.catalog import Catalog
from mbench.publish.submission.writing import amend
from mbench.run.settings import RunSettings
from mbench.run.suite import run

TASKS = ["emoji-vqa", "emoji-cls"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of `random` on two tasks, and limited ones on a third."""
    place = tmp_path_factory.mktemp("results")
    catalog = Catalog.read()
    for names, limit in ((TASKS, None), (["emoji-union"], 40)):
        settings = RunSettings(output=place, offline=True, limit=limit)
        run(["random"], catalog.tasks(names), [], catalog, LoadOptions(), settings, Silent())
    return place


def test_from_the_model_to_a_checked_submission_in_three_commands(mbench: Command, ran: Path) -> None:
    begun = mbench("submit", "new", "random", "--from", "random")
    assert begun.code == 0 and "submissions/random/card.yaml" in begun.out
    packed = mbench("submit", "pack", "random", "--results", ran)
    assert packed.code == 0 and "2 results" in packed.out
    assert "emoji-union.json: a run of a part of the task" in packed.err
    assert "the revision is now seed-0" in packed.err
    checked = mbench("submit", "check", "submissions/random")
    assert checked.code == 0 and checked.out.count("recomputed") == 2


def test_packing_makes_evidence_small_and_changes_no_number(mbench: Command, ran: Path) -> None:
    mbench("submit", "pack", "random", "--results", ran)
    before, after = next(ran.rglob("emoji-vqa.json")), next(Path("submissions").rglob("emoji-vqa.json"))
    assert read_result(before) == read_result(after)
    ending = "emoji-cls.ranking.parquet"
    assert after.with_name(ending).stat().st_size < before.with_name(ending).stat().st_size / 4


def test_an_edited_number_exits_with_1_and_says_which(mbench: Command, ran: Path) -> None:
    mbench("submit", "pack", "random", "--results", ran)
    result("metrics/hit@1/value", 0.9)(Path("submissions/random"))
    done = mbench("submit", "check", "submissions")
    assert done.code == 1
    assert "Refused: random/results/random/seed-0/emoji-vqa.json: hit@1 is 0.9" in done.err


def test_programs_read_the_report_as_json(mbench: Command, ran: Path) -> None:
    mbench("submit", "pack", "random", "--results", ran)
    Path("submissions/random/card.yaml").write_text("id: [\n")
    done = mbench("submit", "check", "submissions/random", "--json")
    value = json.loads(done.out)
    assert done.code == 1 and value["good"] is False
    assert {one["code"] for one in value["submissions"][0]["findings"]} == {"card-yaml"}
    assert {one["status"] for one in value["submissions"][0]["tasks"]} == {"recomputed"}


def test_what_a_stranger_wrote_cannot_move_the_terminals_cursor(mbench: Command, ran: Path) -> None:
    mbench("submit", "pack", "random", "--results", ran)
    result("task/protocol", "\u001b[2Jx[bold]")(Path("submissions/random"))
    shutil.move("submissions/random/card.yaml", "submissions/random/\u001b[2J.yaml")
    done = mbench("submit", "check", "submissions/random")
    assert done.code == 1 and "\u001b[2J" not in done.out + done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "nowhere"), "is no folder"),
        (("pack", "random", "--results", "nowhere"), "no such folder"),
        (("new", "random", "--from", "randon"), "Did you mean 'random'"),
        (("new", "../evil", "--from", "random"), "is a path, not a name"),
        (("new", "mine"), "modalities"),
        (("new", "mine", "--dimension", "many"), "expected a whole number"),
        (("new", "mine", "--uses-instructions", "perhaps"), "expected true or false"),
        (("check", ".", "--base", "--output=x"), "is no commit"),
    ],
)
def test_a_users_mistake_exits_with_2_and_says_what_to_do(
    arguments: tuple[str, ...], said: str, mbench: Command
) -> None:
    done = mbench("submit", *arguments)
    assert done.code == 2 and said in done.err and "Traceback" not in done.err


def test_results_of_another_model_are_named(mbench: Command, ran: Path) -> None:
    done = mbench("submit", "pack", "randon", "--results", ran)
    assert done.code == 2 and "there are random" in done.err


def test_flags_fill_in_the_card(mbench: Command) -> None:
    done = mbench(
        "submit", "new", "mine", "--title", "Mine", "--modalities", "text,image", "--uses-instructions", "no",
        "--dimension", "512", "--parameters", "1,000", "--license", "MIT", "--training-datasets", "-",
    )  # fmt: skip
    card = yaml.safe_load(Path("submissions/mine/card.yaml").read_text())
    assert done.code == 0 and card["parameters"] == 1000 and card["training_datasets"] == []
    assert card["modalities"] == ["text", "image"] and card["uses_instructions"] is False


def test_what_a_card_cannot_begin_without_is_named_by_its_flags(mbench: Command) -> None:
    done = mbench("submit", "new", "mine", "--license", "MIT")
    assert done.code == 2 and "needs --modalities, --uses-instructions; --from MODEL" in done.err
    assert not Path("submissions").exists()


def test_a_card_that_is_there_is_never_written_over(mbench: Command) -> None:
    mbench("submit", "new", "random", "--from", "random")
    done = mbench("submit", "new", "random", "--from", "random")
    assert done.code == 2 and "is there already" in done.err


def test_packing_keeps_what_somebody_wrote_into_the_card(mbench: Command, ran: Path) -> None:
    mbench("submit", "new", "random", "--from", "random")
    path = Path("submissions/random/card.yaml")
    path.write_text("# mine\n" + path.read_text())
    mbench("submit", "pack", "random", "--results", ran)
    text = path.read_text()
    assert text.startswith("# mine\n") and "revision: 'seed-0'" in text


def test_packing_fills_in_what_the_run_knows_and_the_card_leaves_open(mbench: Command, ran: Path) -> None:
    mbench("submit", "new", "random", "--modalities", "text,image,image+text", "--uses-instructions", "no",
           "--license", "unknown", "--title", "Mine")  # fmt: skip
    done = mbench("submit", "pack", "random", "--results", ran)
    assert "license filled in from the newest result" in done.err and "dimension" in done.err
    card = yaml.safe_load(Path("submissions/random/card.yaml").read_text())
    assert card["title"] == "Mine" and card["license"] == "Apache-2.0" and card["dimension"] == 128
    assert card["training_datasets"] == [] and card["description"]
    assert mbench("submit", "check", "submissions/random").code == 0


@given(value=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=40))
def test_a_text_that_is_filled_into_a_card_is_read_as_it_was(value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "card.yaml")
        path.write_text("# mine\nid: m\ntitle: ''\ndescription:\nnotes: x\n")
        try:
            amend(path, {"title": value, "training_datasets": [value]})
        except UserError:
            return
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# mine\n")
        read = yaml.safe_load(text)
        assert read == {"id": "m", "title": value, "description": None, "notes": "x", "training_datasets": [value]}


def test_packing_without_evidence_leaves_the_result_out(mbench: Command, ran: Path, tmp_path: Path) -> None:
    results = tmp_path / "copied"
    shutil.copytree(ran, results)
    next(results.rglob("emoji-cls.ranking.parquet")).unlink()
    done = mbench("submit", "pack", "random", "--results", results)
    assert "emoji-cls.ranking.parquet not there" in done.err and "1 results" in done.out


def test_an_empty_folder_of_submissions_is_nothing_to_refuse(mbench: Command) -> None:
    Path("submissions").mkdir()
    assert mbench("submit", "check", "submissions").code == 0


def test_the_place_of_results_is_the_one_that_checks_expect(mbench: Command, ran: Path) -> None:
    mbench("submit", "pack", "random", "--results", ran)
    assert result_path(Path("submissions/random")).parent == Path("submissions/random/results/random/seed-0")


def test_a_terminal_is_asked_for_what_no_flag_tells(mbench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"Title": "Mine", "What is it": "A model.", "What it embeds": "text,image", "Does it": "yes"}
    answers |= {"Dimensions": "8", "Parameters": "10", "Licence": "MIT", "Data sets": "coco,laion-2b"}

    def ask(question: str) -> str:
        return next(answer for start, answer in answers.items() if question.startswith(start))

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", ask)
    assert mbench("submit", "new", "mine", "--revision", "abc123").code == 0
    card = yaml.safe_load(Path("submissions/mine/card.yaml").read_text())
    assert card["training_datasets"] == ["coco", "laion-2b"] and card["revision"] == "abc123"


def test_a_file_name_with_a_line_break_forges_lines_of_the_report() -> None:
    from mbench.cli.submit import _line
    from mbench.publish.submission.records import Finding, Report

    report = Report(name="tiny", folder=Path("tiny"), card=None, tasks=(), findings=())
    line = _line(report, Finding(code="stray-file", severity="error", file="a\n::error::b\x1b[2J", message="c\nd"))
    assert line == "Refused: tiny/a ::error::b[2J: c d [stray-file]"
