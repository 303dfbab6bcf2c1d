"""Files appear whole or not at all; JSON has one canonical form."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbench.core.errors import DataError, OutputError
from mbench.core.files import canonical_json, fingerprint, read_json, write_atomically, write_json, write_text


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)))
def test_fingerprint_does_not_depend_on_key_order(value: dict[str, object]) -> None:
    assert fingerprint(value) == fingerprint(dict(reversed(value.items())))


def test_fingerprint_differs_for_different_values() -> None:
    assert fingerprint({"a": 1}) != fingerprint({"a": 2}) != fingerprint({"a": "2"})


def test_nan_never_reaches_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("inf"))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_writer_leaves_the_old_file_and_no_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="the power went"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(OutputError, match="results"):
        write_text(tmp_path / "results" / "x.json", "{}")


@pytest.mark.parametrize(
    ("text", "word"),
    [("{", "not valid JSON"), ('{"a": 1, "a": 2}', "'a' stands twice"), ('{"a": NaN}', "NaN"), ("[" * 100_000, "JSON")],
)
def test_bad_json_is_named(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=word) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_written_files_are_readable_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", "text")
    plain = tmp_path / "y.txt"
    plain.write_text("text")
    assert (tmp_path / "x.txt").stat().st_mode == plain.stat().st_mode
