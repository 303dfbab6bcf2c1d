"""Runs the command line in processes that may be killed, and tells whether two results are the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mbench.core.files import canonical_json
from mbench.retrieval.upkeep import damages, listing

ROOT = Path(__file__).resolve().parents[2]
TASK, QUERIES = "emoji-ctrl", 192
VARYING = ("date", "seconds", "peak_memory_bytes", "encoded", "reused")
"""What of a result's `run` record may differ between two runs: when, how fast, in how much memory, and how many of the
embeddings were computed or found in the cache. All else is the same byte for byte."""


@dataclass
class Done:
    """How a process ended: by a signal or with an exit code; what it printed, and how many events a phase had."""

    signal: int | None
    code: object
    printed: str
    counts: dict[str, int] = field(default_factory=dict)


class Driver:
    """The process that forks a child for each run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def runs(self, argv: list[object], **job: Any) -> list[Done]:
        """Run `mbench ARGV` in `times` processes at once."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"argv": [str(one) for one in argv], **job}) + "\n")
        self._process.stdin.flush()
        return [Done(**one) for one in json.loads(self._process.stdout.readline())]

    def run(self, argv: list[object], **job: Any) -> Done:
        """Run `mbench ARGV`."""
        return self.runs(argv, **job)[0]


@dataclass
class Place:
    """A cache and an output folder of one scenario."""

    driver: Driver
    cache: Path
    output: Path

    @property
    def argv(self) -> list[object]:
        """The run that is disturbed."""
        where = ["--cache", self.cache, "-o", self.output]
        return ["run", "-m", "tiny", "-t", TASK, "--limit", QUERIES, "--batch-size", 32, "--offline", *where]

    def run(self, *more: object, **job: Any) -> Done:
        """Run it, with more flags."""
        return self.driver.run([*self.argv, *more], **job)

    def stored(self) -> int:
        """How many vectors the cache holds; all shards must be whole."""
        assert list(damages(self.cache)) == []
        return sum(one.vectors for one in listing(self.cache))

    def result(self) -> dict[str, bytes]:
        """What the run wrote, without what may vary."""
        found = {}
        for path in sorted(self.output.rglob(f"{TASK}*")):
            content = path.read_bytes()
            if path.suffix == ".json":
                value = json.loads(content)
                value["run"] = {key: one for key, one in value["run"].items() if key not in VARYING}
                content = canonical_json(value).encode()
            found[path.name] = content
        return found


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.driver"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield Driver(process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=30)


@pytest.fixture
def place(driver: Driver, tmp_path: Path) -> Place:
    return Place(driver, tmp_path / "cache", tmp_path / "results")


@dataclass
class Reference:
    """An undisturbed run: what it wrote, how many events its phases had, how many vectors it stored."""

    result: dict[str, bytes]
    counts: dict[str, int]
    vectors: int


@pytest.fixture(scope="session")
def reference(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("undisturbed")
    undisturbed = Place(driver, folder / "cache", folder / "results")
    done = undisturbed.run()
    assert done.code == 0, done.printed
    assert len(undisturbed.result()) == 3
    return Reference(undisturbed.result(), done.counts, undisturbed.stored())
