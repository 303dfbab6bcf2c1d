"""JSON lines read by block, what is wrong named by line, and tables kept as Arrow that notice damage and change."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mbench.core.errors import DataError
from mbench.data import arrow_cache, jsonl
from mbench.data.arrow_cache import FOLDER, ArrowCache
from mbench.data.jsonl import read_batches


def lines(path: Path, *values: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in values))
    return path


def rows(path: Path, required: tuple[str, ...] = ("id",)) -> list[dict[str, Any]]:
    return [row for batch in read_batches(path, ("id", "text"), required) for row in batch.to_pylist()]


def test_only_the_asked_fields_are_read_and_absent_ones_are_null(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"id": "1", "more": {"a": [1]}}, {"text": "é", "id": "2", "more": "x"})
    assert rows(path) == [{"id": "1", "text": None}, {"id": "2", "text": "é"}]


def test_empty_lines_and_windows_ends_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "1"}\r\n\n{"id": "2"}')
    assert [row["id"] for row in rows(path)] == ["1", "2"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"id": "3"', "not valid JSON"),
        (b"[1]", "expected an object, found list"),
        (b'{"id": 3}', "'id' must be text or null, but it is int"),
        (b'{"id": "3", "id": "4"}', "not valid JSON (a key stands twice in one object)"),
        (b'{"id": null}', "'id' is missing"),
        (b'{"name": "3"}', "'id' is missing"),
        (b'{"id": ""}', "'id' is missing"),
        (b'{"id": "\xff"}', "not valid JSON"),
        (b'{"id": "\\ud800"}', "not valid JSON"),
    ],
)
@pytest.mark.parametrize("block", [64, jsonl.BLOCK])
def test_a_wrong_line_is_named(
    tmp_path: Path, line: bytes, words: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrow counts rows of a block; the user's editor counts lines of the file, empty ones too."""
    monkeypatch.setattr(jsonl, "BLOCK", block)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "1"}\n\n' + b'{"id": "2"}\n' * 7 + line + b'\n{"id": "5"}\n')
    with pytest.raises(DataError, match=rf"a\.jsonl, line 10: {re.escape(words)}"):
        rows(path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(DataError, match=r"a\.jsonl: the file is empty"):
        rows(tmp_path / "a.jsonl")


class Maker:
    """Makes a table of a file's text, and counts how often."""

    def __init__(self, source: Path) -> None:
        self.source, self.times = source, 0

    def __call__(self) -> pa.Table:
        self.times += 1
        return pa.table({"text": pa.chunked_array([[self.source.read_text()], ["end"]])})


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setenv("MBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    source = tmp_path / "data/a.txt"
    source.write_text("one")
    return Maker(source)


def table(maker: Maker, recipe: object = 1) -> list[str]:
    found = ArrowCache.beside(maker.source.parent).table("a", [maker.source], recipe, maker)
    assert found["text"].num_chunks == 1
    return list(found["text"].to_pylist())


def kept(maker: Maker) -> list[Path]:
    return sorted((maker.source.parent / FOLDER).glob("*.arrow"))


def test_a_table_is_made_once(maker: Maker) -> None:
    assert table(maker) == table(maker) == ["one", "end"]
    assert maker.times == 1


def test_nothing_is_hashed_again_while_size_and_time_are_the_same(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(maker)
    monkeypatch.setattr(arrow_cache, "file_sha256", lambda path: pytest.fail(f"{path} was hashed"))
    assert table(maker) == ["one", "end"]


def test_a_changed_source_is_read_again_and_its_old_table_removed(maker: Maker) -> None:
    table(maker)
    (old,) = kept(maker)
    maker.source.write_text("two")
    os.utime(maker.source, ns=(1, 1))
    assert table(maker) == ["two", "end"]
    assert old not in kept(maker) and len(kept(maker)) == 1


def test_what_an_ended_process_left_half_written_goes_when_nobody_can_be_writing_it(maker: Maker) -> None:
    """A conversion that was killed left a gigabyte behind each time."""
    table(maker)
    (path,) = kept(maker)
    old, new, other = (path.with_name(name) for name in (f".{path.name}.x1", f".{path.name}.x2", f".b{path.name}.x"))
    for one in (old, new, other):
        one.touch()
    for one in (old, other):
        os.utime(one, (1, 1))
    maker.source.write_text("two")
    assert table(maker) == ["two", "end"]
    assert not old.exists() and new.exists() and other.exists()


def test_a_touched_source_is_hashed_but_not_read_again(maker: Maker) -> None:
    table(maker)
    os.utime(maker.source, ns=(1, 1))
    assert table(maker) == ["one", "end"]
    assert maker.times == 1


def test_another_recipe_makes_another_table(maker: Maker) -> None:
    table(maker)
    table(maker, recipe=2)
    assert maker.times == 2


@pytest.mark.parametrize("damage", ["cut", "turned", "emptied", "unsealed"])
def test_a_damaged_table_is_made_again(maker: Maker, damage: str) -> None:
    table(maker)
    (path,) = kept(maker)
    content = bytearray(path.read_bytes())
    content[content.index(b"one")] ^= 1
    if damage == "unsealed":
        path.with_name(f"{path.name}.json").write_text("{")
    else:
        path.unlink()  # not written over: it is mapped
        path.write_bytes({"cut": bytes(content[:-9]), "turned": bytes(content), "emptied": b""}[damage])
    assert table(maker) == ["one", "end"]
    assert maker.times == 2
    assert table(maker) == ["one", "end"]
    assert maker.times == 2


@pytest.mark.parametrize("notes", ["", "[]", '{"x": 1}'])
def test_damaged_notes_of_hashes_do_no_harm(maker: Maker, notes: str) -> None:
    table(maker)
    (maker.source.parent / FOLDER / "sources.json").write_text(notes)
    assert table(maker) == ["one", "end"]
    assert maker.times == 1


def test_the_users_cache_takes_what_the_data_root_cannot(maker: Maker, tmp_path: Path) -> None:
    (maker.source.parent / FOLDER).touch()  # no folder can be made there, whoever runs the test
    assert table(maker) == table(maker) == ["one", "end"]
    assert maker.times == 1
    assert list((tmp_path / "cache/arrow").glob("*/a-*.arrow"))


def test_without_any_place_to_write_the_table_is_made_each_time(maker: Maker, tmp_path: Path) -> None:
    (maker.source.parent / FOLDER).touch()
    (tmp_path / "cache").touch()
    assert table(maker) == table(maker) == ["one", "end"]
    assert maker.times == 2


def test_a_failure_keeps_nothing(maker: Maker) -> None:
    def fail() -> pa.Table:
        raise DataError("wrong")

    with pytest.raises(DataError, match="wrong"):
        ArrowCache.beside(maker.source.parent).table("a", [maker.source], 1, fail)
    assert not kept(maker)
