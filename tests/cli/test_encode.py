"""`mbench encode`: the same vectors as in a run, in the items' order, or one clear message."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tests.cli.adapters import adapter
from tests.cli.conftest import Command


def listed(folder: Path, *items: object) -> Path:
    path = folder / "items.jsonl"
    path.write_text("\n".join(item if isinstance(item, str) else json.dumps(item) for item in items) + "\n")
    return path


def test_vectors_come_in_the_order_of_the_items(mbench: Command, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (20, 20), "red").save(tmp_path / "red.png")
    items = listed(tmp_path, {"id": "b", "text": "x"}, {"id": "a", "image": "red.png", "instruction": "what is it?"})
    done = mbench("encode", "-m", "random", "--items", items, "-o", "out.npz", "--batch-size", "1")
    assert done.code == 0, done.err
    with np.load(tmp_path / "out.npz", allow_pickle=False) as file:
        assert file["ids"].tolist() == ["b", "a"]
        assert file["embeddings"].dtype == np.float32
        assert np.linalg.norm(file["embeddings"], axis=1) == pytest.approx([1, 1], abs=1e-6)
    again = mbench("encode", "-m", "random", "--items", items, "-o", "again.npz")
    assert again.code == 0
    assert (np.load(tmp_path / "again.npz")["embeddings"] == np.load(tmp_path / "out.npz")["embeddings"]).all()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["{"], ["line 1", "JSON"]),
        (['{"text": "x"}'], ["line 1", "id"]),
        (['{"id": "a", "text": 3}'], ["line 1", "'text'"]),
        (['{"id": "a", "txt": "x"}'], ["line 1", "'txt'"]),
        (['{"id": "a", "text": "x"}', '{"id": "a", "text": "y"}'], ["'a'", "twice"]),
        (['{"id": "a"}'], ["line 1", "no text, image or instruction"]),
        (['{"id": "a", "image": "gone.png"}'], ["line 1", "gone.png"]),
        ([""], ["no items"]),
        (['{"id": "a", "text": "\\ud83d"}'], ["line 1", "'text'", "half of a surrogate pair"]),
        (['{"id": "a\\u0000", "text": "x"}'], ["line 1", "null character"]),
        (["[" * 100_000], ["line 1", "not valid JSON"]),
    ],
)
def test_a_bad_items_file_is_told_with_its_line(
    mbench: Command, tmp_path: Path, lines: list[str], words: list[str]
) -> None:
    done = mbench("encode", "-m", "random", "--items", listed(tmp_path, *lines), "-o", "out.npz")
    assert done.code == 2 and all(word in done.err for word in words), done.err
    assert not (tmp_path / "out.npz").exists()


def test_a_text_may_hold_line_breaks_of_unicode_and_the_file_a_byte_order_mark(mbench: Command, tmp_path: Path) -> None:
    items = [{"id": "a", "text": "one\u2028two\x85three"}, {"id": "b", "text": "one two three"}]
    lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    (tmp_path / "items.jsonl").write_text(lines, encoding="utf-8-sig")
    done = mbench("encode", "-m", "random", "--items", tmp_path / "items.jsonl", "-o", "out.npz")
    assert done.code == 0, done.err
    assert np.load(tmp_path / "out.npz")["ids"].tolist() == ["a", "b"]


def test_a_damaged_picture_is_named(mbench: Command, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    items = listed(tmp_path, {"id": "a", "image": "bad.png"})
    done = mbench("encode", "-m", adapter(tmp_path), "--items", items, "-o", "out.npz")
    assert done.code == 3 and "bad.png" in done.err and "Traceback" not in done.err


def test_a_zero_vector_of_an_empty_item_is_handed_on(mbench: Command, tmp_path: Path) -> None:
    items = listed(tmp_path, {"id": "a", "text": ""}, {"id": "b", "text": "x"})
    done = mbench("encode", "-m", adapter(tmp_path, "vectors[0] = 0"), "--items", items, "-o", "out.npz")
    assert done.code == 0, done.err
    vectors = np.load(tmp_path / "out.npz")["embeddings"]
    assert not vectors[0].any() and np.linalg.norm(vectors[1]) == pytest.approx(1, abs=1e-6)
