"""Published numbers against constructed measurements."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.publish.sample import card, catalog, result, task

from mbench.core.errors import MbenchError, SpecError, UnknownNameError
from mbench.core.results import TaskResult
from mbench.data.catalog import Catalog
from mbench.publish.collect import Collection, Entry
from mbench.publish.ledger import Line, ledger, outside
from mbench.publish.ledger_spec import LedgerSpec, read_ledger
from mbench.publish.ledger_text import as_json, notes, sheets

PAPER, OTHER = "CLIP L/14", "Somebody's model"
CLIP = card("clip", revision="1", checkpoint="openai/clip-large", base_model=None)


def score(model: str = PAPER, metric: str = "recall@1", value: float = 0.5) -> dict[str, Any]:
    return {"model": model, "metric": metric, "value": value, "source": "the paper, table 2"}


def known(*scores: dict[str, Any], **keys: Any) -> Catalog:
    return catalog(task("one", reference_scores=list(scores or [score()]), **keys), task("two"))


def declared(**keys: Any) -> LedgerSpec:
    names = [{"name": PAPER, "id": "clip", "checkpoint": "clip-large"}]
    return LedgerSpec.model_validate({"rounding": 0.0005, "models": names} | keys)


def lines(tasks: Catalog, spec: LedgerSpec, *results: TaskResult) -> list[Line]:
    return ledger(Collection(tuple(Entry(one, "somewhere") for one in results)), tasks, spec)


def only(tasks: Catalog, spec: LedgerSpec, *results: TaskResult) -> Line:
    (line,) = lines(tasks, spec, *results)
    return line


@pytest.mark.parametrize(
    ("value", "status"),
    [(0.5, "within"), (0.519, "within"), (0.5203, "within"), (0.5301, "outside"), (0.46, "outside"), (0.475, "within")],
)
def test_a_number_outside_its_interval_passes_for_reproduced(value: float, status: str) -> None:
    """The interval of a sample's result is the value - 0.02 to + 0.03."""
    tasks = known()
    line = only(tasks, declared(), result(tasks.all_tasks["one"], CLIP, value))
    assert line.status == status
    assert line.difference == pytest.approx(value - 0.5)
    assert (line.model, line.revision) == ("clip", "1")
    assert outside([line]) == [line] * (status == "outside")


def test_a_declared_tolerance_is_not_honoured_or_covers_more_than_declared() -> None:
    tasks = known(score(), score(metric="recall@5"))
    about = {"model": PAPER, "task": "one", "metric": "recall@1", "tolerance": 0.1, "reason": "Other captions."}
    spec = declared(tolerances=[about])
    first, second = lines(tasks, spec, result(tasks.all_tasks["one"], CLIP, 0.59))
    assert (first.status, first.reason, second.status, second.reason) == ("tolerated", about["reason"], "outside", "")
    first, _ = lines(tasks, spec, result(tasks.all_tasks["one"], CLIP, 0.61))
    assert (first.status, first.reason) == ("outside", about["reason"])


def test_other_weights_count_as_a_measurement() -> None:
    tasks = known()
    other = card("clip", revision="2", checkpoint="openai/clip-base")
    line = only(tasks, declared(), result(tasks.all_tasks["one"], other, 0.5))
    assert (line.status, line.measured, line.model) == ("not measured", None, "clip")
    local = card("clip", revision="3", checkpoint="clip-large")
    assert only(tasks, declared(), result(tasks.all_tasks["one"], local, 0.5)).status == "within"


def test_two_revisions_are_merged() -> None:
    tasks = known()
    again = card("clip", revision="2", checkpoint="clip-large")
    found = lines(tasks, declared(), *(result(tasks.all_tasks["one"], one, 0.5) for one in (CLIP, again)))
    assert [line.revision for line in found] == ["1", "2"]


def test_a_result_on_an_earlier_state_of_the_task_counts() -> None:
    tasks = known()
    old = result(task("one", version=2), CLIP, 0.5)
    assert only(tasks, declared(), old).status == "not measured"


def test_what_was_not_measured_is_not_listed() -> None:
    tasks = known(score(), score(OTHER))
    assert [line.status for line in lines(tasks, declared())] == ["not measured", "other model"]
    assert only(hidden := known(labels_public=False), declared()).status == "withheld"
    assert only(hidden, declared(), result(hidden.all_tasks["one"], CLIP, 0.5)).measured is None
    assert only(
        tasks := known(score(metric="ndcg@1")), declared(), result(tasks.all_tasks["one"], CLIP, 0.5)
    ).status == ("not measured")


def test_the_mean_of_a_group_is_not_measured() -> None:
    tasks = catalog(task("one"), task("two"))
    group = tasks.all_groups["emoji"]
    published = score(metric="mean", value=0.55)
    spec = group.spec.model_validate(group.spec.model_dump() | {"reference_scores": [published]})
    tasks = Catalog(tasks.all_tasks, {"emoji": type(group)(spec, group.path)})
    results = [result(tasks.all_tasks[name], CLIP, value) for name, value in (("one", 0.5), ("two", 0.6))]
    line = only(tasks, declared(), *results)
    assert line.measured is not None and line.measured.value == pytest.approx(0.55)
    assert line.status == "within"
    assert only(tasks, declared(), results[0]).status == "not measured"


def test_the_written_ledger_lacks_what_was_found() -> None:
    tasks = known(score(), score(OTHER))
    found = lines(tasks, declared(), result(tasks.all_tasks["one"], CLIP, 0.6))
    written = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert written["counts"]["outside"] == written["counts"]["other model"] == 1
    assert written["lines"][0]["difference"] == pytest.approx(0.1) and written["lines"][1]["measured"] is None
    measured, rest = sheets(found)
    assert measured.rows[0][:8] == ("one", "recall@1", PAPER, "50.00", "clip 1", "60.00", "58.00 - 63.00", "+10.00")
    assert rest.rows[0][2] == OTHER
    assert len(notes(found)) == 2


def test_the_shipped_ledger_names_what_no_task_has() -> None:
    spec = read_ledger(Catalog.read())
    assert spec.models and spec.tolerances


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("rounding: 0.1\nmodels: []", SpecError, "rounding"),
        ("rounding: 0\nmodels: []\nmore: 1", SpecError, "unknown key"),
        ("rounding: 0\nmodels: [{name: CLIP L/15, id: clip}]", UnknownNameError, "Did you mean 'CLIP L/14'"),
        ("TOLERANCE {model: CLIP L/14, task: one, metric: recall@9, tolerance: 0.1, reason: Because of it.}",
         UnknownNameError, "CLIP L/14 one recall@1"),
        ("TOLERANCE {model: CLIP L/14, task: one, metric: recall@1, tolerance: 0, reason: Because of it.}", SpecError,
         "greater than 0"),
        ("TOLERANCE {model: CLIP L/14, task: one, metric: recall@1, tolerance: 0.1, reason: so}", SpecError, "reason"),
        ("TOLERANCE " + ", ".join(
            ["{model: CLIP L/14, task: one, metric: recall@1, tolerance: 0.1, reason: Because of it.}"] * 2
        ), SpecError, "stands twice"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_read(tmp_path: Path, text: str, kind: type[MbenchError], words: str) -> None:
    start, _, entries = text.partition("TOLERANCE ")
    (tmp_path / "ledger.yaml").write_text(start or f"rounding: 0\nmodels: []\ntolerances: [{entries}]\n")
    with pytest.raises(kind) as caught:
        read_ledger(known(), tmp_path / "ledger.yaml")
    assert words in str(caught.value) and "ledger.yaml" in str(caught.value)
