"""A file that ends the program that reads it is refused, and the check goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.publish.test_submission_parts import SMALL

from mbench.publish.submission.parquet import ParquetError
from mbench.publish.submission.probe import Probe, probe
from mbench.publish.submission.rankings import read_all

MORTAL = """
import os, sys
for line in sys.stdin:
    if "fatal" in line:
        os.abort()
    print("endured", flush=True)
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
    probe().require(broken)
    assert set(read_all({"": sound})) == {"main"}
    with pytest.raises(ParquetError, match="footer"):
        read_all({"": broken})
