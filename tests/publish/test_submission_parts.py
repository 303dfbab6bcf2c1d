"""The parts that a check rests on: strict JSON, look-alike names, honest words, small evidence."""

from __future__ import annotations

import io
import json
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mbench.core.types import Floats
from mbench.models.cards import FOLDER, read_card
from mbench.models.catalog import MODELS
from mbench.publish.submission.cards import read_card as read_submitted
from mbench.publish.submission.compact import rounded
from mbench.publish.submission.folder import File, read_bytes
from mbench.publish.submission.lookalike import skeleton
from mbench.publish.submission.notes import Notes
from mbench.publish.submission.parquet import ParquetError, read_rankings
from mbench.publish.submission.probe import probe
from mbench.publish.submission.strict_json import JsonError, parse
from mbench.publish.submission.words import complaint, name_complaint, texts
from mbench.publish.submission.writing import write_card

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def small_ranking() -> bytes:
    ids = [[f"c{(query + rank) % 9}" for rank in range(5)] for query in range(30)]
    scores = [[1.0 - rank / 8 - query / 1000 for rank in range(5)] for query in range(30)]
    table = pa.table({"query_id": [f"q{query}" for query in range(30)], "candidate_ids": ids, "scores": scores})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


SMALL = small_ranking()


@given(JSON)
def test_strict_json_reads_all_json(value: object) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)
        try:
            data = text.encode()
        except UnicodeEncodeError:  # half characters have no UTF-8
            continue
        assert parse(data) == json.loads(text)


@given(st.binary(max_size=60))
def test_strict_json_refuses_what_is_none_in_its_own_words(data: bytes) -> None:
    try:
        parse(data)
    except JsonError as error:
        assert error.code.startswith("json")


def test_brackets_in_texts_are_not_nesting() -> None:
    assert parse(json.dumps({"a": "[" * 1000 + '\\"' + "," * 1000}).encode())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_shipped_card_has_words_that_are_refused(path: Path) -> None:
    for key, text in texts(read_card(path).model_dump(mode="json")):
        assert complaint(text) is None, f"{key}: {complaint(text)}"


@pytest.mark.parametrize(
    "text",
    [
        "Recall@1 < 5% where n > 3, and a<3 b.",
        "training data: COCO/VG, data: 12 M pairs; file: one",
        "see https://arxiv.org/abs/2403.07750, (https://huggingface.co/a/b).",
        "Größe & Qualität für jeden, 日本語, العربية, R&D",
        "first line\nsecond line\twith a tab",
        "f(x) = [a] b (c)",
    ],
)
def test_honest_words_pass(text: str) -> None:
    assert complaint(text) is None


def test_registered_models_do_not_look_like_each_other() -> None:
    names = list(MODELS)
    assert len({skeleton(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("tiny", "tіny"),
        ("tiny", "ТINУ".lower()),
        ("CLIP", "СLIР"),
        ("model", "mοdel"),
        ("model", "rnodel"),
        ("tiny-dual", "tiny_dual"),
        ("tiny", "ｔｉｎｙ"),
        ("tiny", "tíny"),
        ("clip", "c1ip"),
        ("vlm2vec", "vvlm2vec".replace("vv", "v")),
        ("word", "vvord"),
    ],
)
def test_look_alikes_share_a_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("clip", "blip"), ("siglip", "siglip2"), ("a-1.5", "a-15"), ("tiny", "tiny-dual"), ("vit-b", "vit-l")],
)
def test_other_names_do_not(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


@given(st.text(max_size=20))
def test_a_name_that_passes_is_a_name_of_plain_letters(name: str) -> None:
    if name_complaint(name) is None:
        assert name.isascii() and ".." not in name and not name.startswith(("/", ".", "-", "="))


@given(st.lists(st.lists(st.floats(-1, 1), max_size=6), max_size=6))
def test_rounded_scores_keep_order_and_ties(lists: list[list[float]]) -> None:
    ordered = [sorted(one, reverse=True) for one in lists]
    scores: Floats = np.array([score for one in ordered for score in one])
    starts = np.concatenate([[0], np.cumsum([len(one) for one in ordered])]).astype(np.int64)
    small = rounded(scores, starts)
    for start, end in pairwise(starts.tolist()):
        assert (np.sign(np.diff(small[start:end])) == np.sign(np.diff(scores[start:end]))).all()
    assert np.abs(small - scores).max(initial=0) <= 1e-7


def test_a_card_is_written_as_it_is_read(tmp_path: Path) -> None:
    card = read_card(FOLDER / "tiny.yaml").model_copy(update={"revision": "abc", "notes": "Größe: «1»\nzwei"})
    path = tmp_path / "card.yaml"
    write_card(path, card)
    notes = Notes()
    assert read_submitted(File("card.yaml", path, path.stat().st_size), notes) == card
    assert notes.found == []


def test_a_file_that_grew_since_it_was_listed_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"x" * 100)
    with pytest.raises(Exception, match="more than 50 bytes"):
        read_bytes(File("x.json", path, 10), 50)


def test_a_report_cannot_be_made_endless() -> None:
    notes = Notes()
    for number in range(1000):
        notes.add("x", "f" * 10_000, f"{number} " + "y" * 10_000 + "\u202e")
    assert len(notes.found) == 200
    assert all(len(one.message) <= 500 and "\u202e" not in one.message for one in notes.found)


def test_a_ranking_in_several_row_groups_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "x.ranking.parquet"
    path.write_bytes(SMALL)
    whole = read_rankings(path)["main"]
    pq.write_table(pq.read_table(path), path, row_group_size=7)
    parts = read_rankings(path)["main"]
    assert parts.queries.to_pylist() == whole.queries.to_pylist()
    assert parts.candidates.to_pylist() == whole.candidates.to_pylist()
    assert (parts.starts == whole.starts).all()


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8), st.booleans())
@settings(max_examples=150)
def test_a_damaged_ranking_is_read_or_refused_but_never_crashes(damage: list[tuple[int, int]], cut: bool) -> None:
    data = bytearray(SMALL)
    for place, byte in damage:
        data[place % len(data)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.ranking.parquet")
        path.write_bytes(bytes(data[: damage[0][0] % len(data)] if cut else data))
        try:
            probe().require(path)
            assert "main" in read_rankings(path)
        except ParquetError as error:
            assert error.code.startswith("parquet-")
