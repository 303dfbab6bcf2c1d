"""FashionIQ: which key is the query, which pool, which words; and what the official files give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.data.official import by_hash, measured, needs_annotations, official, put, slow, tiny, with_options

from mbench.core.errors import DataError, ImageError, SpecError
from mbench.core.types import EvalData
from mbench.data.loaders.fashioniq import CAPTION_RULES
from mbench.data.loading import load

ROWS = [
    {"candidate": "A1", "target": "A2", "captions": ["Is red.", "has long sleeves, "]},
    {"candidate": "A2", "target": "A4", "captions": ["", "is blue?"]},
    {"candidate": "A2", "target": "A1", "captions": ["is longer", "is longer"]},
]
SPLIT = ["A1", "A2", "A3", "A4"]


def files(root: Path, rows: object = ROWS, split: object = SPLIT) -> Path:
    put(root / "fashioniq/captions/cap.dress.val.json", rows)
    put(root / "fashioniq/image_splits/split.dress.val.json", split)
    return root


def loaded(root: Path, name: str = "fashioniq-dress", **options: Any) -> EvalData:
    return load(with_options(tiny(name), **options), files(root))


def texts(data: EvalData) -> list[list[str | None]]:
    tables = [one.items for one in data.renderings] or [data.queries]
    return [[item.text for item in table.items(np.arange(len(table)), images=False)] for table in tables]


def test_the_key_candidate_is_the_reference_and_target_the_answer(tmp_path: Path) -> None:
    data = loaded(tmp_path)
    assert data.queries.ids() == ["dress-0", "dress-1", "dress-2"]
    assert data.queries.column("image") == ["A1", "A2", "A2"]
    assert [data.corpus.ids(data.judgments.labels["relevant"][row]) for row in range(3)] == [["A2"], ["A4"], ["A1"]]


def test_both_orders_are_renderings_stripped_and_an_empty_caption_keeps_its_and(tmp_path: Path) -> None:
    assert texts(loaded(tmp_path)) == [
        ["Is red and has long sleeves", " and is blue", "is longer and is longer"],
        ["has long sleeves and Is red", "is blue and ", "is longer and is longer"],
    ]


def test_joined_captions_are_one_text_as_they_are(tmp_path: Path) -> None:
    assert texts(loaded(tmp_path, "fashioniq-dress-joined")) == [
        ["Is red. and has long sleeves, ", " and is blue?", "is longer and is longer"]
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("joined-reversed", "has long sleeves,  and Is red."), ("mbeir", "Is red and has long sleeves,.")],
)
def test_other_caption_rules_of_the_literature(tmp_path: Path, rule: str, expected: str) -> None:
    assert texts(loaded(tmp_path, captions=rule))[0][0] == expected


def test_the_rule_of_mbeir_leaves_an_empty_caption_out_and_keeps_a_question_mark() -> None:
    assert CAPTION_RULES["mbeir"]("", " is it Blue?") == ("Is it Blue?",)


def test_every_rendering_has_the_instruction(tmp_path: Path) -> None:
    data = loaded(tmp_path)
    said = {item.instruction for one in data.renderings for item in one.items.items(np.arange(3), images=False)}
    assert len(said) == 1 and None not in said


def test_the_gallery_of_the_captions_lacks_what_no_caption_names(tmp_path: Path) -> None:
    assert loaded(tmp_path).corpus.ids() == SPLIT
    assert loaded(tmp_path, "fashioniq-dress-union").corpus.ids() == ["A1", "A2", "A4"]


def test_the_reference_keeps_its_place_in_the_ranking(tmp_path: Path) -> None:
    fillers = [f"F{number}" for number in range(9)]
    rows = [{"candidate": "A1", "target": "A2", "captions": ["a", "b"]}]
    task = tiny("fashioniq-dress")
    data = load(task, files(tmp_path, rows, ["A1", "A2", *fillers]))
    assert data.judgments.exclude is None
    found = measured(task, data, main=[["A1", *fillers, "A2"]])
    assert (found["recall@10"], found["recall@50"], found["avg"]) == (0, 1, 0.5)


@pytest.mark.parametrize(
    ("rows", "split", "words"),
    [
        ([{**ROWS[0], "captions": ["one"]}], SPLIT, "entry 0: every query has two captions; found 1"),
        ([{**ROWS[0], "captions": ["one", 2]}], SPLIT, r"entry 0: captions\[1\] must be text; found '2'"),
        (
            [{"candidate": "A1", "captions": ["a", "b"]}],
            SPLIT,
            r"cap\.dress\.val\.json, entry 0: the key 'target' is m",
        ),
        ([{**ROWS[0], "target": "B"}], SPLIT, "target of query 'dress-0' names 'B', which is not in the candidates"),
        (ROWS, ["A1", "A2", "A2", "A4"], "ids that stand more than once: 'A2'"),
        (ROWS, {"A1": "x"}, r"split\.dress\.val\.json: list must be a list"),
        ([], SPLIT, "expected a list of objects"),
        (["x"], SPLIT, "entry 0 must be an object; found 'x'"),
    ],
)
def test_wrong_files_are_named_with_row_and_key(tmp_path: Path, rows: object, split: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(tiny("fashioniq-dress"), files(tmp_path, rows, split))


def test_a_missing_file_says_which_and_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"cap\.dress\.val\.json: there is no such file.*raw\.githubusercontent"
    ) as error:
        load(tiny("fashioniq-dress", source=official_source()), tmp_path)
    assert "mbench fetch fashioniq-dress" in str(error.value)
    assert "--data-root" in str(error.value)


def official_source() -> Any:
    from mbench.data.catalog import Catalog

    return Catalog.read().task("fashioniq-dress").spec.source


def test_unknown_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"fashioniq-dress: source\.options"):
        loaded(tmp_path, captions="both")


def test_a_missing_picture_is_named_but_only_when_pictures_are_asked_for(tmp_path: Path) -> None:
    data = loaded(tmp_path)
    with pytest.raises(ImageError, match=r"4 of 4 pictures are not there: .*fashioniq/images/A1\.jpg"):
        data.corpus.check_images()


SIZES = {"dress": (2017, 3817, 2628), "shirt": (2038, 6346, 3089), "toptee": (1961, 5373, 2902)}


@needs_annotations
@pytest.mark.parametrize("category", SIZES)
def test_official_files_have_the_published_sizes(category: str) -> None:
    queries, original, union = SIZES[category]
    _, data = official(f"fashioniq-{category}")
    assert (len(data.queries), len(data.corpus), len(data.renderings)) == (queries, original, 2)
    assert len(official(f"fashioniq-{category}-union")[1].corpus) == union


HASHED = {
    "": {"dress": (0.148736, 1.189886), "shirt": (0.294406, 0.932287), "toptee": (0.203978, 1.274860)},
    "-union": {"dress": (0.297471, 1.784829), "shirt": (0.441609, 1.766438), "toptee": (0.203978, 2.141764)},
}
LONG = [pytest.param(name, marks=slow) for name in ("shirt", "toptee")]


@needs_annotations
@pytest.mark.parametrize("gallery", HASHED)
@pytest.mark.parametrize("category", ["dress", *LONG])
def test_a_ranking_by_hash_scores_as_counted_by_hand(category: str, gallery: str) -> None:
    task, data = official(f"fashioniq-{category}{gallery}")
    names = data.corpus.ids()
    keys = [f"{category}:{row}" for row in range(len(data.queries))]
    found = measured(task, data, main=by_hash(keys, lambda _: names, 50))
    at10, at50 = HASHED[gallery][category]
    assert found["recall@10"] * 100 == pytest.approx(at10, abs=5e-7)
    assert found["recall@50"] * 100 == pytest.approx(at50, abs=5e-7)
