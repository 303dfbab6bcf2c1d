"""Tasks are found, chosen by name and refused by file and line when they are wrong."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from tests.data.small import declaration

from mbench.core.errors import SpecError, UnknownNameError, UserError
from mbench.core.specs import TaskSpec
from mbench.data import catalog as module
from mbench.data.catalog import Catalog, task_fingerprint


def put(folder: Path, name: str, value: dict[str, Any]) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1))  # JSON is YAML
    return path


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped tasks: a-one, a-two, b; groups `a` (both a) and `all` (group a, then b)."""
    folder = tmp_path / "shipped"
    for name in ("a-two", "a-one", "b"):
        put(folder, f"family/{name}.yaml", declaration(id=name))
    put(folder, "a.yaml", {"id": "a", "description": "A", "members": ["a-two", "a-one"]})
    put(folder, "all.yaml", {"id": "all", "description": "All", "members": ["b", "a", "a-*"]})
    monkeypatch.setattr(module.resources, "folder", lambda name: folder)
    return folder


def names(catalog: Catalog, *patterns: str) -> list[str]:
    return [task.id for task in catalog.tasks(patterns)]


def test_ids_groups_and_globs_give_each_task_once_in_the_order_named(shipped: Path) -> None:
    catalog = Catalog.read()
    assert names(catalog, "b", "a-one", "b") == ["b", "a-one"]
    assert names(catalog, "a-*") == ["a-one", "a-two"]
    assert names(catalog, "a") == ["a-two", "a-one"]
    assert names(catalog, "all") == ["b", "a-two", "a-one"]
    assert names(catalog, "a-one", "all") == ["a-one", "b", "a-two"]
    assert [group.id for group in catalog.groups_of(["all", "b", "a", "a-*", "all"])] == ["all", "a"]
    assert catalog.task("b").path == shipped / "family" / "b.yaml"
    assert catalog.group("a").spec.members == ["a-two", "a-one"]


def test_an_unknown_name_comes_with_the_nearest(shipped: Path) -> None:
    catalog = Catalog.read()
    with pytest.raises(UnknownNameError, match=r"'a-ome'.*'a-one'.*mbench tasks"):
        catalog.tasks(["b", "a-ome"])
    with pytest.raises(UnknownNameError, match=r"'z-\*'"):
        catalog.tasks(["z-*"])
    with pytest.raises(UnknownNameError, match=r"group 'al'.*'all'"):
        catalog.group("al")
    with pytest.raises(UnknownNameError, match=r"task 'a-on'.*'a-one'"):
        catalog.task("a-on")
    with pytest.raises(UserError, match="'a' is a group; name one of its tasks: a-two, a-one"):
        catalog.task("a")


@pytest.mark.parametrize("twice", [declaration(id="b"), {"id": "b", "description": "B", "members": ["a-one"]}])
def test_an_id_that_two_files_claim_names_both_files(shipped: Path, tmp_path: Path, twice: dict[str, Any]) -> None:
    second = put(tmp_path / "mine", "other.yaml", twice)
    with pytest.raises(SpecError) as error:
        Catalog.read([tmp_path / "mine"])
    assert str(second) in str(error.value)
    assert str(shipped / "family" / "b.yaml") in str(error.value)


def test_more_folders_add_tasks_and_a_folder_given_twice_is_read_once(shipped: Path, tmp_path: Path) -> None:
    put(tmp_path / "mine", "c.yaml", declaration(id="c"))
    assert names(Catalog.read([tmp_path / "mine", tmp_path / "mine", shipped]), "c", "b") == ["c", "b"]
    with pytest.raises(UserError, match="absent: there is no such folder"):
        Catalog.read([tmp_path / "absent"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"protocoll": "x"}, ("protocoll: unknown key; did you mean 'protocol'?", "line")),
        ({"version": "one"}, ("line 3: version", "found 'one'")),
        ({"metrics": ["recall@0"]}, ("metrics.0", "greater than or equal to 1")),
        ({"metrics": ["recal@1"]}, ("metrics.0.name", "'recal'")),
        ({"metrics": ["best"]}, ("'best' is not a metric",)),
        ({"kind": "magic"}, ("kind", "'magic'")),
        ({"source": {"loader": "emoji", "files": [{"path": "x", "sha256": "12"}]}}, ("source.files.0.sha256", "line")),
        ({"primary": "map@5"}, ("'map@5' is none of the metrics",)),
    ],
)
def test_a_wrong_declaration_is_named_by_file_line_and_key(
    shipped: Path, change: dict[str, Any], words: tuple[str, ...]
) -> None:
    path = put(shipped, "wrong.yaml", declaration(**change))
    with pytest.raises(SpecError) as error:
        Catalog.read()
    assert all(word in str(error.value) for word in (str(path), *words)), str(error.value)


def test_a_missing_key_and_a_list_instead_of_keys_are_named(shipped: Path) -> None:
    lacking = declaration()
    del lacking["license"]
    path = put(shipped, "wrong.yaml", lacking)
    with pytest.raises(SpecError, match="license: Field required"):
        Catalog.read()
    path.write_text("- a\n- b\n")
    with pytest.raises(SpecError, match=r"wrong\.yaml: expected a mapping of keys, found list"):
        Catalog.read()


def test_a_group_names_members_that_exist_and_never_itself(shipped: Path) -> None:
    path = put(shipped, "odd.yaml", {"id": "odd", "description": "", "members": ["a-oen"]})
    with pytest.raises(SpecError, match=r"odd\.yaml: members: .*'a-oen'.*'a-one'"):
        Catalog.read()
    put(shipped, "odd.yaml", {"id": "odd", "description": "", "members": ["even"]})
    even = put(shipped, "even.yaml", {"id": "even", "description": "", "members": ["odd"]})
    with pytest.raises(SpecError, match="the group contains itself: even > odd > even"):
        Catalog.read()
    even.unlink()
    aggregates = [{"name": "mean", "members": ["a-three"]}]
    path.write_text(json.dumps({"id": "odd", "description": "", "members": ["a"], "aggregates": aggregates}))
    with pytest.raises(SpecError, match="'a-three'"):
        Catalog.read()


def spec(**fields: Any) -> TaskSpec:
    return TaskSpec.model_validate(declaration(**fields))


FILE = {"path": "q.parquet", "sha256": "0" * 64}
SOURCE = {"loader": "emoji", "files": [FILE]}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"protocol": "other"},
        {"metrics": ["recall@1", "recall@5"]},
        {"metrics": ["recall@1"], "averages": {"mean": ["recall@1"]}},
        {"query": {"modality": "image", "instruction": "find"}},
        {"candidates": {"modality": "text", "pool": "gallery"}},
        {"slices": ["kind"]},
        {"source": SOURCE | {"split": "val"}},
        {"source": SOURCE | {"options": {"queries": "other"}}},
        {"source": SOURCE | {"files": []}},
        {"source": SOURCE | {"files": [FILE | {"sha256": "1" * 64}]}},
        {"source": SOURCE | {"hub": {"repo": "org/set", "revision": "abc"}}},
    ],
)
def test_the_fingerprint_changes_with_all_that_moves_a_score(change: dict[str, Any]) -> None:
    assert task_fingerprint(spec(**{"source": SOURCE, **change})) != task_fingerprint(spec(source=SOURCE))


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Other words."},
        {"title": "Title"},
        {"citation": "other"},
        {"traps": ["mind the gap"]},
        {"reference_scores": [{"model": "m", "metric": "recall@1", "value": 0.5, "source": "paper"}]},
        {"homepage": "https://example.org"},
    ],
)
def test_the_fingerprint_ignores_words_about_the_task(change: dict[str, Any]) -> None:
    assert task_fingerprint(spec(**change)) == task_fingerprint(spec())


def test_the_fingerprint_ignores_where_the_files_lie() -> None:
    far = {"loader": "emoji", "folder": "far", "files": [FILE | {"url": "https://example.org/q"}]}
    assert task_fingerprint(spec(source=SOURCE)) == task_fingerprint(spec(source=far))


def plugged(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    class Point(EntryPoint):
        def load(self) -> object:
            if isinstance(value, Exception):
                raise value
            return value

    monkeypatch.setattr(module, "entry_points", lambda group: [Point("mine", "pkg:TASKS", group)])


def test_installed_packages_add_a_folder_of_tasks(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "plug", "c.yaml", declaration(id="c"))
    for value in (tmp_path / "plug", str(tmp_path / "plug"), lambda: tmp_path / "plug"):
        plugged(monkeypatch, value)
        assert names(Catalog.read(), "c") == ["c"]


@pytest.mark.parametrize("value", [ImportError("no module named pkg"), 7, "/nowhere/at/all"])
def test_a_broken_entry_point_is_named_with_its_cause(
    shipped: Path, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    plugged(monkeypatch, value)
    with pytest.raises(SpecError) as error:
        Catalog.read()
    assert "'mine'" in str(error.value)
    assert "pkg:TASKS" in str(error.value)
    assert str(value) in str(error.value)
