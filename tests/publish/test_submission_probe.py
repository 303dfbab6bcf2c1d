"""A file that ends the program that reads it is refused, and the check goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.publish.test_submission_parts import SMALL

from mbench.publish.submission import limits, rankings
from mbench.publish.submission.parquet import ParquetError, read_rankings
from mbench.publish.submission.probe import Probe, probe
from mbench.publish.submission.rankings import read_all

MORTAL = """
import os, sys
for line in sys.stdin:
    if "fatal" in line:
        os.abort()
    print("endured", flush=True)
"""

REFUSING = """
import json, sys
for line in sys.stdin:
    print(json.dumps(["parquet-bomb", "out of memory"]), flush=True)
"""


def test_a_file_that_ends_its_reader_is_refused_and_the_next_one_is_read(tmp_path: Path) -> None:
    reader = Probe([sys.executable, "-c", MORTAL])
    for name in ("sound", "fatal", "other"):
        (tmp_path / name).write_bytes(SMALL)
    reader.require(tmp_path / "sound")
    for _ in range(2):
        with pytest.raises(ParquetError, match="ends the program that reads it"):
            reader.require(tmp_path / "fatal")
    reader.require(tmp_path / "other")
    reader.close()


def test_the_reader_of_the_check_endures_what_is_sound_and_what_is_refused(tmp_path: Path) -> None:
    sound, broken = tmp_path / "a.ranking.parquet", tmp_path / "b.ranking.parquet"
    sound.write_bytes(SMALL)
    broken.write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(ParquetError, match="footer") as refused:
        probe().require(broken)
    assert refused.value.code == "parquet-bomb"
    assert set(read_all({"": sound})) == {"main"}
    with pytest.raises(ParquetError, match="footer"):
        read_all({"": broken})


def varint(value: int, length: int = 0) -> bytes:
    """A number as Thrift writes it (zigzag), drawn out to `length` bytes."""
    left, digits = value << 1, []
    while left or not digits or len(digits) < length:
        digits.append(left & 0x7F)
        left >>= 7
    return bytes([*(one | 0x80 for one in digits[:-1]), digits[-1]])


def boundless(path: Path, count: int) -> Path:
    """Write a ranking of one list with `count` candidates in few bytes, whose footer says that there are a thousand."""
    ends = pa.array(np.array([0, count], dtype=np.int32))
    ids = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int8)), pa.array(["c"]))
    lists = {"candidate_ids": pa.ListArray.from_arrays(ends, ids), "scores": pa.array([np.zeros(count)])}
    pq.write_table(pa.table({"query_id": ["q"]} | lists), path, data_page_size=2**30, store_schema=False)
    data, told = path.read_bytes(), varint(count)
    size = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - size : -8]
    assert len(data) < 2000 and footer.count(told) >= 2
    path.write_bytes(data[: -8 - size] + footer.replace(told, varint(1000, len(told))) + data[-8:])
    return path


def test_numbers_that_a_footer_does_not_tell_of_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = boundless(tmp_path / "a.ranking.parquet", 300_000)
    monkeypatch.setattr(limits, "UNPACKED_BYTES", 2**20)
    with pytest.raises(ParquetError, match="of which its footer tells nothing"):
        read_rankings(path)


def test_a_file_that_the_bounded_reader_refuses_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ranking.parquet"
    path.write_bytes(SMALL)
    refusing = Probe([sys.executable, "-c", REFUSING])
    monkeypatch.setattr(rankings, "probe", lambda: refusing)
    monkeypatch.setattr(rankings, "read_rankings", lambda path: pytest.fail("was read"))
    with pytest.raises(ParquetError, match="out of memory") as refused:
        read_all({"": path})
    assert refused.value.code == "parquet-bomb"
    refusing.close()
