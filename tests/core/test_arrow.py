"""Arrays made without pyarrow.array are those that it makes, and reading them back gives what numpy would."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbench.core import arrow
from mbench.core.arrow import blobs, filled, flags, floats, integers, measured, numbers, scalar, texts

WORDS = st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=4), max_size=20)


@given(WORDS)
def test_texts_are_those_of_pyarrow(values: list[str | None]) -> None:
    found = texts(values)
    found.validate(full=True)
    assert found.equals(pa.array(values, pa.string()))


@given(st.lists(st.none() | st.binary(max_size=4), max_size=20))
def test_blobs_are_those_of_pyarrow(values: list[bytes | None]) -> None:
    found = blobs(values)
    found.validate(full=True)
    assert found.equals(pa.array(values, pa.large_binary()))


@given(st.lists(st.floats(width=64), max_size=20))
def test_only_nan_becomes_null(values: list[float]) -> None:
    given = np.array(values, dtype=np.float64)
    found = measured(given)
    found.validate(full=True)
    assert found.equals(pa.array(given, pa.float64(), from_pandas=True))


@pytest.mark.parametrize("kind", ["int32", "int64", "uint64", "float32", "float64"])
def test_numbers_are_those_of_pyarrow_also_from_a_strided_view(kind: str) -> None:
    values = np.arange(10).astype(kind)[1::3]
    assert numbers(values).equals(pa.array(values))


@given(st.lists(st.none() | st.integers(0, 100), max_size=20), st.integers(0, 5), st.integers(-3, 3))
def test_integers_of_a_slice_have_their_nulls_replaced(values: list[int | None], start: int, null: int) -> None:
    column = pa.array(values, pa.int32())[start:]
    found = integers(column, null)
    assert found.dtype == np.int64
    assert found.tolist() == [null if one is None else one for one in values[start:]]


@given(st.lists(st.none() | st.floats(width=32), max_size=9), st.integers(0, 5), st.sampled_from(["float", "double"]))
def test_floats_of_a_slice_or_of_chunks_have_nan_for_nulls(values: list[float | None], start: int, kind: str) -> None:
    column = pa.array(values, kind)[start:]
    expected = [np.nan if one is None else one for one in values[start:]]
    for one in (column, pa.chunked_array([column[:1], column[1:]])):
        np.testing.assert_array_equal(floats(one), np.array(expected, dtype=np.float64))


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 11))
def test_flags_of_a_slice_begin_where_the_slice_does(values: list[bool], start: int) -> None:
    assert flags(pa.array(values, pa.bool_())[start:]).tolist() == values[start:]


@pytest.mark.parametrize(
    ("value", "kind"),
    [("word", pa.string()), ("word", pa.large_string()), (b"word", pa.large_binary()), (-1, pa.int32()),
     (float("nan"), pa.float64()), (0, pa.uint8())],
)  # fmt: skip
def test_a_scalar_is_that_of_pyarrow(value: str | bytes | float, kind: pa.DataType) -> None:
    found = scalar(value, kind)
    assert found.type == kind
    assert str(found) == str(pa.scalar(value, kind))


def test_nulls_are_filled_with_a_value_of_their_own_type() -> None:
    column = pa.array(["a", None], pa.large_string())
    assert filled(column, "b").equals(pc.fill_null(column, "b"))


def test_texts_beyond_what_offsets_can_tell_are_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "MOST", 5)
    assert texts(["abc", "def"]).to_pylist() == ["abc", "def"]


def test_nothing_here_loads_pandas() -> None:
    program = """
import sys
import numpy as np
from mbench.core.arrow import blobs, filled, flags, floats, integers, measured, numbers, scalar, texts
words = texts(["a", None])
found = [filled(words, "b"), integers(words.is_valid().cast("int8")), flags(words.is_valid()), blobs([b"x"])]
found += [floats(measured(np.array([1.0, np.nan]))), numbers(np.arange(3)), scalar(2.0, "float32")]
print("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
