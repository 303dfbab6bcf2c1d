"""Evidence beside results that anybody may have written: what cannot be read is noted, and the build goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.publish.evidence import write_evidence
from tests.publish.sample import ONE, build, card, catalog, result

from mbench.publish import evidence
from mbench.publish.collect import Note
from mbench.publish.submission.parquet import ParquetError
from mbench.publish.submission.probe import AHEAD, Probe

SCORES = {f"q{n}": float(n % 2) for n in range(20)}
TOPS = {query: ["a", "b"] for query in SCORES}
MORTAL = """
import os, sys
print(os.getpid(), file=open(sys.argv[1], "a"))
for line in sys.stdin:
    if "fatal" in line:
        os.abort()
    print("endured", flush=True)
"""


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """A file to which each process of `reader` adds a line when it starts."""
    return tmp_path / "starts"


@pytest.fixture
def reader(starts: Path) -> Iterator[Probe]:
    made = Probe([sys.executable, "-c", MORTAL, str(starts)])
    yield made
    made.close()


def write_models(folder: Path, *names: str) -> Path:
    for name in names:
        write_evidence(folder, result(ONE, card(name), 0.5), SCORES, TOPS)
    return folder


def test_evidence_that_ends_its_reader_is_listed_and_the_build_goes_on(
    tmp_path: Path, reader: Probe, starts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "probe", lambda: reader)
    names = ("alpha", "beta", "fatal", "gamma", "zeta")
    report = build(tmp_path / "site", catalog(ONE), [write_models(tmp_path / "results", *names)])
    reason = "not a readable Parquet file: it ends the program that reads it"
    folder = "results/fatal/unversioned/one"
    assert report.broken == (
        Note(f"{folder}.queries.parquet", reason),
        Note(f"{folder}.ranking.parquet", reason),
    )
    assert report.results == 5 and "ends the program that reads it" in (tmp_path / "site" / "index.html").read_text()
    assert len(starts.read_text().splitlines()) == 3, "one process, and one more after each of two files that ended it"


@pytest.mark.parametrize("ending", [".queries.parquet", ".ranking.parquet"])
def test_damaged_evidence_is_listed_with_its_reason_and_the_result_is_shown(tmp_path: Path, ending: str) -> None:
    folder = write_models(tmp_path / "results", "alpha", "beta")
    path = folder / "beta" / "unversioned" / f"one{ending}"
    path.write_bytes(path.read_bytes()[:-20])
    report = build(tmp_path / "site", catalog(ONE), [folder])
    assert [note.where for note in report.broken] == [f"results/beta/unversioned/one{ending}"]
    assert "does not begin and end as one" in report.broken[0].reason and report.results == 2


def test_files_that_were_expected_are_judged_as_those_that_were_not(tmp_path: Path, reader: Probe) -> None:
    paths = [tmp_path / f"{'fatal' if n in (0, 3, 4, 9) else 'sound'}{n}" for n in range(10)]
    for path in paths:
        path.write_bytes(b"x")
    reader.expect([*paths, tmp_path / "absent"])
    lost = []
    for path in [paths[5], *paths]:
        try:
            reader.require(path)
        except ParquetError:
            lost.append(path)
    assert lost == [path for path in paths if "fatal" in path.name]


def test_a_reader_that_ended_while_nobody_asked_costs_no_file(tmp_path: Path, reader: Probe, starts: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_bytes(b"x")
    reader.require(tmp_path / "first")
    reader._process.kill()  # type: ignore[union-attr]
    reader._process.wait()  # type: ignore[union-attr]
    reader.require(tmp_path / "second")
    assert len(starts.read_text().splitlines()) == 2


def test_the_longest_names_of_files_that_are_asked_for_at_once_fit_into_a_pipe() -> None:
    longest = 4096 * len("\\udcff") + 3
    assert AHEAD * longest <= 65_536
