"""What commands load: a run whose vectors are all stored needs no model, and nothing needs pandas or numba."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Command

HEAVY = ("torch", "numba", "pandas", "transformers", "PIL", "datasets", "huggingface_hub", "pyarrow.dataset")
PROGRAM = f"""
import sys
from mbench.cli.main import main
try:
    main()
except SystemExit as done:
    print(done.code, sorted(set({HEAVY!r}) & set(sys.modules)))
"""
MODELS = ("tiny", "tiny-dual", "text-only:tiny", "random")


def loaded(*arguments: object) -> str:
    """Run a command in a process of its own; return its exit code and which of HEAVY it has loaded."""
    words = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.fixture
def warm(mbench: Command, tmp_path: Path) -> Path:
    """A folder with results of a few models on a small task, whose vectors are stored in the cache."""
    for model in MODELS:
        assert mbench("run", "-m", model, "-t", "emoji-cls", "--limit", 40, "-o", tmp_path / "results", "-q").code == 0
    return tmp_path


def test_a_warm_run_loads_no_model_and_finds_the_same(warm: Path) -> None:
    before = evidence(warm / "results")
    arguments = ("-t", "emoji-cls", "--limit", 40, "-o", warm / "again", "-q")
    assert loaded("run", "-m", ",".join(MODELS), *arguments) == "0 []"
    assert evidence(warm / "again") == before
    reused = {
        path.parts[-3]: json.loads(path.read_text())["run"]["encoded"]
        for path in (warm / "again").glob("*/*/emoji-cls.json")
    }
    assert reused == {"tiny": 0, "tiny-dual": 0, "text-only__tiny": 0, "random": 140}


def test_reading_results_loads_nothing_heavy(warm: Path) -> None:
    ranking = next((warm / "results" / "random").glob("*/emoji-cls.ranking.parquet"))
    assert loaded("score", "-t", "emoji-cls", "--predictions", ranking).endswith(" []")
    assert loaded("compare", warm / "results" / "tiny", warm / "results" / "random") == "0 []"


@pytest.mark.parametrize("arguments", [("--help",), ("tasks",), ("models",), ("describe", "tiny")])
def test_what_computes_nothing_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert loaded(*arguments) == "0 []"


def test_checking_a_submission_loads_nothing_heavy() -> None:
    folder = Path(__file__).parents[2] / "submissions" / "constant"
    assert loaded("submit", "check", folder) == "0 []"


def evidence(folder: Path) -> dict[str, bytes]:
    """Return the rankings and the scores by query of all results below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mbench", "tasks", "nope"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "Unknown task or group 'nope'" in done.stderr
