"""MMEB: lists whose first entry is right, judged by content, in which no place is better than another."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.data.mmeb_files import CROP, catalog, loaded, of_pictures, picture, row, task, write
from tests.data.official import measured

from mbench.core.errors import DataError, ImageError, SpecError
from mbench.core.types import EvalData, Vectors
from mbench.data.content import content_id
from mbench.data.loading import load
from mbench.retrieval.search import top_k

POINT = '<|image_1|>\nSelect the portion of the image that answers the question "Which is it?"\n'


def score(data: EvalData, queries: Vectors, corpus: Vectors) -> float:
    """hit@1 of vectors, by the search and the metrics of a run."""
    found = top_k(queries, corpus, 1, galleries=data.judgments.pools["gallery"], tie_ranks=data.corpus.tie_ranks())
    return measured(catalog().task("mmeb-gqa"), data, main=[data.corpus.ids(one) for one in found.ids])["hit@1"]


def first_of_the_best(rows: list[dict[str, Any]], data: EvalData, queries: Vectors, corpus: Vectors) -> float:
    """What the paper's script computes: the share of rows whose first candidate is the first with the best score."""
    vectors = dict(zip(data.corpus.ids(), corpus, strict=True))
    hits = 0
    for one, query in zip(rows, queries, strict=True):
        listed = [content_id(*pair) for pair in zip(one["tgt_text"], one["tgt_img_path"], strict=True)]
        hits += int(np.argmax([vectors[name] @ query for name in listed])) == 0
    return hits / len(rows)


def test_ids_words_and_galleries_are_those_of_the_file(tmp_path: Path) -> None:
    data = loaded(tmp_path, row(answers=["cat", "dog"]), row("Who?", "GQA/2.jpg", ["she", "he", "dog"]))
    first, second = data.queries.items(np.arange(2), images=False)
    assert (first.id, second.id) == ("GQA-0", "GQA-1")
    assert first.instruction == "\nRepresent the given image with the following question: "
    assert (first.text, second.text) == ("What is it?\n", "Who?\n")
    assert data.queries.column("image") == ["GQA/1.jpg", "GQA/2.jpg"]
    assert sorted(map(str, data.corpus.column("text"))) == ["cat", "dog", "he", "she"]
    assert data.corpus.column("instruction") == [None] * 4
    right = [data.corpus.ids(data.judgments.labels["relevant"][query]) for query in range(2)]
    assert right == [[content_id("cat", "")], [content_id("she", "")]]
    galleries = [set(data.corpus.ids(data.judgments.pools["gallery"][query])) for query in range(2)]
    assert galleries[1] == {content_id(name, "") for name in ("she", "he", "dog")}
    assert len(galleries[0]) == 2


def test_the_id_of_a_candidate_is_documented_and_stable() -> None:
    """Embeddings made elsewhere name candidates by it."""
    assert content_id("cat", "") == "eca677fdffa4b88d"
    assert content_id("a", "b") != content_id("ab", "")


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_the_official_script_also_with_duplicates(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [row(f"q{n}", answers=[f"a{one}" for one in random.integers(0, 30, 12)]) for n in range(60)]
    data = loaded(tmp_path, *rows)
    assert data.judgments.pools["gallery"].sizes().min() < 12
    queries, corpus = (random.normal(size=(n, 8)).astype(np.float32) for n in (60, len(data.corpus)))
    right = np.concatenate([data.judgments.labels["relevant"][query] for query in range(60)])
    queries += 0.5 * corpus[right]
    expected = first_of_the_best(rows, data, queries, corpus)
    assert 0.2 < expected < 0.9
    assert score(data, queries, corpus) == pytest.approx(expected, abs=1e-12)


def test_a_constant_model_has_chance_and_not_a_hundred_percent(tmp_path: Path) -> None:
    rows = [row(f"q{n}", answers=[f"{n} {one}" for one in range(4)]) for n in range(400)]
    data = loaded(tmp_path, *rows)
    queries, corpus = np.ones((400, 2), dtype=np.float32), np.ones((len(data.corpus), 2), dtype=np.float32)
    assert first_of_the_best(rows, data, queries, corpus) == 1
    assert score(data, queries, corpus) == pytest.approx(0.25, abs=0.08)


def test_the_order_of_the_lists_changes_nothing_but_the_right_answer(tmp_path: Path) -> None:
    data = loaded(tmp_path, row(answers=["a", "b", "c", "d"]))
    turned = loaded(tmp_path, row(answers=["a", "d", "c", "b", "b"]))
    names = [set(one.corpus.ids(one.judgments.pools["gallery"][0])) for one in (data, turned)]
    assert names[0] == names[1]


def test_pictures_without_texts_are_candidates_by_their_paths(tmp_path: Path) -> None:
    """MMEB writes one empty text for a list of pictures; the lists of a set may also hold their instruction."""
    plain = loaded(tmp_path, of_pictures(["a.jpg", "b.jpg", "a.jpg"], "", POINT), name="mmeb-visual7w-pointing")
    assert plain.corpus.column("image") == ["a.jpg", "b.jpg"]
    assert plain.corpus.column("instruction") == [None, None]
    worded = of_pictures(["a.jpg", "b.jpg"], [CROP, CROP + ".\n"], POINT)
    data = loaded(tmp_path, worded, name="mmeb-visual7w-pointing")
    beginning = "\nRepresent the given cropped image of the object"
    assert data.corpus.column("instruction") == [beginning, beginning + ".\n"]
    assert data.corpus.modalities() == {"image"}


def test_candidates_of_one_picture_with_two_texts_are_two(tmp_path: Path) -> None:
    prefix = "<|image_1|>\nSelect the portion of the image that follows the language expressions: "
    one = of_pictures(["a.jpg", "a.jpg"], [f'{prefix}"cup"\n', f'{prefix}"mug"\n'], f'{prefix}"the cup"\n')
    data = loaded(tmp_path, one, name="mmeb-refcoco-matching")
    assert data.corpus.column("text") == ['"cup"\n', '"mug"\n']
    assert data.judgments.pools["gallery"].sizes().tolist() == [2]


def test_a_missing_picture_is_named_before_anything_is_encoded(tmp_path: Path) -> None:
    picture(tmp_path, "GQA/1.jpg")
    data = loaded(tmp_path, row(), row(image="GQA/lost.jpg"))
    with pytest.raises(ImageError, match=r"1 of 2 pictures are not there: .*mmeb/images/GQA/lost\.jpg"):
        data.queries.check_images()
    assert data.queries.select(np.array([0])).items(np.array([0]))[0].image is not None


def changed(**values: Any) -> Callable[[], dict[str, Any]]:
    return lambda: {**row(), **values}


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (changed(tgt_img_path=["", "", ""]), "lists of unequal length in tgt_text and tgt_img_path: row 1."),
        (changed(tgt_text=["cat"], tgt_img_path=[""]), "fewer than two candidates: row 1."),
        (changed(tgt_text=[], tgt_img_path=[]), "fewer than two candidates: row 1."),
        (changed(tgt_text=None), "no list in tgt_text: row 1."),
        (
            changed(qry_text="<|image_1|>\nWhat is it?"),
            "the queries, row 1 begins with 'What is it?', but the task declares",
        ),
        (changed(qry_text="What is <|image_1|>?"), "the queries, row 1: <|image_1|> must stand first and once"),
        (changed(tgt_text=["cat", "a <|image_1|>"]), "the candidates, row 1: <|image_1|> must stand first"),
        (changed(qry_text="", qry_img_path=""), "the queries of mmeb-gqa: neither text nor picture: 'GQA-1'."),
        (changed(qry_img_path=None), "the queries are declared as image+text, but the data hold image+text, text."),
        (changed(tgt_text=["cat", None]), "the candidates of mmeb-gqa: neither text nor picture"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, second: Callable[[], dict[str, Any]], words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        loaded(tmp_path, row(), second())


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"qry_text": None}, "the columns qry_text are missing; found qry_img_path, tgt_text, tgt_img_path"),
        ({"qry_inst": ["x"]}, "a column qry_inst holds the instructions apart"),
        ({"qry_text": [b"\xff"]}, "the column qry_text must be string, but it is binary"),
        ({"tgt_text": [[{"a": 1}]]}, "the column tgt_text must be list<"),
        ({"tgt_text": ["cat"]}, "a text in tgt_text where a list of candidates is expected: row 0."),
        ({"tgt_text": [""], "tgt_img_path": [""]}, "tgt_text and tgt_img_path must be lists of candidates"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, columns: dict[str, Any], words: str) -> None:
    kept = {name: value for name, value in {**{k: [v] for k, v in row().items()}, **columns}.items() if value}
    path = write(tmp_path, "GQA", pa.table(kept))
    with pytest.raises(DataError) as error:
        load(task("mmeb-gqa", 1), tmp_path)
    assert str(path) in str(error.value) and words in str(error.value)


def test_a_file_that_is_cut_off_missing_or_too_short_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"GQA/test-00000-of-00001\.parquet: there is no such file\. It comes from "):
        load(catalog().task("mmeb-gqa"), tmp_path)
    path = write(tmp_path, "GQA", [row()])
    with pytest.raises(DataError, match="1 rows; mmeb-gqa has 1000 queries"):
        load(catalog().task("mmeb-gqa"), tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        load(task("mmeb-gqa", 1), tmp_path)


def test_wrong_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"query_instructions: unknown key; did you mean 'query_instruction'"):
        loaded(tmp_path, row(), query_instructions=["x"])


def test_texts_with_another_instruction_are_kept_whole_on_demand(tmp_path: Path) -> None:
    data = loaded(tmp_path, row(), changed(qry_text="<|image_1|>\nWhat is it?\n")(), unlisted="keep")
    assert data.queries.column("text") == ["What is it?\n", "\nWhat is it?\n"]
    assert data.queries.column("instruction")[1] is None
