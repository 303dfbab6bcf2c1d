from pathlib import Path

import numpy as np
import pytest

from mbench.core.results import TaskRef
from mbench.data.catalog import Catalog
from mbench.data.loading import load
from mbench.publish.comparison.context import UNGROUPED, context_of

CATALOG = Catalog.read()
CTRL = CATALOG.all_tasks["emoji-ctrl"]


def ref(name: str = "emoji-ctrl", **keys: str) -> TaskRef:
    task = CATALOG.all_tasks[name]
    known = {"id": name, "version": task.spec.version, "protocol": task.spec.protocol, "fingerprint": task.fingerprint}
    return TaskRef.model_validate(known | keys)


def test_queries_about_one_picture_are_drawn_apart_and_slices_are_those_of_other_queries() -> None:
    data = load(CTRL)
    rows = np.array([7, 3, 4, 5, 2420])
    found = context_of(ref(), data.queries.select(rows).ids(), CATALOG, None)
    assert found.clusters is not None and data.judgments.groups is not None
    assert found.clusters.tolist() == data.judgments.groups[rows].tolist()
    kinds = data.judgments.tags["kind"]
    assert set(found.slices["kind"]) == set(kinds.values)
    for place, value in enumerate(kinds.values):
        assert found.slices["kind"][value].tolist() == [place in kinds.members[row] for row in rows]
    assert found.slices["kind"]["position"].any() and not found.slices["kind"]["position"].all()
    assert not found.note


@pytest.mark.parametrize(
    ("about", "ids", "words"),
    [
        (ref(id="unknown"), ["q0"], "no task of this name is declared"),
        (ref(fingerprint="e" * 16), ["q0"], "another state of the task"),
        (ref(), ["q0"], "the data at hand have other queries"),
        (ref("circo"), ["0"], "without the task's data"),
    ],
)
def test_unknown_queries_get_clusters_or_slices(
    about: TaskRef, ids: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBENCH_DATA", str(tmp_path))
    found = context_of(about, ids, CATALOG, None)
    assert found.clusters is None and not found.slices
    assert words in found.note and "drawn one by one" in found.note


def test_millions_of_candidates_are_loaded_for_queries_that_stand_alone(tmp_path: Path) -> None:
    found = context_of(ref("mbeir-cirr-task7"), ["q0"], CATALOG, tmp_path / "nowhere")
    assert found.clusters is None and not found.note


def test_a_loader_that_groups_queries_is_taken_for_one_that_does_not() -> None:
    folder = Path(load.__code__.co_filename).parent / "loaders"
    grouping = {path.stem for path in folder.glob("*.py") if "groups_of" in path.read_text()}
    assert grouping and not grouping & UNGROUPED
