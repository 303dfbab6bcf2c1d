"""The Parquet schema of the emoji suite, which is also how users bring their own data: every slip is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.small import CANDIDATES, LIST, SIZE, TEXT, loaded, picture_bytes, query, task, write

from mbench.core.errors import DataError, SpecError
from mbench.data.loading import load

IMAGES = {"modality": ["text", "image", "image+text"]}


def test_labels_pools_tags_and_groups_are_those_of_the_file(tmp_path: Path) -> None:
    queries = [
        query("q1", relevant=["c10", "c1"], target=["c10"], subset=["c1", "c10"], group="s2", exclude=["c3"]),
        query("q2", tag_kind=["b", "a"], subset=["c1"], group="s1"),
        query("q3", tag_kind=[], subset=["c1", "c2"], group="s2"),
        query("q4", tag_kind=None, subset=["c1", "c2"], group=None, relevant=[], target=None),
    ]
    judged = loaded(tmp_path, queries, metrics=["recall@1", "recall@1 in subset", "group_hit@1"]).judgments
    assert [judged.labels["relevant"][row].tolist() for row in range(4)] == [[3, 0], [0], [0], []]
    assert [judged.labels["target"][row].tolist() for row in range(4)] == [[3], [0], [0], []]
    assert judged.pools.keys() == {"subset"}
    assert judged.pools["subset"][2].tolist() == [0, 1]
    assert judged.exclude is not None
    assert judged.exclude.sizes().tolist() == [1, 0, 0, 0]
    assert judged.groups is not None
    assert judged.groups.tolist() == [0, 1, 0, -1]
    kinds = judged.tags["kind"]
    assert [[kinds.values[place] for place in kinds.members[row]] for row in range(4)] == [["a"], ["b", "a"], [], []]


def test_columns_that_are_null_throughout_are_as_if_absent(tmp_path: Path) -> None:
    judged = loaded(tmp_path, [query("q1")]).judgments
    assert judged.pools == {}
    assert judged.groups is None
    assert judged.exclude is None


def test_scenes_and_pictures_are_items(tmp_path: Path) -> None:
    data = loaded(tmp_path, [query("q1", tiles=["red", "", "blue", "blue"]), query("q2")])
    scene, single = (item.image for item in data.queries.items(np.arange(2)))
    assert scene is not None
    assert scene.size == (2 * SIZE, 2 * SIZE)
    assert single is not None
    assert single.tobytes() == picture_bytes("red")


def test_candidates_of_every_modality_load_and_say_which_they_are(tmp_path: Path) -> None:
    candidates = [
        CANDIDATES[0],
        {"id": "p", "text": None, "tiles": ["blue"], "modality": "image"},
        {"id": "b", "text": "both", "tiles": ["red"], "modality": "image,text"},
    ]
    write(tmp_path, [query("q1")], candidates)
    corpus = load(task(tmp_path, candidates=IMAGES)).corpus
    assert corpus.column("modality") == ["text", "image", "image,text"]
    assert corpus.modalities() == {"text", "image", "image+text"}


@pytest.mark.parametrize(
    ("queries", "words"),
    [
        (
            [query("q1", relevant=["c1", "c9"])],
            "relevant of query 'q1' names 'c9', which is not in the candidates of small",
        ),
        ([query("q1"), query("q2", subset=["x", "y"])], "subset of query 'q2' names 'x'"),
        ([query("q1"), query("q2", subset=["x", "y"])], "(2 such entries in all)"),
        ([query("q1"), query("q2", relevant=["c2", "c1", "c2"])], "relevant of query 'q2' names 'c2' twice"),
        ([query("q1"), query("q1")], "the queries of small: ids that stand more than once: 'q1'"),
        ([query("q1", tiles=["gren"])], "1 of 1 pictures are not there: gren"),
        ([query("q1", tiles=["red", "blue"])], "'q1' has 2 tiles; a picture is made of 1 or 4"),
        ([query("q1", tiles=[])], "'q1' has 0 tiles"),
        ([query("q1", tiles=["", "", "", ""])], "a row has no picture in any of its tiles"),
        ([query("q1", tiles=None)], "neither text nor picture: 'q1'"),
    ],
)
def test_wrong_queries_are_refused_by_id(tmp_path: Path, queries: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(DataError) as error:
        loaded(tmp_path, queries)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (CANDIDATES[0], "the candidates of small: ids that stand more than once: 'c1'"),
        (
            {"id": "p", "text": "x", "tiles": None, "modality": "image"},
            "'p' is stated to be 'image', but its text is there",
        ),
        ({"id": "p", "text": "x", "tiles": None, "modality": "words"}, "'p' is stated to be 'words'"),
    ],
)
def test_wrong_candidates_are_refused_by_id(tmp_path: Path, candidate: dict[str, Any], words: str) -> None:
    write(tmp_path, [query("q1")], [*CANDIDATES, candidate])
    with pytest.raises(DataError) as error:
        load(task(tmp_path))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        ({"size": pa.array([2, 2, 2, 3], pa.int32())}, "one size of at least 1 pixel; found 2, 3"),
        ({"size": pa.array([0] * 4, pa.int32())}, "one size of at least 1 pixel; found 0"),
        ({"pixels": [b"12"] * 4}, "2 x 2 RGB pixels are 12 bytes; found [2]"),
        ({"pixels": [b"12" * 6, None, b"12" * 6, b"12" * 6]}, "2 x 2 RGB pixels are 12 bytes; found [12, 0]"),
        ({"size": pa.array([2, 2, 2, None], pa.int32())}, "one size of at least 1 pixel; found 2, None"),
        ({"id": ["red", None, "blue", "x"]}, "picture ids must be unique"),
        ({"id": ["red", "red", "blue", "x"]}, "picture ids must be unique"),
        ({"id": ["red", "a|b", "blue", "x"]}, "without '|'"),
        ({"pixels": pa.array([1, 2, 3, 4])}, "the column 'pixels' must be binary, but it is int64"),
    ],
)
def test_a_wrong_picture_table_is_named_by_file_and_column(
    tmp_path: Path, pictures: dict[str, Any], words: str
) -> None:
    write(tmp_path, [query("q1")], pictures=pictures)
    with pytest.raises(DataError) as error:
        load(task(tmp_path))
    assert str(tmp_path / "p.parquet") in str(error.value)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"id": pa.array(["q1"])}, "the column 'relevant' is missing; found id"),
        ({"id": pa.array(["q1"]), "relevant": pa.array(["c1"])}, "'relevant' must be list<"),
        (
            {"id": pa.array(["q1"]), "relevant": pa.array([["c1"]], LIST), "txt": pa.array(["x"])},
            "'txt'. Did you mean 'text'?",
        ),
        (
            {"id": pa.array(["q1"]), "relevant": pa.array([["c1"]], LIST), "tag_x": pa.array([1])},
            "'tag_x' must be list<",
        ),
    ],
)
def test_a_wrong_query_file_is_named_by_column(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    write(tmp_path, [query("q1")])
    pq.write_table(pa.table(columns), tmp_path / "q.parquet")
    with pytest.raises(DataError) as error:
        load(task(tmp_path))
    assert "q.parquet" in str(error.value)
    assert words in str(error.value)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    write(tmp_path, [query("q1")])
    (tmp_path / "c.parquet").write_bytes(b"PAR1 but not for long")
    with pytest.raises(DataError, match=r"c\.parquet: not a readable Parquet file"):
        load(task(tmp_path))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queries": "q.parquet"}, "candidates: Field required"),
        (
            {"queries": "q.parquet", "candidates": "c.parquet", "picture": "p"},
            "picture: unknown key; did you mean 'pictures'?",
        ),
        ({"queries": "q.parquet", "candidates": "c.parquet", "rewords": "all"}, "rewords"),
    ],
)
def test_wrong_options_are_named_by_task_and_key(tmp_path: Path, options: dict[str, str], words: str) -> None:
    write(tmp_path, [query("q1")])
    with pytest.raises(SpecError) as error:
        load(task(tmp_path, source={"loader": "emoji", "shipped": True, "options": options}))
    assert "small: source.options" in str(error.value)
    assert words in str(error.value)


def test_a_user_brings_texts_alone_with_only_the_columns_that_matter(tmp_path: Path) -> None:
    queries = {"id": pa.array(["q1"], pa.large_string()), "text": pa.array(["uno"]).dictionary_encode()}
    pq.write_table(pa.table(queries | {"relevant": pa.array([["c1"]], pa.large_list(TEXT))}), tmp_path / "q.parquet")
    candidates = pa.table(
        {"id": ["c1", "c2"], "text": ["one", "two"], "tiles": pa.nulls(2, LIST), "modality": ["text"] * 2}
    )
    pq.write_table(candidates, tmp_path / "c.parquet")
    options = {"queries": "q.parquet", "candidates": "c.parquet"}
    mine = task(tmp_path, source={"loader": "emoji", "shipped": True, "options": options}, query={"modality": "text"})
    data = load(mine)
    assert data.queries.items(np.arange(1))[0].text == "uno"
    assert data.judgments.labels["relevant"][0].tolist() == [0]
