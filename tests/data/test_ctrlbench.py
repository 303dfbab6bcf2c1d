"""The reconstructions of CtrlBench: pairs of a picture, one pool of phrases, and a sample that a rule determines."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.data.official import measured, put, tiny, with_options

from mbench.core.errors import DataError, ImageError, SpecError
from mbench.core.types import EvalData
from mbench.data.content import content_id
from mbench.data.loaders.ctrlbench_scenes import normalised
from mbench.data.loading import load

BOX = {"id": 1, "height": 2, "width": 3, "x": 4, "y": 5}
FOLDER = "ctrlbench/ABC-VG-Instruct"


def scene(image: int | str, *pairs: tuple[str, str]) -> dict[str, Any]:
    """A row in the schema of ABC-VG-Instruct."""
    return {
        str(place): {**BOX, "image": image, "instruction": instruction, "phrase": phrase}
        for place, (instruction, phrase) in enumerate(pairs)
    }


DOG = scene(7, ("the animal", "a dog"), ("above", "blue sky"), ("below", "grass"))
CAR = scene(9, ("the vehicle", "a red car"), ("above", "blue sky"), ("the driver", "a man"))
ROOM = scene(12, ("to sit on", "a chair"), ("the pet", "a cat"), ("on the wall", "a clock"))


def written(root: Path, *rows: dict[str, Any], shard: str = "train-00000-of-00001.parquet") -> None:
    path = root / FOLDER / "data" / shard
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def loaded(root: Path, *rows: dict[str, Any], **options: Any) -> EvalData:
    written(root, *rows)
    return load(with_options(tiny("ctrlbench"), **{"sample": None, **options}), root)


def phrases(data: EvalData) -> list[str]:
    """The phrase that answers each query."""
    labels = data.judgments.labels["relevant"]
    return [str(item.text) for query in range(len(labels)) for item in data.corpus.items(labels[query])]


def asked(data: EvalData) -> set[str]:
    """The pictures of the queries."""
    return {str(image) for image in data.queries.column("image")}


def test_pairs_pools_and_groups(tmp_path: Path) -> None:
    data = loaded(tmp_path, DOG, CAR)
    assert data.queries.ids() == ["7-0", "7-1", "7-2", "9-0", "9-1", "9-2"]
    assert data.queries.column("instruction")[:2] == ["the animal", "above"]
    assert phrases(data) == ["a dog", "blue sky", "grass", "a red car", "blue sky", "a man"]
    assert len(data.corpus) == 5, "the sky of both pictures is one candidate"
    assert data.corpus.ids()[0] == content_id("a dog")
    assert data.judgments.pools["subset"].sizes().tolist() == [3] * 6
    assert data.judgments.groups is not None
    assert data.judgments.groups.tolist() == [0, 0, 0, 1, 1, 1]


def test_metrics_of_a_ranking_worked_by_hand(tmp_path: Path) -> None:
    """The dog's picture finds all three phrases first, the car's two of three: one whole group of two."""
    data = loaded(tmp_path, DOG, CAR)
    every = [content_id(one) for one in ("a dog", "blue sky", "grass", "a red car", "a man")]
    first = [content_id(one) for one in ("a dog", "blue sky", "grass", "a dog", "blue sky", "a man")]
    main = [[one, *(other for other in every if other != one)] for one in first]
    pool = data.judgments.pools["subset"]
    subset = [[one for one in ranks if one in data.corpus.ids(pool[query])] for query, ranks in enumerate(main)]
    scores = measured(tiny("ctrlbench"), data, main=main, subset=subset)
    assert scores["recall@1"] == pytest.approx(5 / 6)
    assert scores["recall@5"] == 1
    assert scores["group_hit@1"] == pytest.approx(1 / 2)
    assert scores["recall_subset@1"] == pytest.approx(5 / 6), "among the car's own phrases the sky comes first"


def test_the_same_rows_as_json_lines_or_one_pair_a_line_load_alike(tmp_path: Path) -> None:
    """What an original in this schema would need: files and the name of one."""
    expected = loaded(tmp_path, DOG, CAR)
    rows = {"rows.jsonl": [DOG, {**CAR, "3": None}], "pairs.jsonl": [*DOG.values(), *CAR.values()]}
    for name, lines in rows.items():
        (tmp_path / FOLDER / name).write_text("\n".join(map(json.dumps, lines)) + "\n\n")
        data = loaded(tmp_path, DOG, pairs=name)
        assert data.queries.ids() == expected.queries.ids()
        assert phrases(data) == phrases(expected)


def test_pairs_of_a_picture_are_put_together_over_shards_and_repeats_dropped(tmp_path: Path) -> None:
    """A pair with an instruction or phrase that an earlier one has would make the picture's answers ambiguous."""
    more = scene(7, ("the animal", "a big dog"), ("the lawn", "grass"), ("far away", "a house "), ("", "x"))
    written(tmp_path, more, shard="train-00001-of-00002.parquet")
    data = loaded(tmp_path, DOG)
    assert phrases(data) == ["a dog", "blue sky", "grass", "a house"]


def test_pictures_with_too_few_pairs_are_left_out(tmp_path: Path) -> None:
    assert asked(loaded(tmp_path, DOG, scene(8, ("one", "a"), ("two", "b"), ("three", "b")))) == {"7"}


def test_the_sample_is_determined_by_the_hash_of_the_picture_and_not_by_the_order_of_the_file(tmp_path: Path) -> None:
    pictures = {str(n): scene(n, ("one", f"a{n}"), ("two", f"b{n}"), ("three", f"c{n}")) for n in range(40)}
    ordered = sorted(pictures, key=lambda one: hashlib.sha256(f"ctrlbench-1:{one}".encode()).hexdigest())
    data = loaded(tmp_path, *pictures.values(), sample=5)
    assert asked(data) == set(ordered[:5])
    turned = loaded(tmp_path, *reversed(pictures.values()), sample=5)
    assert turned.queries.ids() == data.queries.ids()
    assert asked(loaded(tmp_path, *pictures.values(), sample=5, salt="other")) != asked(data)


def test_a_file_of_pictures_is_taken_instead_of_the_sample(tmp_path: Path) -> None:
    listed = tmp_path / FOLDER / "images.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("12\n7\n\n")
    assert asked(loaded(tmp_path, DOG, CAR, ROOM, images="images.txt", sample=1)) == {"7", "12"}
    listed.write_text("12\n77\n")
    with pytest.raises(DataError, match=r"1 pictures with at least 3 .*; 2 are needed: 77 not among them"):
        loaded(tmp_path, DOG, CAR, ROOM, images="images.txt")
    listed.write_text("\n")
    with pytest.raises(DataError, match=r"images\.txt: names no picture"):
        loaded(tmp_path, DOG, images="images.txt")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {**DOG, "3": {**BOX, "image": 8, "instruction": "i", "phrase": "p"}},
            "row 1: its pairs name several pictures: 7, 8",
        ),
        ({"0": {**BOX, "image": 7, "instruction": "i"}}, "row 1, 0: the key 'phrase' is missing; found 'id'"),
        ({"0": {"image": 7, "instruction": 3, "phrase": "p"}}, "row 1, 0: instruction must be text; found '3'."),
        ({"0": "a dog"}, "row 1: 0 must be an object; found 'a dog'."),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: dict[str, Any], words: str) -> None:
    path = tmp_path / FOLDER / "rows.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(f"{json.dumps(DOG)}\n{json.dumps(row)}\n")
    with pytest.raises(DataError, match=re.escape(words)):
        loaded(tmp_path, DOG, pairs="rows.jsonl")


def test_missing_and_wrong_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data/train-\*\.parquet: there is no such file\. Get the data with"):
        load(tiny("ctrlbench"), tmp_path)
    with pytest.raises(DataError, match=r"ctrlbench: 1 pictures .*; 1000 are needed\."):
        loaded(tmp_path, DOG, sample=1000)
    (tmp_path / FOLDER / "data/train-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="not a readable Parquet file"):
        load(tiny("ctrlbench"), tmp_path)
    (tmp_path / FOLDER / "rows.jsonl").write_text("{}\n[1]\n")
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2: expected an object"):
        loaded(tmp_path, DOG, pairs="rows.jsonl")
    with pytest.raises(SpecError, match="least"):
        loaded(tmp_path, DOG, least=1)


def test_pictures_may_lie_in_either_folder_of_visual_genome(tmp_path: Path) -> None:
    data = questions(tmp_path, entry(3, "red", "two", "left"), entry(4, "dog", "car", "sun"))
    for folder, name in (("VG_100K", "3.jpg"), ("VG_100K_2", "4.jpg")):
        path = tmp_path / "ctrlbench/visual_genome" / folder / name
        with pytest.raises(ImageError, match=rf"pictures are not there: .*visual_genome/VG_100K/{name}"):
            data.queries.check_images()
        path.parent.mkdir()
        Image.new("RGB", (4, 4)).save(path)
    data.queries.check_images()
    assert all(item.image is not None for item in data.queries.items(np.arange(len(data.queries))))


def entry(image: int, *answers: str, key: str = "id") -> dict[str, Any]:
    """An entry of Visual Genome's question_answers.json."""
    asked = [{"qa_id": n, "question": f"Question {n}?", "answer": one} for n, one in enumerate(answers)]
    return {key: image, "qas": asked}


def questions(root: Path, *entries: dict[str, Any], **options: Any) -> EvalData:
    put(root / "ctrlbench/visual_genome/question_answers.json", list(entries))
    written(root, DOG)
    return load(with_options(tiny("ctrlbench-vgqa"), **{"sample": None, **options}), root)


def test_questions_with_different_answers_that_are_not_yes_or_no(tmp_path: Path) -> None:
    data = questions(
        tmp_path,
        entry(3, "Red.", "Yes", "No, it is not.", "The  dog", "red", "A dog", "Two"),
        entry(4, "Yes.", "Blue.", "Here.", "yes, both", key="image_id"),
        entry(7, "Red.", "Green.", "Blue."),
        entry(5, "a", "b", "a dog", "d", "e", "f"),
    )
    assert asked(data) == {"3", "5"}, "7 is a picture of ABC-VG-Instruct, 4 has two answers left"
    assert phrases(data)[:3] == ["red", "dog", "two"]
    assert data.judgments.pools["subset"].sizes().tolist() == [3] * 3 + [4] * 4
    assert len(set(phrases(data))) == len(data.corpus)
    ordered = sorted(range(6), key=lambda n: hashlib.sha256(f"5:Question {n}?".encode()).hexdigest())
    assert data.queries.column("instruction")[3:] == [f"Question {n}?" for n in sorted(ordered[:4])]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("  The Red  Car. ", "red car"), ("A", "a"), ("an", "an"), ('"Stop"', "stop"), ("...", ""), ("Ant", "ant")],
)
def test_answers_are_put_in_one_form(answer: str, expected: str) -> None:
    assert normalised(answer) == expected


def test_a_wrong_entry_of_the_questions_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"question_answers\.json, entry 1: the key 'image_id' is missing"):
        questions(tmp_path, entry(3, "a", "b", "c"), {"qas": []})
    with pytest.raises(DataError, match=r"entry 0, qas, entry 0: the key 'answer' is missing"):
        questions(tmp_path, {"id": 1, "qas": [{"question": "?"}]})
