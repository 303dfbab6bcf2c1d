"""Plain results whose labels contradict their task, or that would end a build or make pages without end, are broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.publish.sample import TWO, card, catalog, result, task, write

from mbench.core.files import write_json
from mbench.data.catalog import Task
from mbench.publish.collect import Collection, collect, sources
from mbench.publish.submission import Judge


def judged(folder: Path, *tasks: Task) -> Collection:
    return collect(sources([folder], None), Judge(catalog(*tasks)))


@pytest.mark.parametrize(("withheld", "claimed"), [(True, True), (False, False), (True, False)])
def test_a_result_whose_labels_contradict_its_task_is_broken(tmp_path: Path, withheld: bool, claimed: bool) -> None:
    declared = task("one", labels_public=not withheld)
    write(tmp_path / "r", result(declared, card("forged"), 0.9, labels_public=claimed))
    write(tmp_path / "r", result(TWO, card("good"), 0.5))
    found = judged(tmp_path / "r", declared, TWO)
    assert [one.result.model.id for one in found.entries] == ["good"] and found.left_out == ()
    assert [one.where for one in found.broken] == ["r/forged/unversioned/one.json"]
    assert f"labels_public is {claimed}, but one has {'withheld' if withheld else 'public'} labels" in (
        found.broken[0].reason
    )


def test_labels_of_another_protocol_or_an_unknown_task_are_not_judged(tmp_path: Path) -> None:
    other = task("one", labels_public=False, protocol="p2")
    write(tmp_path / "r", result(other, card("a"), 0.9, labels_public=False, metrics={}))
    found = judged(tmp_path / "r", task("one"))
    assert found.broken == () and len(found.left_out) == 1


def test_a_withheld_result_without_scores_is_left_out_and_not_broken(tmp_path: Path) -> None:
    declared = task("one", labels_public=False)
    write(tmp_path / "r", result(declared, card("a"), 0.9, labels_public=False, metrics={}))
    found = judged(tmp_path / "r", declared)
    assert found.broken == () and "only the benchmark's server has scores" in found.left_out[0].reason


ENDLESS: dict[str, Callable[[dict[str, Any]], object]] = {
    "model.card.parameters": lambda data: data["model"]["card"].update(parameters=10**400),
    "model.card.dimension": lambda data: data["model"]["card"].update(dimension=10**16),
    "counts.queries": lambda data: data["counts"].update(queries=10**400),
    "counts.skipped": lambda data: data["counts"].update(skipped=-1),
    "metrics.recall@1.n": lambda data: data["metrics"]["recall@1"].update(n=10**400),
    "slices.kind.place.recall@1.n": lambda data: data["slices"]["kind"]["place"]["recall@1"].update(n=10**400),
    "run": lambda data: data["run"].update({f"key{n}": n for n in range(200)}),
    "diagnostics": lambda data: data["diagnostics"].update({f"key{n}": n for n in range(300)}),
    "metrics": lambda data: data["metrics"].update({f"m@{n}": {"value": 0.5, "n": 1} for n in range(300)}),
    "slices": lambda data: data["slices"].update(kind={f"tag{n}": {} for n in range(2001)}),
}


@pytest.mark.parametrize("key", ENDLESS)
def test_what_would_end_a_build_or_make_pages_without_end_is_broken(tmp_path: Path, key: str) -> None:
    data = result(task("one"), card("a"), 0.5).model_dump(mode="json")
    ENDLESS[key](data)
    write_json(tmp_path / "r" / "a" / "unversioned" / "one.json", data)
    found = collect(sources([tmp_path / "r"], None))
    assert found.entries == () and [note.reason.partition(": ")[0] for note in found.broken] == [key]
