"""`mbench fetch` brings data to disk, and `mbench run` brings what it lacks; failures are messages with exit code 3."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.conftest import Command
from tests.data.fake_hub import COMMIT, FakeHub, Fault
from tests.data.small import declaration, query, write

COLOURS = Path(__file__).parent.parent / "models" / "adapters" / "colours.py"
TASK = "small"
FILES = {"queries": "q.parquet", "candidates": "c.parquet", "pictures": "p.parquet"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A Hub with the tiny task's data; no other machine can be reached."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", f"{address} was asked for"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    for name in ("HF_HUB_OFFLINE", "MBENCH_DATA", "HF_TOKEN", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    made = tmp_path / "made"
    made.mkdir()
    write(made, [query("q1"), query("q2", tiles=["blue"], relevant=["c2"], target=["c2"])])
    with FakeHub({"org/set": {name: (made / name).read_bytes() for name in FILES.values()}}).running() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """A folder with the tiny task, whose data are on the Hub, and one that says only where to ask."""
    folder = tmp_path / "declared"
    folder.mkdir()
    source = {"loader": "emoji", "folder": "family", "options": FILES}
    on_hub = declaration(source={**source, "hub": {"repo": "org/set", "revision": COMMIT, "include": ["*.parquet"]}})
    asked = declaration(
        id="asked", source={**source, "folder": "asked", "files": [{"path": "q.parquet"}], "instructions": "Ask them."}
    )
    for one in (on_hub, asked):
        (folder / f"{one['id']}.yaml").write_text(yaml.safe_dump(one))
    return folder


def test_data_are_fetched_once_and_then_verified(mbench: Command, hub: FakeHub, tasks: Path, tmp_path: Path) -> None:
    first = mbench("fetch", TASK, "--task-dir", tasks, "--data-root", "data")
    assert (first.code, "small: 3 fetched" in first.out) == (0, True), first
    assert "Data folder: data" in first.err
    assert {path.name for path in (tmp_path / "data/family").glob("*.parquet")} == set(FILES.values())
    hub.requests.clear()
    again = mbench("fetch", TASK, "--task-dir", tasks, "--data-root", "data", "--offline")
    assert (again.code, "small: 3 verified on disk" in again.out) == (0, True), again
    assert hub.requests == []


def test_without_a_folder_data_go_below_the_cache_and_are_found_there(
    mbench: Command, hub: FakeHub, tasks: Path, tmp_path: Path
) -> None:
    done = mbench("fetch", TASK, "--task-dir", tasks)
    assert f"Data folder: {tmp_path / 'cache' / 'data'}" in done.err
    done = mbench("run", "-m", "random", "-t", TASK, "--task-dir", tasks, "-o", "out", "--no-cache", "--offline")
    assert done.code == 0, done.err


def test_a_run_fetches_what_it_lacks(mbench: Command, hub: FakeHub, tasks: Path, tmp_path: Path) -> None:
    hub.faults = [Fault("/revision/", status=503), Fault("q.parquet", status=429, wait="1")]
    arguments = ("run", "-m", "random", "-t", TASK, "--task-dir", tasks, "--data-root", "data", "--no-cache", "-o")
    done = mbench(*arguments, "out")
    assert done.code == 0, done.err
    assert "small: fetching" in done.err
    hub.requests.clear()
    assert mbench(*arguments, "again").code == 0
    assert hub.requests == []
    assert mbench(*arguments, "again", "--overwrite", "--offline").code == 0


def test_an_offline_or_dry_run_fetches_nothing(mbench: Command, hub: FakeHub, tasks: Path, tmp_path: Path) -> None:
    arguments = ("run", "-m", "random", "-t", TASK, "--task-dir", tasks, "--data-root", tmp_path / "data", "-o", "out")
    for flag in ("--offline", "--dry-run"):
        done = mbench(*arguments, flag)
        assert done.code == 3
        assert "p.parquet: there is no such file" in done.err
        assert "mbench fetch small" in done.err
    assert hub.requests == []
    assert not (tmp_path / "data").exists()


def test_a_model_that_cannot_embed_the_task_costs_no_download(
    mbench: Command, hub: FakeHub, tasks: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "texts.py"
    adapter.write_text(COLOURS.read_text().replace('["text", "image", "image+text"]', '["text"]'))
    done = mbench("run", "-m", f"{adapter}:Colours", "-t", TASK, "--task-dir", tasks, "--data-root", "data")
    assert (done.code, "cannot embed" in done.err) == (2, True), done.err
    assert hub.requests == []


def test_a_run_that_cannot_fetch_says_which_file_from_where_and_how(mbench: Command, hub: FakeHub, tasks: Path) -> None:
    del hub.repositories["org/set"]
    done = mbench("run", "-m", "random", "-t", TASK, "--task-dir", tasks, "--data-root", "data", "-o", "out")
    assert done.code == 3
    for part in ("data/family", "org/set: there is no such repository", "mbench fetch small", "--data-root"):
        assert part in done.err
    assert "Traceback" not in done.err


def test_one_task_that_cannot_be_fetched_does_not_keep_the_others(mbench: Command, hub: FakeHub, tasks: Path) -> None:
    done = mbench("fetch", f"asked,{TASK}", "--task-dir", tasks, "--data-root", "data")
    assert done.code == 3
    assert "Error: asked: data/asked/q.parquet: there is no such file" in done.err
    assert "Ask them." in done.err
    assert "small: 3 fetched" in done.out


def test_offline_fetch_of_absent_data_is_an_error(
    mbench: Command, hub: FakeHub, tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mbench("fetch", TASK, "--task-dir", tasks, "--data-root", "data", "--offline").code == 3
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = mbench("fetch", TASK, "--task-dir", tasks, "--data-root", "data")
    assert (done.code, "fetching is forbidden" in done.err) == (3, True), done.err
    assert hub.requests == []


def test_shipped_tasks_need_no_fetching(mbench: Command, hub: FakeHub) -> None:
    done = mbench("fetch", "emoji-cls")
    assert (done.code, "emoji-cls: 3 verified on disk" in done.out) == (0, True), done
    assert hub.requests == []


def test_an_unknown_task_is_the_users_mistake(mbench: Command) -> None:
    done = mbench("fetch", "emoji-clas")
    assert (done.code, "emoji-cls" in done.err) == (2, True)


def test_quiet_says_only_errors(mbench: Command, hub: FakeHub, tasks: Path) -> None:
    done = mbench("fetch", TASK, "-q", "--task-dir", tasks, "--data-root", "data")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_result_on_fetched_data_is_that_on_the_users_own(
    mbench: Command, hub: FakeHub, tasks: Path, tmp_path: Path
) -> None:
    write_own = tmp_path / "own" / "family"
    write_own.mkdir(parents=True)
    for name in FILES.values():
        (write_own / name).write_bytes((tmp_path / "made" / name).read_bytes())
    found = []
    for root in ("own", "data"):
        arguments = ("run", "-m", "random", "-t", TASK, "--task-dir", tasks, "--no-cache", "--json")
        done = mbench(*arguments, "--data-root", root, "-o", f"out-{root}")
        assert done.code == 0, done.err
        result = json.loads(done.out)["results"][0]
        found.append((result["metrics"], result["task"]["fingerprint"]))
    assert found[0] == found[1]
