"""`mbench tasks`, `models`, `describe`, and how fast the command line answers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.cli.conftest import Command

HEAVY = ("torch", "transformers", "PIL", "pyarrow", "datasets", "pandas", "numpy")


def test_tasks_can_be_listed_for_people_and_programs(mbench: Command) -> None:
    assert "emoji-ctrl" in mbench("tasks", "emoji-*").out
    listed = json.loads(mbench("tasks", "emoji-c*", "--json").out)
    assert {"emoji-ctrl", "emoji-cir", "emoji-cls"} <= {task["id"] for task in listed["tasks"]}
    assert all(task["primary"] in task["metrics"] for task in listed["tasks"])


def test_models_can_be_listed_for_people_and_programs(mbench: Command) -> None:
    assert "tiny-dual" in mbench("models").out
    listed = json.loads(mbench("models", "tiny*", "--json").out)
    assert [card["id"] for card in listed] == ["tiny", "tiny-dual"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("emoji-ctrl", ["recall_subset@1", "protocol", "Noto", "license", "traps"]),
        ("emoji", ["emoji-union", "mean of primary"]),
        ("tiny", ["parameters", "modalities", "license"]),
    ],
)
def test_describe_tells_what_is_known(mbench: Command, name: str, words: list[str]) -> None:
    done = mbench("describe", name)
    assert done.code == 0 and all(word in done.out for word in words), done.out


@pytest.mark.parametrize("command", [["tasks", "emojy"], ["models", "tinny"], ["describe", "tinny"], ["explain"], []])
def test_an_unknown_name_is_exit_code_2(mbench: Command, command: list[str]) -> None:
    done = mbench(*command)
    assert done.code == 2 and "Traceback" not in done.err


def test_version(mbench: Command) -> None:
    done = mbench("--version")
    assert done.code == 0 and done.out.startswith("mbench 0.")


@pytest.mark.parametrize("command", ["['--help']", "['run', '--help']"])
def test_help_loads_nothing_heavy(command: str) -> None:
    program = f"""
import sys
from mbench.cli.main import main
sys.argv = ['mbench', *{command}]
try:
    main()
except SystemExit:
    print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_a_model_that_has_seen_a_task_passes_for_zero_shot(mbench: Command) -> None:
    done = mbench("describe", "cirr", "--model", "uniir-clip-sf")
    assert done.code == 0 and "seen" in done.out and "trained on m-beir, which holds cirr" in done.out
    done = mbench("describe", "emoji", "-m", "tiny")
    assert done.out.count("unseen") == 6 and "fluent-emoji-flat" in done.out
    for arguments in (("cirr", "-m", "uniir"), ("tiny", "-m", "tiny")):
        done = mbench("describe", *arguments)
        assert done.code == 2 and "Traceback" not in done.err
