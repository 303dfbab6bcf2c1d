"""Good submissions in all their forms pass, and a report says of each number how far it was checked."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.publish.hostile import TASK, card, queries_path, ranking, ranking_path, result, result_path, rows
from tests.publish.submissions import Good

from mbench.core.errors import UserError
from mbench.core.results import read_result
from mbench.core.specs import ModelCard
from mbench.data.catalog import Catalog
from mbench.publish.collect import collect, sources
from mbench.publish.export import export
from mbench.publish.exported import results_at
from mbench.publish.submission import Judge, Others, check, inspect


def statuses(report: Any) -> set[str]:
    return {one.status for one in report.tasks}


def test_every_number_of_a_good_submission_is_recomputed(good: Good, tmp_path: Path) -> None:
    for model, tasks in (("tiny", 2), ("random", 8)):
        report = good.check(good.copy(tmp_path / model, model))
        assert report.good and statuses(report) == {"recomputed"}
        assert {one.severity for one in report.findings} <= {"info"}
        assert len(report.tasks) == len(report.results) == tasks


def test_results_pass_as_mbench_run_wrote_them(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    shutil.rmtree(folder / "results")
    shutil.copytree(good.results / "tiny", folder / "results" / "tiny")
    assert statuses(good.check(folder)) == {"recomputed"}


def test_results_pass_without_the_folder_of_the_model(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    shutil.move(result_path(folder).parent, folder / "moved")
    shutil.rmtree(folder / "results")
    revision = read_result(folder / "moved" / f"{TASK}.json").model.revision
    shutil.move(folder / "moved", folder / "results" / revision)
    report = good.check(folder)
    assert report.good and statuses(report) == {"recomputed"}


def test_numbers_are_recomputed_from_a_trec_run_alone(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "random")
    for task in (TASK, "emoji-cir"):
        export(results_at(result_path(folder, task), good.judge.catalog), "trec", result_path(folder, task).parent)
        ranking_path(folder, task).unlink()
        queries_path(folder, task).unlink()
    report = good.check(folder)
    assert report.good and statuses(report) == {"recomputed"}
    assert [one.code for one in report.findings] == ["per-query-missing"] * 2


def test_an_edited_number_beside_a_trec_run_is_found(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    export(results_at(result_path(folder), good.judge.catalog), "trec", result_path(folder).parent)
    ranking_path(folder).unlink()
    result("metrics/hit@1/value", 0.9)(folder)
    assert "metric-differs" in {one.code for one in good.check(folder).problems}


def test_two_revisions_stand_beside_each_other(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    old, new = result_path(folder).parent, result_path(folder).parent.with_name("v2")
    shutil.copytree(old, new)
    for path in new.glob("*.json"):
        text = path.read_text().replace(f'"revision": "{old.name}"', '"revision": "v2"')
        path.write_text(re.sub('"date": "[^"]+"', '"date": "2025-12-01T10:00:00+00:00"', text))
    card(revision="v2")(folder)
    report = good.check(folder)
    assert report.good and {one.revision for one in report.tasks} == {old.name, "v2"}


def test_an_adapter_and_a_readme_may_lie_there_and_are_never_run(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    (folder / "adapter.py").write_text(f"open({str(tmp_path / 'canary')!r}, 'w')\n")
    (folder / "README.md").write_text("# About\n\n<b>Anything</b> [may](https://example.org) stand here.\n")
    (folder / "LICENSE").write_text("Mine.\n")
    assert good.check(folder).good and not (tmp_path / "canary").exists()


def test_numbers_without_data_are_never_called_recomputed(good: Good, tmp_path: Path) -> None:
    """Also where everything fits together; and what does not fit is refused without the data, too."""
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    declared = good.judge.catalog.task(TASK).path.read_text().replace("id: emoji-vqa", "id: far-away")
    (tasks / "far-away.yaml").write_text(declared.replace("  shipped: true\n", "").replace("data/", "nowhere/"))
    catalog = Catalog.read([tasks])
    folder = good.copy(tmp_path, "tiny")
    place = result_path(folder).parent
    for path in list(place.glob(f"{TASK}.*")):
        path.rename(place / path.name.replace(TASK, "far-away"))
    data = json.loads((place / "far-away.json").read_text())
    data["task"] |= {"id": "far-away", "fingerprint": catalog.task("far-away").fingerprint}
    (place / "far-away.json").write_text(json.dumps(data))
    judge = Judge(catalog, tmp_path / "empty")
    report = judge.check(folder, Others())
    assert report.good
    far = next(one for one in report.tasks if one.task == "far-away")
    assert far.status == "not recomputed" and "no such file" in far.reason
    data["metrics"]["hit@1"]["value"] += 0.01
    (place / "far-away.json").write_text(json.dumps(data))
    assert "metric-differs" in {one.code for one in judge.check(folder, Others()).problems}


def test_training_on_a_task_is_flagged_and_not_refused(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    card(training_datasets=["emoji-train", "noto-emoji"])(folder)
    report = good.check(folder)
    assert report.good and {one.contamination for one in report.tasks} == {"seen"}
    assert {one.code for one in report.findings} == {"trained-on"}


def derived(folder: Path) -> Path:
    """Copy a submission as that of a model that says it is derived from it."""
    own = folder.with_name("derived")
    shutil.copytree(folder, own)
    for path in own.rglob("*.json"):
        path.write_text(path.read_text().replace(f'"id": "{folder.name}"', '"id": "derived"'))
    place = result_path(own).parent.parent
    place.rename(place.with_name("derived"))
    card(id="derived", title="Derived", base_model=folder.name)(own)
    return own


def test_a_derived_model_may_share_some_rankings(good: Good, tmp_path: Path) -> None:
    """text-only:M ranks texts for texts exactly as M does."""
    base = good.copy(tmp_path, "random")
    own = derived(base)
    ranking(rows(lambda row: row["candidate_ids"].reverse()), "emoji-i2t")(base)
    report = good.judge.check(own, Others([inspect(base, good.judge.catalog)]))
    assert report.good and {one.code for one in report.findings} == {"same-ranking"}, report.findings


def test_a_derived_model_that_shares_every_ranking_is_a_copy(good: Good, tmp_path: Path) -> None:
    base = good.copy(tmp_path, "random")
    report = good.judge.check(derived(base), Others([inspect(base, good.judge.catalog)]))
    assert {one.code for one in report.problems} == {"copied-ranking"}


def test_a_site_can_list_what_a_check_refuses(good: Good, tmp_path: Path) -> None:
    """Time alone makes a result outdated: what was accepted once is a warning for the site and an error in a check."""
    folder = good.copy(tmp_path, "tiny")
    result("task/version", 0)(folder)
    read = inspect(folder, good.judge.catalog)
    assert read.problems == () and [one.code for one in read.findings] == ["task-outdated"]
    lenient = Judge(good.judge.catalog, lenient=True).check_all(folder.parent)
    assert [one.name for one in lenient] == ["random", "tiny"] and all(one.good for one in lenient)
    mark = next(one for one in lenient[1].tasks if one.task == TASK)
    assert mark.status == "not recomputed" and "earlier version" in mark.reason
    assert not good.check(folder).good


def test_one_broken_submission_leaves_the_others_good(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    (folder / "card.yaml").write_text("id: !!python/name:os.system\n")
    reports = {one.name: one for one in good.judge.check_all(folder.parent)}
    assert reports["random"].good and not reports["tiny"].good and reports["tiny"].card is None


def test_inspect_computes_nothing_and_says_so(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    result("metrics/hit@1/value", 0.9)(folder)
    read = inspect(folder, good.judge.catalog)
    assert {one.status for one in read.marks} == {"not recomputed"} and read.problems == ()


def test_the_card_of_the_submission_is_the_one_that_results_carry(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    card(title="Another title")(folder)
    assert {one.result.model.card.title for one in inspect(folder).results} == {"Another title"}


def test_no_folder_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        check(tmp_path / "nothing")


def test_a_date_is_judged_by_the_clock_that_is_given(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    early = inspect(folder, good.judge.catalog, now=datetime(2021, 1, 1, tzinfo=UTC))
    assert {one.code for one in early.problems} == {"date"}


def test_cards_as_mbench_writes_them_are_read_again(good: Good, tmp_path: Path) -> None:
    text = (good.copy(tmp_path, "tiny") / "card.yaml").read_text()
    assert ModelCard.model_validate(yaml.safe_load(text)).id == "tiny"


def test_the_site_shows_how_far_numbers_were_checked_and_lists_broken_submissions(good: Good, tmp_path: Path) -> None:
    folder = good.copy(tmp_path, "tiny")
    found = collect(sources([], folder.parent), Judge(good.judge.catalog, lenient=True))
    assert found.broken == () and {one.status for one in found.entries} == {"recomputed"} and len(found.entries) == 10
    result("metrics/hit@1/value", 0.9)(folder)
    left = collect(sources([], folder.parent), Judge(good.judge.catalog, lenient=True))
    assert {one.result.model.id for one in left.entries} == {"random"}
    assert len(left.broken) == 1 and left.broken[0].where.startswith("submissions/tiny/results/tiny/")
    assert "hit@1 is 0.9" in left.broken[0].reason
