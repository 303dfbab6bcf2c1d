"""`mbench check-model`: a table or JSON, and an exit code that a CI can trust."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Command

ADAPTERS = Path(__file__).resolve().parents[1] / "models" / "adapters" / "conforming.py"


def test_the_embedded_model_passes(mbench: Command) -> None:
    done = mbench("check-model", "tiny", "--offline")
    assert done.code == 0, done.out + done.err
    assert " 0 fail" in done.out and "spawned, same vectors" in done.out


def test_a_failure_is_shown_and_ends_with_exit_code_1(mbench: Command) -> None:
    done = mbench("check-model", f"{ADAPTERS}:IgnoresInstructions", "--no-worker", "-q")
    assert done.code == 1
    assert " 1 fail" in done.out and "another instruction changes nothing" in done.out
    assert "spawned" not in done.out and done.err == ""


def test_json_names_every_check_with_its_numbers(mbench: Command) -> None:
    done = mbench("check-model", f"{ADAPTERS}:AddsTheMeanOfItsBatch", "--no-worker", "--json")
    assert done.code == 1
    report = json.loads(done.out)
    assert report["id"] == "sound" and sum(report["counts"].values()) == len(report["checks"])
    (failed,) = [one for one in report["checks"] if one["result"] == "fail"]
    assert (failed["group"], failed["check"]) == ("repetition", "alone or in a batch")
    assert failed["measured"]["gap"] > failed["measured"]["tolerance"] == 1e-5


def test_what_an_adapter_prints_here_or_in_a_worker_does_not_spoil_the_json(tmp_path: Path) -> None:
    noisy = ADAPTERS.read_text().replace("        return cls()", '        print("hello")\n        return cls()')
    (tmp_path / "noisy.py").write_text(noisy)
    program = [sys.executable, "-c", "from mbench.cli.main import main; main()"]
    command = [*program, "check-model", str(tmp_path / "noisy.py:Sound"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.count("hello") == 2, done.stderr
    assert done.returncode == 0 and json.loads(done.stdout)["counts"]["fail"] == 0


def test_markup_in_a_message_of_an_adapter_is_shown_as_it_is(mbench: Command, tmp_path: Path) -> None:
    text = ADAPTERS.read_text().replace("the text is too long", "[red]too long[/red] [/]")
    (tmp_path / "marked.py").write_text(text)
    done = mbench("check-model", tmp_path / "marked.py:RefusesWithoutAName", "--no-worker")
    assert done.code == 1 and "[red]too long[/red] [/]" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tinny"], 2, "Did you mean 'tiny'"),
        (["tiny", "--model-args", "checkpiont=x"], 2, "Did you mean 'checkpoint'"),
        (["tiny", "--dtype", "fp31"], 2, "--dtype"),
        (["tiny", "--batch-size", "0"], 2, "--batch-size"),
        (["absent.py:Class"], 2, "no such file"),
        ([f"{ADAPTERS}:Sond"], 2, "Did you mean 'Sound'"),
        ([f"{ADAPTERS}:NeverHasMemory"], 3, "out of memory"),
        ([], 2, "Missing argument"),
    ],
)
def test_a_mistake_and_a_missing_model_have_their_own_exit_codes(
    mbench: Command, arguments: list[str], code: int, words: str
) -> None:
    done = mbench("check-model", *arguments)
    assert done.code == code and words in done.err, done.err
    assert "Traceback" not in done.err


def test_a_checkpoint_that_is_not_there_is_unavailable(mbench: Command, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = mbench("check-model", "clip", "--offline", "--model-args", f"checkpoint={tmp_path / 'empty'}")
    assert done.code == 3 and "Traceback" not in done.err, done.err
