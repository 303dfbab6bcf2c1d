"""MSCOCO and Flickr30K: every caption is an item of its own, in both directions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.official import declared, measured, put, tiny, with_options

from mbench.core.errors import DataError, ImageError, SpecError
from mbench.core.types import EvalData
from mbench.data.loading import load

NAME = "COCO_val2014_{:012}.jpg"
PICTURES = [{"id": 391895, "file_name": NAME.format(391895)}, {"id": 60623, "file_name": NAME.format(60623)}]
CAPTIONS = [
    {"id": 770337, "image_id": 391895, "caption": "A man on a moped."},
    {"id": 771687, "image_id": 391895, "caption": "Man riding a motor bike.\n"},
    {"id": 161919, "image_id": 60623, "caption": "A man on a moped."},
]
LINES = "image,caption\n1.jpg,A dog, running.\n2.jpg,Two men.\n1.jpg,A brown dog\n\n2.jpg, Men \n"


def coco(root: Path, name: str = "coco-i2t", **changes: Any) -> EvalData:
    put(root / "coco/annotations/coco_test_karpathy.json", {"images": PICTURES, "annotations": CAPTIONS, **changes})
    return load(tiny(name), root)


def flickr(root: Path, name: str = "flickr30k-i2t", lines: str = LINES) -> EvalData:
    path = root / "flickr30k/flickr30k_test_karpathy.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines, encoding="utf-8")
    return load(tiny(name), root)


def right(data: EvalData) -> list[list[str]]:
    """The ids of the right answers of each query."""
    labels = data.judgments.labels["relevant"]
    return [data.corpus.ids(labels[query]) for query in range(len(labels))]


def test_ids_are_those_of_coco_and_equal_captions_stay_two(tmp_path: Path) -> None:
    data = coco(tmp_path)
    assert data.queries.ids() == ["391895", "60623"]
    assert data.queries.column("image") == [NAME.format(391895), NAME.format(60623)]
    assert data.corpus.ids() == ["770337", "771687", "161919"]
    assert data.corpus.column("text") == ["A man on a moped.", "Man riding a motor bike.\n", "A man on a moped."]
    assert right(data) == [["770337", "771687"], ["161919"]]


def test_the_other_direction_asks_by_captions(tmp_path: Path) -> None:
    data = coco(tmp_path, "coco-t2i")
    assert data.queries.ids() == ["770337", "771687", "161919"]
    assert data.corpus.ids() == ["391895", "60623"]
    assert right(data) == [["391895"], ["391895"], ["60623"]]


def test_captions_of_one_picture_count_as_independent_queries(tmp_path: Path) -> None:
    asked_by_captions = coco(tmp_path, "coco-t2i").judgments.groups
    assert asked_by_captions is not None and asked_by_captions.tolist() == [0, 0, 1]
    assert coco(tmp_path).judgments.groups is None


def test_a_picture_counts_as_found_by_any_of_its_captions(tmp_path: Path) -> None:
    """The papers' Recall@k. By hand: 391895 has its second caption in place 1, 60623 its only one in place 2."""
    data = coco(tmp_path)
    lists = [["771687", "161919", "770337"], ["770337", "161919", "771687"]]
    assert measured(tiny("coco-i2t"), data, main=lists) == {"hit@1": 0.5, "hit@5": 1.0, "hit@10": 1.0}


def test_captions_with_commas_and_their_numbers_are_those_of_flickr(tmp_path: Path) -> None:
    data = flickr(tmp_path)
    assert data.queries.ids() == ["1.jpg", "2.jpg"]
    assert data.corpus.ids() == ["1.jpg#0", "1.jpg#1", "2.jpg#0", "2.jpg#1"]
    assert data.corpus.column("text") == ["A dog, running.", "A brown dog", "Two men.", " Men"]
    assert right(data) == [["1.jpg#0", "1.jpg#1"], ["2.jpg#0", "2.jpg#1"]]
    assert right(flickr(tmp_path, "flickr30k-t2i")) == [["1.jpg"], ["1.jpg"], ["2.jpg"], ["2.jpg"]]


@pytest.mark.parametrize("folder", ["flickr30k-images", "flickr30k_images", "images", "."])
def test_pictures_are_found_where_the_archives_put_them(tmp_path: Path, folder: str) -> None:
    data = flickr(tmp_path)
    with pytest.raises(ImageError, match=r"2 of 2 pictures are not there: .*flickr30k/flickr30k-images/1\.jpg"):
        data.queries.check_images()
    for name, width in (("1.jpg", 3), ("2.jpg", 5)):
        (tmp_path / "flickr30k" / folder).mkdir(exist_ok=True)
        Image.new("RGB", (width, 4)).save(tmp_path / "flickr30k" / folder / name)
    data.queries.check_images()
    pictures = [item.image for item in data.queries.items(np.arange(2))]
    assert [picture.width for picture in pictures if picture] == [3, 5]
    assert len({bytes(key) for key in data.queries.content_keys(np.arange(2), frozenset({"image"}))}) == 2
    assert data.queries.costs(np.arange(2)).tolist() == sorted(data.queries.costs(np.arange(2)))


def test_a_picture_of_coco_is_named_as_in_2014(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"coco/val2014/COCO_val2014_000000391895\.jpg"):
        coco(tmp_path).queries.check_images()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": PICTURES[:1]}, "captions of unknown pictures: 161919."),
        ({"annotations": CAPTIONS[:2]}, "pictures without a caption: 60623."),
        ({"images": [*PICTURES, PICTURES[0]]}, "1 picture ids stand more than once."),
        ({"annotations": [*CAPTIONS, CAPTIONS[0]]}, "ids that stand more than once: '770337'."),
        ({"annotations": [{"id": 1, "image_id": 60623}]}, "annotations, entry 0: the key 'caption' is missing"),
        ({"images": [{"id": "1", "file_name": "1.jpg"}]}, "images, entry 0: id must be a whole number; found '1'."),
        ({"images": {}}, "images must be a list"),
    ],
)
def test_a_wrong_caption_file_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        coco(tmp_path, **changes)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("1.jpg,A dog\n", "line 1: expected a header; the captions begin in line 2."),
        ("image,caption\n1.jpg,A dog\n2.png,Two men\n", "line 3: expected `name.jpg,caption`; found '2.png,Two men'."),
        ("image,caption\n", "0 queries loaded; expected at least one."),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, lines: str, words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        flickr(tmp_path, lines=lines)


def test_the_official_numbers_of_pictures_and_captions_are_demanded(tmp_path: Path) -> None:
    coco(tmp_path)
    with pytest.raises(DataError, match="coco-i2t: 2 queries loaded; expected 5000"):
        load(declared("coco-i2t"), tmp_path)
    with pytest.raises(DataError, match=r"there is no such file\. It comes from https://github\.com/mehdidc/"):
        load(declared("flickr30k-t2i"), tmp_path)


def test_wrong_options_are_named(tmp_path: Path) -> None:
    coco(tmp_path)
    with pytest.raises(SpecError, match="direction"):
        load(with_options(tiny("coco-i2t"), direction="both"), tmp_path)
