"""CIRR: the reference is out before the cut, the subset has five, the test split has no labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.data.official import by_hash, measured, needs_annotations, official, put, ranked, tiny

from mbench.core.errors import DataError, ImageError
from mbench.core.types import EvalData
from mbench.data.loading import load
from mbench.retrieval.search import top_k

NAMES = [f"dev-{number}" for number in range(8)]
SET = {"id": 3, "members": NAMES[:6], "reference_rank": 0, "target_rank": 1}


def row(**changes: Any) -> dict[str, Any]:
    one = {"pairid": 12060, "reference": "dev-0", "target_hard": "dev-1", "caption": "show  three dogs", "img_set": SET}
    return {key: value for key, value in {**one, **changes}.items() if value is not None}


def files(root: Path, rows: list[dict[str, Any]], split: str = "val") -> Path:
    put(root / f"cirr/captions/cap.rc2.{split}.json", rows)
    put(root / f"cirr/image_splits/split.rc2.{split}.json", {name: f"./dev/{name}.png" for name in NAMES})
    return root


def loaded(root: Path, *rows: dict[str, Any]) -> EvalData:
    return load(tiny("cirr"), files(root, list(rows) or [row()]))


def test_ids_words_and_pools_are_the_official_ones(tmp_path: Path) -> None:
    data = loaded(tmp_path, row(), row(pairid=12070, reference="dev-2", target_hard="dev-3"))
    assert data.queries.ids() == ["12060", "12070"]
    assert data.corpus.ids() == NAMES
    assert data.queries.items(np.array([0]), images=False)[0].text == "show  three dogs"
    assert [data.corpus.ids(data.judgments.pools["subset"][query]) for query in range(2)] == [NAMES[:6]] * 2
    assert data.judgments.exclude is not None
    assert [data.corpus.ids(data.judgments.exclude[query]) for query in range(2)] == [["dev-0"], ["dev-2"]]


def test_the_reference_takes_no_place_in_either_ranking(tmp_path: Path) -> None:
    """A model that only sees the picture ranks the reference first: without the exclusion recall@1 would be 0."""
    task, data = tiny("cirr"), loaded(tmp_path)
    corpus = np.eye(8, dtype=np.float32) + 0.1 * np.arange(8, dtype=np.float32)[::-1, None]
    pools = {"main": None, "subset": data.judgments.pools["subset"]}
    rankings = {
        name: top_k(corpus[:1], corpus, 50, exclude=data.judgments.exclude, galleries=pool)
        for name, pool in pools.items()
    }
    assert [rankings[name].ids.shape[1] for name in pools] == [7, 5]
    found = measured(task, data, **{name: [data.corpus.ids(one.ids[0])] for name, one in rankings.items()})
    assert (found["recall@1"], found["recall_subset@1"], found["avg"]) == (1, 1, 1)


def test_the_average_is_that_of_recall_at_5_and_the_subset_at_1(tmp_path: Path) -> None:
    task, data = tiny("cirr"), loaded(tmp_path)
    found = measured(task, data, main=[["dev-7", "dev-6", "dev-5", "dev-4", "dev-1"]], subset=[["dev-5", "dev-1"]])
    assert (found["recall@1"], found["recall@5"], found["recall_subset@1"], found["recall_subset@2"]) == (0, 1, 0, 1)
    assert found["avg"] == 0.5


def test_the_test_split_has_rankings_to_make_and_nothing_to_score(tmp_path: Path) -> None:
    data = load(tiny("cirr-test"), files(tmp_path, [row(target_hard=None)], "test1"))
    assert data.judgments.labels == {}
    assert data.judgments.pools.keys() == {"subset"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target_hard": None}, r"cap\.rc2\.val\.json, entry 0: the key 'target_hard' is missing"),
        ({"pairid": "12060"}, "entry 0: pairid must be a whole number; found '12060'"),
        ({"reference": "dev-9"}, "entry 0: reference 'dev-9' is not in the image list"),
        ({"target_hard": "dev-9"}, "target_hard of query '12060' names 'dev-9'"),
        ({"target_hard": "dev-0"}, "1 queries with relevant candidates that are excluded: '12060'"),
        ({"target_hard": "dev-7"}, "no relevant candidate in the pool 'subset'"),
        ({"reference": "dev-6"}, "members must be 6 names with the reference among them"),
        ({"img_set": {**SET, "members": NAMES[:5]}}, "members must be 6 names"),
        ({"img_set": [1]}, "img_set must be an object"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        loaded(tmp_path, row(**change))


def test_a_pair_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ids that stand more than once: '12060'"):
        loaded(tmp_path, row(), row())


@pytest.mark.parametrize("folder", ["img_raw/dev", "dev"])
def test_pictures_lie_in_img_raw_or_beside_the_captions(tmp_path: Path, folder: str) -> None:
    place = files(tmp_path, [row()]) / "cirr" / folder
    place.mkdir(parents=True)
    for name in NAMES[1:]:
        Image.new("RGB", (2, 2)).save(place / f"{name}.png")
    data = load(tiny("cirr"), tmp_path)
    assert data.corpus.items(np.array([1]))[0].image is not None
    with pytest.raises(ImageError, match=rf"1 of 8 pictures are not there: .*cirr/{folder}/dev-0\.png"):
        data.corpus.check_images()


@needs_annotations
def test_official_files_have_the_published_sizes() -> None:
    for name, queries, candidates in (("cirr", 4181, 2297), ("cirr-test", 4148, 2315)):
        _, data = official(name)
        assert (len(data.queries), len(data.corpus)) == (queries, candidates)
        assert set(data.judgments.pools["subset"].sizes()) == {6}


@needs_annotations
def test_a_ranking_by_hash_scores_as_counted_by_hand() -> None:
    task, data = official("cirr")
    names, queries = data.corpus.ids(), data.queries.ids()
    assert data.judgments.exclude is not None
    references = [data.corpus.ids(data.judgments.exclude[query])[0] for query in range(len(queries))]
    members = [data.corpus.ids(data.judgments.pools["subset"][query]) for query in range(len(queries))]

    def without_reference(query: int) -> list[str]:
        return [name for name in names if name != references[query]]

    def subset(query: int) -> list[str]:
        return [name for name in members[query] if name != references[query]]

    main = by_hash(queries, without_reference, 50)
    found = measured(task, data, main=main, subset=by_hash(queries, subset, 5))
    assert ranked(data, main).ids.shape == (4181, 50)
    expected = {"recall@1": 0.047835, "recall@5": 0.310930, "recall@10": 0.502272, "recall@50": 2.176513}
    expected |= {"recall_subset@1": 21.167185, "recall_subset@2": 41.186319, "recall_subset@3": 60.655346}
    assert {key: 100 * value for key, value in found.items()} == pytest.approx({**expected, "avg": 10.739058}, abs=5e-7)
