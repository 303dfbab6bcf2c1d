"""A submission with a broken file keeps its sound results; one in which something was changed is hidden as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.publish import hostile_cards, hostile_evidence, hostile_folders, hostile_parquet, hostile_results
from tests.publish.hostile import LONG, TASK, Case, both, queries_path, ranking_path, result, result_bytes, result_path
from tests.publish.sample import Html, rows
from tests.publish.submissions import Good

from mbench.data.catalog import Catalog
from mbench.publish.collect import Collection, Note, collect, sources
from mbench.publish.site import build_site
from mbench.publish.submission import Judge, trusted
from mbench.publish.submission.notes import MOST

CASES = [
    *hostile_cards.CASES,
    *hostile_folders.CASES,
    *hostile_results.CASES,
    *hostile_evidence.CASES,
    *hostile_parquet.CASES,
]
ACCIDENTS = {"json", "result-schema", "unreadable", "empty-file", "parquet-unreadable", "evidence-missing"}


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def truncate(path_of: Callable[[Path], Path], to: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(path_of(folder), to)


def read(good: Good, submissions: Path) -> Collection:
    return collect(sources([], submissions), Judge(good.judge.catalog, lenient=True))


def shown(found: Collection, model: str) -> set[str]:
    return {one.result.task.id for one in found.entries if one.result.model.id == model}


@pytest.mark.parametrize(
    ("break_it", "file"),
    [
        (result_bytes(half), f"{TASK}.json"),
        (truncate(result_path, 0), f"{TASK}.json"),
        (result("surprise", 1), f"{TASK}.json"),
        (truncate(ranking_path, 100), f"{TASK}.ranking.parquet"),
        (lambda folder: ranking_path(folder).unlink(), f"{TASK}.json"),
        (truncate(queries_path, 100), f"{TASK}.queries.parquet"),
    ],
    ids=["half a result", "an empty result", "an unknown key", "half a ranking", "no ranking", "half of the scores"],
)
def test_one_broken_file_leaves_out_its_result_alone(
    good: Good, tmp_path: Path, break_it: Callable[[Path], None], file: str
) -> None:
    folder = good.copy(tmp_path, "tiny")
    break_it(folder)
    found = read(good, folder.parent)
    assert shown(found, "tiny") == {LONG} and len(shown(found, "random")) == 8
    assert [(one.where.rpartition("/")[2], one.of, one.hidden) for one in found.broken] == [(file, "tiny", False)]


def test_a_mean_of_a_group_with_a_broken_member_hides_nothing(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "random")
    result_bytes(half)(folder)
    found = read(good, folder.parent)
    assert len(shown(found, "random")) == 7 and [one.of for one in found.broken] == ["random"]


@pytest.mark.parametrize(
    "change",
    [
        result("metrics/hit@5/value", 0.9, LONG),
        both(result("metrics/hit@5/value", 0.9, LONG), result_bytes(half)),
        both(result_bytes(half), lambda folder: (folder / "card.yaml").write_text("id: tiny\n")),
        both(result_bytes(half), lambda folder: (folder / "results" / "link").symlink_to(folder)),
        both(result("model/card/title", "<b>tiny</b>", LONG), result_bytes(half)),
        both(result_bytes(half), result("metrics/hit@5/value", 0.9, LONG), result("model/id", "other", LONG)),
    ],
    ids=["an edited number", "and a broken file", "no sound card", "a link", "markup", "another's result"],
)
def test_what_no_accident_explains_hides_the_whole_submission(
    good: Good, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = good.copy(tmp_path, "tiny")
    change(folder)
    found = read(good, folder.parent)
    assert shown(found, "tiny") == set() and len(shown(found, "random")) == 8
    assert found.broken and all(one.hidden and one.of == "" for one in found.broken)


def test_an_edited_number_is_not_hidden_by_more_findings_than_are_kept(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    for n in range(MOST):
        result_path(folder, LONG).with_name(f"a-{n}.json").touch()
    result("metrics/hit@5/value", 0.9, LONG)(folder)
    assert shown(read(good, folder.parent), "tiny") == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_nothing_of_a_hostile_submission_is_shown_but_what_an_accident_leaves(
    case: Case, good: Good, tmp_path: Path
) -> None:
    folder = good.copy(tmp_path, case.base)
    case.change(folder)
    changed = folder if os.path.lexists(folder) else next(p for p in folder.parent.iterdir() if p.name != "random")
    report = good.check(changed)
    found = trusted(report)
    assert not {one.place for one in found.results} & {one.task for one in report.problems}
    assert found.results == () or {one.code for one in found.problems} <= ACCIDENTS
    assert found.problems != ()


def test_the_site_tells_which_files_are_broken_and_of_whom(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny", "random")
    result_bytes(half)(folder)
    result("metrics/recall@1/value", 0.9, "emoji-ctrl")(folder.parent / "random")
    found = read(good, folder.parent)
    report = build_site(found, Catalog.read(), tmp_path / "site")
    index = Html(tmp_path / "site" / "index.html")
    assert {(one.of, one.hidden) for one in report.broken} == {("tiny", False), ("", True)} and report.models == 1
    assert "Submissions that are hidden as a whole" in index.text and "recall@1 is 0.9" in index.text
    assert {"href": "models/tiny.html#broken"} in index.all("a"), "the rest of the submission is shown there"
    page = Html(tmp_path / "site" / "models" / "tiny.html")
    assert "1 file of this submission is broken" in page.text and "not valid JSON" in page.text
    assert not (tmp_path / "site" / "models" / "random.html").exists()
    assert rows(tmp_path / "site" / "models" / "tiny.html")[1][0].startswith("Emoji union pool")


def test_a_broken_plain_file_hides_no_submission() -> None:
    assert not Note("results/a/1/one.json", "not valid JSON").hidden
