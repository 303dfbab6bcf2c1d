"""GeneCIS: small galleries in which no place is better than another, and crops by the official rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.official import ANNOTATIONS, by_hash, measured, needs_annotations, official, put, tiny, with_options

from mbench.core.errors import DataError, ImageError
from mbench.core.files import read_json
from mbench.core.types import EvalData
from mbench.data.crops import CroppedImages, dilated, squared
from mbench.data.images import FolderImages
from mbench.data.loading import load
from mbench.retrieval.search import top_k


def coco(number: int) -> dict[str, int]:
    return {"val_image_id": number}


def crop(number: int | str, *box: float) -> dict[str, Any]:
    return {"image_id": number, "instance_bbox": list(box)}


def row(**changes: Any) -> dict[str, Any]:
    one = {"condition": "wall", "reference": coco(9), "target": coco(5), "gallery": [coco(7), coco(3)]}
    return {key: value for key, value in {**one, **changes}.items() if value is not None}


def loaded(root: Path, *rows: dict[str, Any], name: str = "change-object", **options: Any) -> EvalData:
    put(root / f"genecis/genecis/{name.replace('-', '_')}.json", list(rows) or [row()])
    return load(with_options(tiny(f"genecis-{name}"), distractors=2, **options), root)


def test_ids_words_and_galleries_are_the_official_ones(tmp_path: Path) -> None:
    data = loaded(tmp_path, row(), row(condition="door", gallery=[coco(3), coco(8)]))
    assert data.queries.ids() == ["change_object-0", "change_object-1"]
    assert data.queries.column("text") == ["wall", "door"]
    galleries = [sorted(data.corpus.ids(data.judgments.pools["gallery"][query])) for query in range(2)]
    assert galleries == [["3", "5", "7"], ["3", "5", "8"]]
    with pytest.raises(ImageError, match=r"genecis/val2017/000000000009\.jpg"):
        data.queries.check_images()


def test_a_constant_model_has_chance_and_not_the_target(tmp_path: Path) -> None:
    rows = [row(target=coco(target), gallery=[coco(one) for one in (3, 5, 7) if one != target]) for target in (3, 5, 7)]
    task, data = tiny("genecis-change-object"), loaded(tmp_path, *rows)
    same = np.ones((3, 2), dtype=np.float32)
    found = top_k(same, same, 3, galleries=data.judgments.pools["gallery"], tie_ranks=data.corpus.tie_ranks())
    scores = measured(task, data, main=[data.corpus.ids(one) for one in found.ids])
    assert scores["recall@1"] == pytest.approx(1 / 3)


def test_a_candidate_that_stands_twice_in_a_gallery_counts_once(tmp_path: Path) -> None:
    """As in change_object-19: with the target first of its copy, or last, it takes one place."""
    task, data = tiny("genecis-change-object"), loaded(tmp_path, row(gallery=[coco(7), coco(5)]))
    assert data.judgments.pools["gallery"].sizes().tolist() == [2]
    found = measured(task, data, main=[["7", "5"]])
    assert (found["recall@1"], found["recall@2"]) == (0, 1)


def test_rows_that_repeat_are_queries_of_their_own(tmp_path: Path) -> None:
    assert len(loaded(tmp_path, row(), row(), row()).queries) == 3


def test_queries_of_one_reference_make_an_interval_too_narrow(tmp_path: Path) -> None:
    """The official files ask five conditions of a reference, and repeat hundreds of rows."""
    groups = loaded(tmp_path, row(), row(reference=coco(3)), row(condition="door")).judgments.groups
    assert groups is not None and groups.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"gallery": [coco(7)]}, "entry 0: 1 pictures in the gallery; expected 2"),
        ({"target": None}, r"change_object\.json, entry 0: the key 'target' is missing"),
        ({"target": {"image_id": 3}}, "entry 0, target: the key 'val_image_id' is missing; found 'image_id'"),
        ({"condition": 5}, "entry 0: condition must be text; found '5'"),
        ({"gallery": [coco(7), 3]}, "entry 0, gallery: entry 1 must be an object"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        loaded(tmp_path, row(**change))


def attribute_row(**changes: Any) -> dict[str, Any]:
    gallery = [crop(12, 0, 0, 4, 4), crop("12", 0.0, 0.0, 4.0, 4.5)]
    one = {"condition": "red", "reference": crop(11, 1, 1, 2, 2), "target": crop(12, 3.25, 1, 2, 2), "gallery": gallery}
    return {**one, **changes}


def test_a_crop_is_a_candidate_of_its_own_by_picture_and_box(tmp_path: Path) -> None:
    data = loaded(tmp_path, attribute_row(), name="focus-attribute")
    assert data.corpus.ids() == ["12@3.25,1,2,2", "12@0,0,4,4", "12@0,0,4,4.5"]
    with pytest.raises(ImageError, match=r"3 of 3|1 of 3") as error:
        data.corpus.check_images()
    assert str(error.value).count("genecis/VG_100K_all/12.jpg") == 1


@pytest.mark.parametrize("box", [(1, 2, 3), (1, 2, 0, 4), (1, 2, 3, -1)])
def test_a_box_that_is_none_is_named(tmp_path: Path, box: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="entry 0, target: instance_bbox must be x, y, width and height"):
        loaded(tmp_path, attribute_row(target=crop(12, *box)), name="focus-attribute")


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((20, 20, 10, 10), (13, 13, 30, 30)),  # grows to the left and upwards alone
        ((2, 1, 10, 10), (0, 0, 17, 17)),  # what the left edge cuts comes back on the right
        ((35, 25, 10, 10), (28, 18, 40, 30)),  # the right edge and the lower one cut
    ],
)
def test_boxes_are_dilated_by_the_official_rule(box: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert dilated(box, 40, 30) == pytest.approx(expected)


def picture(root: Path, mode: str = "RGB") -> CroppedImages:
    """40 x 30, each pixel telling its place: red is x, green is y."""
    x, y = np.meshgrid(np.arange(40), np.arange(30))
    pixels = np.stack([x, y, np.full_like(x, 200)], axis=2).astype(np.uint8)
    root.mkdir(exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(root / "7.png")
    return CroppedImages(FolderImages(root, "{}.png"))


def test_a_crop_shows_the_dilated_box_in_the_middle_of_a_black_square(tmp_path: Path) -> None:
    opened = picture(tmp_path).open(CroppedImages.reference("7", (20, 20, 10, 5)))
    pixels = np.asarray(opened)
    assert opened.size == (17, 17)  # the box is 13..30 x 16.5..25: 17 wide, 9 high after rounding halves to even
    assert pixels[4, 0].tolist() == [13, 16, 200] and pixels[12, 16].tolist() == [29, 24, 200]
    assert not pixels[:4].any() and not pixels[13:].any()


@pytest.mark.parametrize(("mode", "kept"), [("L", "L"), ("RGB", "RGB"), ("P", "RGB")])
def test_bars_are_black_in_every_mode(mode: str, kept: str) -> None:
    square = squared(Image.new("RGB", (2, 5), "white").convert(mode))
    assert (square.mode, square.size) == (kept, (5, 5))
    assert np.asarray(square.convert("L"))[:, [0, 3, 4]].max() == 0
    assert np.asarray(square.convert("L"))[:, 1:3].min() == 255


def test_crops_of_one_picture_differ_in_content_and_work(tmp_path: Path) -> None:
    crops = picture(tmp_path)
    one, other = CroppedImages.reference("7", (1, 1, 5, 5)), CroppedImages.reference("7", (1, 1, 5, 10.0))
    assert other.endswith("5,10") and crops.digest(one) != crops.digest(other)
    assert crops.digest(one) == crops.digest(CroppedImages.reference("7", (1.0, 1, 5, 5)))
    assert crops.pixels(one) < crops.pixels(other)
    assert crops.missing([one, other, "8@1,1,1,1", "8@2,2,2,2"]) == [str(tmp_path / "8.png")]


@pytest.mark.parametrize(
    ("reference", "words"),
    [("7@60,5,4,4", "has no pixel"), ("7@1,1,1", "is no crop"), ("7", "is no crop"), ("8@1,1,1,1", r"8\.png")],
)
def test_crops_that_cannot_be_cut_are_named(tmp_path: Path, reference: str, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        picture(tmp_path).open(reference)


HASHED = {"change-object": (6.785714, 14.336735, 20.714286), "focus-object": (7.295918, 13.928571, 20.051020)}


@needs_annotations
@pytest.mark.parametrize("name", HASHED)
def test_a_ranking_by_hash_scores_as_counted_by_hand(name: str) -> None:
    """The fixture hashes places; of two places of one candidate the first counts."""
    task, data = official(f"genecis-{name}")
    assert len(data.queries) == 1960
    key = name.replace("-", "_")
    rows = read_json(ANNOTATIONS / f"genecis/genecis/{key}.json")
    galleries = [[one["val_image_id"] for one in (entry["target"], *entry["gallery"])] for entry in rows]
    placed = [[f"{place}:{one}" for place, one in enumerate(gallery)] for gallery in galleries]
    hashed = by_hash([f"{key}:{query}" for query in range(len(rows))], lambda query: placed[query], 15)
    lists = [
        [name for place, _, name in (one.partition(":") for one in names) if place == "0" or name != str(gallery[0])]
        for names, gallery in zip(hashed, galleries, strict=True)
    ]
    found = measured(task, data, main=lists)
    assert [100 * found[f"recall@{k}"] for k in (1, 2, 3)] == pytest.approx(HASHED[name], abs=5e-7)


@needs_annotations
def test_the_one_gallery_with_its_target_twice_is_the_known_one() -> None:
    _, data = official("genecis-change-object")
    sizes = data.judgments.pools["gallery"].sizes()
    assert np.flatnonzero(sizes != 15).tolist() == [19]
    assert sizes[19] == 14
