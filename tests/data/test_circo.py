"""CIRCO: several right answers, one target, the reference stays; the index list decides what the pool is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.official import ANNOTATIONS, by_hash, declared, measured, needs_annotations, put, tiny, with_options

from mbench.core.errors import DataError, ImageError, SpecError
from mbench.core.files import read_json
from mbench.core.types import EvalData
from mbench.data.catalog import Task
from mbench.data.checks import is_partial
from mbench.data.loaders.circo import INDEX
from mbench.data.loading import load

POOL = list(range(100, 160))


def row(**changes: Any) -> dict[str, Any]:
    one = {"id": 0, "reference_img_id": 100, "target_img_id": 101, "gt_img_ids": [101, 102, 103]}
    one |= {"relative_caption": "has {two} dogs", "shared_concept": "a dog", "semantic_aspects": ["negation"]}
    return {key: value for key, value in {**one, **changes}.items() if value is not None}


def files(root: Path, rows: list[dict[str, Any]], pool: list[int] = POOL, split: str = "val") -> Path:
    put(root / f"circo/annotations/{split}.json", rows)
    put(root / "circo" / INDEX, {"images": [{"id": one, "file_name": f"{one:012d}.jpg"} for one in pool]})
    return root


def loaded(root: Path, *rows: dict[str, Any]) -> EvalData:
    return load(tiny("circo"), files(root, list(rows) or [row()]))


def ids(*numbers: int) -> list[str]:
    return [str(number) for number in numbers]


def test_ids_are_coco_numbers_as_text_and_pictures_have_twelve_digits(tmp_path: Path) -> None:
    data = loaded(tmp_path)
    assert data.queries.ids() == ["0"]
    assert data.corpus.ids()[:2] == ["100", "101"]
    with pytest.raises(ImageError, match=r"COCO2017_unlabeled/unlabeled2017/000000000100\.jpg"):
        data.corpus.check_images()


def test_the_text_is_the_relative_caption_and_nothing_else(tmp_path: Path) -> None:
    assert loaded(tmp_path).queries.column("text") == ["has {two} dogs"]
    shared = load(tiny("circo-shared-concept"), files(tmp_path, [row()]))
    assert shared.queries.column("text") == ["find a dog but has {two} dogs"]


@pytest.mark.parametrize("text", ["caption", "{caption}", "{relative_caption.x}", "{relative_caption!r}", "{", "{0}"])
def test_templates_that_name_no_field_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError, match=r"circo: source\.options\.text"):
        load(with_options(tiny("circo"), text=text), files(tmp_path, [row()]))


def test_precision_divides_by_k_where_more_are_right_and_the_target_is_one_of_them(tmp_path: Path) -> None:
    """Fourteen right answers, ten of them on the first ten places: 1.0 at 10, where dividing by all gives 0.714."""
    task, right = tiny("circo"), list(range(101, 115))
    data = loaded(tmp_path, row(gt_img_ids=right, target_img_id=114))
    found = measured(task, data, main=[ids(*right[:10], *POOL[-30:])])
    assert found["map@10"] == 1
    assert found["map@25"] == pytest.approx(10 / 14)
    assert found["recall_target@50"] == 0


def test_the_reference_keeps_its_place(tmp_path: Path) -> None:
    data = loaded(tmp_path, row(gt_img_ids=[101]))
    assert data.judgments.exclude is None
    assert measured(tiny("circo"), data, main=[ids(100, 101)])["map@5"] == 0.5


def test_a_query_counts_in_each_of_its_aspects(tmp_path: Path) -> None:
    data = loaded(tmp_path, row(semantic_aspects=["negation", "addition"]), row(id=1, semantic_aspects=["addition"]))
    tags = data.judgments.tags["semantic_aspect"]
    assert [[tags.values[place] for place in tags.members[query]] for query in range(2)] == [
        ["negation", "addition"],
        ["addition"],
    ]


def test_the_test_split_has_no_labels_and_no_aspects(tmp_path: Path) -> None:
    bare = row(target_img_id=None, gt_img_ids=None, semantic_aspects=None)
    data = load(tiny("circo-test"), files(tmp_path, [bare], split="test"))
    assert data.judgments.labels == {} and data.judgments.tags == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gt_img_ids": None}, r"val\.json, entry 0: the key 'gt_img_ids' is missing; found 'id'"),
        ({"gt_img_ids": [101, 999]}, "gt_img_ids of query '0' names '999', which is not in the candidates of circo"),
        ({"gt_img_ids": [101, 101]}, "gt_img_ids of query '0' names '101' twice"),
        ({"gt_img_ids": ["101"]}, r"gt_img_ids\[0\] must be a whole number; found '101'"),
        ({"gt_img_ids": [102]}, "target_img_id 101 is not among its gt_img_ids"),
        ({"relative_caption": None}, "the key 'relative_caption' is missing"),
        ({"reference_img_id": True}, "reference_img_id must be a whole number"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        loaded(tmp_path, row(**change))


def test_a_missing_index_list_says_how_to_get_it(tmp_path: Path) -> None:
    files(tmp_path, [row()])
    (tmp_path / "circo" / INDEX).unlink()
    with pytest.raises(DataError, match=r"image_info_unlabeled2017\.json: there is no such file") as error:
        load(tiny("circo"), tmp_path)
    assert "images.cocodataset.org/annotations/image_info_unlabeled2017.zip" in str(error.value)
    assert "mbench fetch circo" in str(error.value)


def sized(candidates: int, *, partial: bool) -> Task:
    task = tiny("circo")
    assert task.spec.sizes is None
    sizes = declared("circo").spec.sizes
    assert sizes is not None
    changed = sizes.model_copy(update={"queries": 1, "candidates": candidates, "partial_pool": partial})
    return tiny("circo", sizes=changed)


def test_a_smaller_pool_loads_as_partial_and_any_other_size_is_refused(tmp_path: Path) -> None:
    root = files(tmp_path, [row()])
    assert is_partial(sized(61, partial=True).spec, load(sized(61, partial=True), root))
    assert not is_partial(sized(60, partial=True).spec, load(sized(60, partial=True), root))
    for candidates, partial in ((59, True), (61, False)):
        with pytest.raises(DataError, match=f"circo: 60 candidates loaded; expected {candidates}"):
            load(sized(candidates, partial=partial), root)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real annotations, with an index list of all images that the validation split names."""
    root = tmp_path_factory.mktemp("circo")
    (root / "circo").mkdir()
    (root / "circo/annotations").symlink_to(ANNOTATIONS / "circo/annotations")
    rows = read_json(ANNOTATIONS / "circo/annotations/val.json")
    named = {one for entry in rows for one in (entry["reference_img_id"], *entry["gt_img_ids"])}
    put(root / "circo" / INDEX, {"images": [{"id": one} for one in sorted(named)]})
    return root


@needs_annotations
def test_official_files_have_the_published_sizes(real: Path) -> None:
    val, test = load(declared("circo"), real), load(declared("circo-test"), real)
    assert (len(val.queries), len(val.corpus), len(test.queries)) == (220, 1121, 800)
    assert int(val.judgments.labels["relevant"].sizes().sum()) == 916
    assert len(val.judgments.tags["semantic_aspect"].values) == 9


@needs_annotations
def test_a_ranking_by_hash_scores_as_the_official_evaluator_says(real: Path) -> None:
    task = declared("circo")
    data = load(task, real)
    names = data.corpus.ids()
    found = measured(task, data, main=by_hash(data.queries.ids(), lambda _: names, 50))
    expected = dict(zip((5, 10, 25, 50), (0.0009772727, 0.0013799453, 0.0020254615, 0.0026289132), strict=True))
    assert {f"map@{k}": found[f"map@{k}"] for k in expected} == pytest.approx(
        {f"map@{k}": value for k, value in expected.items()}, abs=5e-11
    )
    targets = [found[f"recall_target@{k}"] for k in expected]
    assert np.allclose(targets, [0, 0, 0.0045454545, 0.0181818182], atol=5e-11)
