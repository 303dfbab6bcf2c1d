"""Large JSON lists, read one object at a time: the same objects, and every slip named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mbench.core.errors import DataError
from mbench.data import json_stream
from mbench.data.json_stream import stream_objects

VALUES = some.dictionaries(some.text(max_size=3), some.one_of(some.text(), some.integers(), some.lists(some.text())))


@given(rows=some.lists(VALUES, max_size=5), indent=some.sampled_from([None, 1]), chunk=some.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_the_objects_are_those_of_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: int | None, chunk: int
) -> None:
    path = tmp_path_factory.mktemp("json") / "rows.json"
    path.write_text(f" {json.dumps(rows, indent=indent, ensure_ascii=False)}\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "CHUNK", chunk)
        assert list(stream_objects(path)) == rows


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1}', r"entry 0: expected '\[' of a list of objects; found '\{\"a\": 1\}'"),
        ("", r"entry 0: expected '\['"),
        ('[{"a": 1}, 2]', r"entry 1: expected '\{'"),
        ('[{"a": 1}, ]', r"entry 1: expected '\{'"),
        ('[{"a": 1} {"b": 2}]', "entry 1: expected ','"),
        ('[{"a": 1}, {"b": ', "entry 1: not valid JSON, or cut off"),
        ('[{"a": 1}', "entry 1: expected ','"),
        ('[{"a": tru}]', "entry 0: not valid JSON"),
    ],
)
def test_a_slip_is_named_by_entry(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=f"rows.json, {words}"):
        list(stream_objects(path))


def test_a_slip_early_in_a_large_file_is_not_sought_for_in_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", 100)
    monkeypatch.setattr(json_stream, "LONGEST", 1000)
    path = tmp_path / "rows.json"
    path.write_text('[{"a": "' + "x" * 100_000 + '"}]', encoding="utf-8")
    read = 0

    class Counting(json.JSONDecoder):
        def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
            nonlocal read
            read += len(s)
            return super().raw_decode(s, idx)

    monkeypatch.setattr(json, "JSONDecoder", Counting)
    with pytest.raises(DataError, match="entry 0: not valid JSON"):
        list(stream_objects(path))
    assert read < 10_000


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(b'[{"a": "\xff"}]')
    with pytest.raises(DataError, match="cannot be read as UTF-8"):
        list(stream_objects(path))
