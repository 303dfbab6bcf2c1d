from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from tests.data import small
from tests.publish.evidence import data_of, write_evidence
from tests.publish.sample import Html, card, catalog, result

from mbench.core.results import TaskResult
from mbench.data.catalog import Catalog, Task
from mbench.publish import explorer_pictures
from mbench.publish.board import Board
from mbench.publish.collect import collect, sources
from mbench.publish.explorer import ExplorerView, explorer_views
from mbench.publish.explorer_pictures import Pictures
from mbench.publish.explorer_sample import sample, telling
from mbench.publish.openings import Openings
from mbench.publish.site import build_site

HOSTILE = "<img src=x onerror=alert(1)>"
PICTURES = [
    {"id": "red", "text": None, "tiles": ["red"], "modality": "image"},
    {"id": "blue", "text": None, "tiles": ["blue"], "modality": "image"},
    {"id": "words", "text": "a word", "tiles": None, "modality": "text"},
    {"id": "carmine", "text": None, "tiles": ["carmine"], "modality": "image"},
]
QUERIES = [
    small.query("q1", relevant=["red"], target=["red"], tag_kind=["a"], text=HOSTILE),
    small.query("q2", relevant=["blue", "words"], target=["blue"], tag_kind=["b"], tiles=["red", "", "blue", "blue"]),
    small.query("q3", relevant=[], target=None, tag_kind=["b"]),
]


def shown(folder: Path, **keys: Any) -> Task:
    """A task with pictures and words as candidates, whose pictures may be shown unless `keys` say otherwise."""
    folder.mkdir()
    small.write(folder, QUERIES, PICTURES)
    told = {
        "pictures_public": True,
        "query": {"modality": ["image", "image+text"]},
        "slices": ["kind"],
        "candidates": {"modality": ["image", "text"]},
    }
    return small.task(folder, **told | keys)


def of(task: Task, name: str, tops: dict[str, list[str]], folder: Path) -> TaskResult:
    found = result(task, card(name), 0.5)
    write_evidence(folder, found, {"q1": 1.0 if name == "a" else 0.0, "q2": 0.0, "q3": float("nan")}, tops)
    return found


def views(folder: Path, declared: Catalog, **opened: Any) -> tuple[list[ExplorerView], Pictures]:
    pictures = Pictures()
    board = Board(collect(sources([folder], None)), declared)
    return list(explorer_views(board, Openings(declared, **opened), pictures)), pictures


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Task]:
    task = shown(tmp_path / "task")
    for name, first in (("a", ["red", "blue"]), ("b", ["blue", "carmine"])):
        of(task, name, {"q1": first, "q2": ["words", "blue"], "q3": ["red"]}, tmp_path / "r")
    return tmp_path / "r", task


def test_answers_are_right_where_the_task_says_so(two: tuple[Path, Task]) -> None:
    ((view,), _) = views(two[0], catalog(two[1]))
    assert [one.id for one in view.questions] == ["q1", "q2"], "a query without a right answer tells nothing"
    marks = [[[found.right for found in answers.found] for answers in one.answers] for one in view.questions]
    assert marks == [[[True, False], [False, False]], [[True, True], [True, True]]]
    assert [one.right for one in view.questions[0].answers] == [True, False]
    assert [thing.label for thing in view.questions[1].truth] == ["blue", "a word"]


def test_the_script_holds_what_the_page_shows(two: tuple[Path, Task]) -> None:
    ((view,), _) = views(two[0], catalog(two[1]))
    data = data_of(view.file.content)
    names = [label for label, _, _ in data["things"]]
    assert [one["name"] for one in data["models"]] == ["a", "b"]
    tops = data["models"][0]["tops"][0].split()
    assert [(names[int(one.rstrip("+"))], one.endswith("+")) for one in tops] == [("red", True), ("blue", False)]
    assert data["queries"] == [["kind: a"], ["kind: b"]]


def test_pictures_are_those_of_the_task_each_content_once(two: tuple[Path, Task]) -> None:
    ((view,), pictures) = views(two[0], catalog(two[1]))
    red, carmine = (
        next(f.thing for a in view.questions[0].answers for f in a.found if f.thing.label == n)
        for n in ("red", "carmine")
    )
    assert red.picture == carmine.picture != ""
    assert len(pictures.files) == 3, "red, blue and one scene"
    for path, file in pictures.files.items():
        with PIL.Image.open(BytesIO(file.content)) as opened:
            assert opened.format == "WEBP" and path.startswith("pictures/")
            assert opened.convert("RGB").getpixel((0, 0)) in ((255, 0, 0), (0, 0, 255))


def test_two_builds_have_the_same_pictures_and_scripts(two: tuple[Path, Task]) -> None:
    (first, one), (second, other) = views(two[0], catalog(two[1])), views(two[0], catalog(two[1]))
    assert first == second and one.files == other.files


@pytest.mark.parametrize("keys", [{"pictures_public": False}, {"pictures_public": False, "license": "CC0-1.0"}])
def test_pictures_that_may_not_be_shown_are_not_opened(tmp_path: Path, keys: dict[str, Any]) -> None:
    task = shown(tmp_path / "task", **keys)
    of(task, "a", {"q1": ["red"], "q2": ["red"], "q3": ["red"]}, tmp_path / "r")
    found, pictures = views(tmp_path / "r", catalog(task))
    assert not found and not pictures.files
    build_site(collect(sources([tmp_path / "r"], None)), catalog(task), tmp_path / "site")
    assert not (tmp_path / "site" / "pictures").exists() and not (tmp_path / "site" / "explore").exists()


def test_a_private_build_shows_them_and_says_so(tmp_path: Path) -> None:
    task = shown(tmp_path / "task", pictures_public=False)
    of(task, "a", {"q1": ["red"], "q2": ["red"], "q3": ["red"]}, tmp_path / "r")
    declared = catalog(task)
    build_site(collect(sources([tmp_path / "r"], None)), declared, tmp_path / "site", Openings(declared, private=True))
    page = Html(next((tmp_path / "site" / "explore").iterdir()))
    assert "For private use." in page.text and page.all("img")


def test_a_ranking_brings_no_words_of_its_own_into_the_page(two: tuple[Path, Task], tmp_path: Path) -> None:
    folder, task = two
    of(task, "a", {"q1": [HOSTILE, "red"], "q2": ["blue"], "q3": ["red"]}, folder)
    build_site(collect(sources([folder], None)), catalog(task), tmp_path / "site")
    path = next((tmp_path / "site" / "explore").iterdir())
    page = Html(path)
    assert all(one["src"].startswith("../pictures/") and one["loading"] == "lazy" for one in page.all("img"))
    assert all("alt" in one for one in page.all("img"))
    assert page.text.count(HOSTILE) == 1, "the task's own text, escaped"
    assert not [one for _, one in page.elements if any(key.startswith("on") for key in one)]


def test_a_model_without_a_sound_ranking_is_not_offered(two: tuple[Path, Task]) -> None:
    folder, task = two
    for path in folder.rglob("b/*/small.ranking.parquet"):
        path.write_bytes(b"PAR1 no PAR1")
    ((view,), _) = views(folder, catalog(task))
    assert [one.name for one in view.models] == ["a"]


def test_pictures_end_where_the_site_would_grow_too_heavy(
    two: tuple[Path, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer_pictures, "MOST_BYTES", 1)
    ((view,), pictures) = views(two[0], catalog(two[1]))
    assert len(pictures.files) == 1
    labels = [f.thing.label for one in view.questions for a in one.answers for f in a.found if not f.thing.picture]
    assert "blue" in labels


def test_large_and_transparent_pictures_become_small_ones_on_white() -> None:
    pictures = Pictures()
    path = pictures.add(PIL.Image.new("RGBA", (600, 300), (0, 0, 0, 0)))
    with PIL.Image.open(BytesIO(pictures.files[path].content)) as opened:
        assert opened.size == (144, 72) and opened.convert("RGB").getpixel((3, 3)) == (255, 255, 255)


def test_the_sample_has_some_of_every_kind_and_is_the_same_each_time(tmp_path: Path) -> None:
    queries = [small.query(f"q{n}", tag_kind=["rare" if n == 77 else "often"]) for n in range(100)]
    data = small.loaded(tmp_path, queries, slices=["kind"])
    rows = sample(data, ["kind"], 10)
    assert 77 in rows.tolist() and len(set(rows.tolist())) == 10 and (np.diff(rows) > 0).all()
    assert sample(data, ["kind"], 10).tolist() == rows.tolist()
    assert len(sample(data, [], 1000)) == 100


def test_half_of_the_sample_shows_how_two_models_differ_in_both_directions(tmp_path: Path) -> None:
    data = small.loaded(tmp_path, [small.query(f"q{n}", tag_kind=["often"]) for n in range(100)], slices=["kind"])
    drawn = sample(data, ["kind"], 80)
    lead = np.zeros(80, dtype=np.int64)
    lead[10:30], lead[33] = 1, -1
    rows = telling(data, ["kind"], drawn, lead, 10)
    assert len(rows) == len(set(rows.tolist())) == 10 and (np.diff(rows) > 0).all()
    assert drawn[33] in rows and 5 <= np.isin(rows, drawn[lead != 0]).sum() < 10
    assert telling(data, ["kind"], drawn, lead * 0, 10).tolist() == sample(data, ["kind"], 10).tolist()
    assert len(telling(data, ["kind"], drawn, lead, 1000)) == 100
