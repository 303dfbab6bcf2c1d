"""Declarations hold plain values: whatever could surprise in YAML is refused by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mbench.core.errors import SpecError
from mbench.data.yaml import MAX_BYTES, read_yaml

Parse = Callable[[str], Any]


@pytest.fixture
def parsed(tmp_path: Path) -> Parse:
    def read(text: str) -> Any:
        path = tmp_path / "task.yaml"
        path.write_text(text, encoding="utf-8")
        return read_yaml(path).value

    return read


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2024-01-02", "2024-01-02"),
        ("007", "007"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("'5'", "5"),
        ('""', ""),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-12", -12),
        ("true", True),
        ("~", None),
        ("", None),
        ("[a, {b: 1}]", ["a", {"b": 1}]),
    ],
)
def test_no_on_dates_and_leading_zeros_stay_text(parsed: Parse, written: str, value: object) -> None:
    assert parsed(f"key: {written}\n") == {"key": value}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc xyz", max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLAIN)
def test_json_is_read_as_what_it_says(tmp_path: Path, value: object) -> None:
    path = tmp_path / "task.yaml"
    path.write_text("value: " + json.dumps(value, ensure_ascii=False), encoding="utf-8")
    assert read_yaml(path).value == {"value": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", ("line 3", "'a'", "twice", "line 1")),
        ("a: {b: 1, b: 2}\n", ("line 1", "'b'", "twice")),
        ("a: !!python/object/apply:os.system [ls]\n", ("line 1", "tag")),
        ("a: 1\nb: !!str 2\n", ("line 2", "tag")),
        ("a: &x [1]\nb: *x\n", ("line 1", "anchors")),
        ("a: 1\nb: *x\n", ("line 2", "aliases")),
        ("a: [1\n", ("line 2", "not valid YAML")),
        ("a: b: c\n", ("line 1", "not valid YAML")),
        ("? [a]\n: 1\n", ("line 1", "key")),
        ("a: 1\n---\nb: 2\n", ("line 2", "second document")),
        ("", ("empty",)),
        ("# only a comment\n", ("empty",)),
        ("a: " + "[" * 60 + "]" * 60, ("line 1", "deep")),
        ("a: " + "[" * 100_000, ("line 1",)),
        ("\tb: 1\n", ("not valid YAML",)),
    ],
)
def test_what_is_not_plain_is_refused_with_its_line(parsed: Parse, text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as error:
        parsed(text)
    assert all(word in str(error.value) for word in ("task.yaml", *words)), str(error.value)


def test_an_absent_a_binary_and_an_endless_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent\.yaml: cannot be read"):
        read_yaml(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(SpecError, match=r"binary\.yaml: not UTF-8"):
        read_yaml(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SpecError, match=r"large\.yaml: larger than"):
        read_yaml(tmp_path / "large.yaml")
    (tmp_path / "control.yaml").write_bytes(b"a: \x07\n")
    with pytest.raises(SpecError, match=r"control\.yaml.*not valid YAML"):
        read_yaml(tmp_path / "control.yaml")


@pytest.mark.parametrize("number", ["9" * 6000, "1." + "0" * 6000, "1e" + "9" * 500])
def test_a_number_of_thousands_of_digits_is_refused_and_no_traceback(parsed: Parse, number: str) -> None:
    with pytest.raises(SpecError, match=r"line 2: a number of \d+ characters"):
        parsed(f"a: 1\nb: {number}\n")
    assert parsed(f"b: '{number}'\n") == {"b": number}


def test_lines_are_those_of_the_values(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_text("a: 1\nb:\n  c:\n    - x\n    - y\n")
    lines = read_yaml(path).lines
    assert (lines["a",], lines["b", "c", 0], lines["b", "c", 1]) == (1, 4, 5)
