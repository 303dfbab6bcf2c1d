"""`mbench cache`: tells what is stored, finds damage, removes what it may and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Command

from mbench.core.types import Role
from mbench.retrieval.store import Store

TINY, OTHER = "0123456789abcdef", "fedcba9876543210"


def fill(cache: Path, fingerprint: str, model: str, role: Role = "query", days: float = 0, shards: int = 1) -> None:
    """Store shards of 4 vectors [4, 8] that were last used `days` ago."""
    store = Store(cache, fingerprint, role, print, {"id": model})
    for number in range(shards):
        keys = np.full((4, 16), number, dtype=np.uint8)
        keys[:, 0] = range(4)
        store.add(keys, np.ones((4, 8), dtype=np.float32))
    past = time.time() - days * 86400
    for path in (cache / fingerprint / role).iterdir():
        os.utime(path, (past, past))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    fill(folder, TINY, "tiny", days=1, shards=2)
    fill(folder, TINY, "tiny", "candidate", days=40)
    fill(folder, OTHER, "other", days=50)
    return folder


def shards(cache: Path) -> list[str]:
    return sorted(f"{p.parent.parent.name[0]}/{p.parent.name}" for p in cache.rglob("*.safetensors"))


def test_ls_tells_model_role_and_sizes_the_least_recently_used_first(mbench: Command, cache: Path) -> None:
    rows = json.loads(mbench("cache", "ls", "--cache", cache, "--json").out)
    assert [(r["model"], r["role"], r["vectors"], r["dimension"], r["shards"]) for r in rows] == [
        ("other", "query", 4, 8, 1),
        ("tiny", "candidate", 4, 8, 1),
        ("tiny", "query", 8, 8, 2),
    ]
    assert all(row["bytes"] > 4 * 8 * 4 and row["last_used"].endswith("+00:00") for row in rows)
    table = mbench("cache", "ls", "--cache", cache, "-m", "tiny").out
    assert TINY in table and OTHER not in table


def test_an_empty_cache_and_a_missing_folder_are_told_apart(mbench: Command, tmp_path: Path) -> None:
    assert mbench("cache", "ls", "--json").out.strip() == "[]"
    missing = mbench("cache", "ls", "--cache", tmp_path / "none")
    assert missing.code == 2 and f"there is no folder {tmp_path / 'none'}" in missing.err


def test_an_unknown_model_is_answered_with_the_nearest(mbench: Command, cache: Path) -> None:
    done = mbench("cache", "gc", "--cache", cache, "-m", "tyni")
    assert done.code == 2 and "Did you mean 'tiny'" in done.err
    assert len(shards(cache)) == 4


def test_verify_names_each_damaged_shard_and_changes_nothing(mbench: Command, cache: Path) -> None:
    assert mbench("cache", "verify", "--cache", cache).out.strip() == "4 shards, 0 damaged."
    bad = next((cache / OTHER / "query").glob("*.safetensors"))
    bad.write_bytes(bad.read_bytes()[:-1])
    done = mbench("cache", "verify", "--cache", cache)
    assert done.code == 1 and f"{bad}: " in done.out and "4 shards, 1 damaged" in done.out
    found = json.loads(mbench("cache", "verify", "--cache", cache, "--json").out)
    assert found["shards"] == 4 and [one["path"] for one in found["damaged"]] == [str(bad)]
    assert bad.exists()


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([], ["0/candidate", "0/query", "0/query", "f/query"]),
        (["--older-than", "45d"], ["0/candidate", "0/query", "0/query"]),
        (["--older-than", "30d"], ["0/query", "0/query"]),
        (["--older-than", "30d", "-m", "other"], ["0/candidate", "0/query", "0/query"]),
        (["--max-size", "1500"], ["0/query", "0/query"]),
        (["--max-size", "900"], ["0/query"]),
        (["-m", "tiny"], ["f/query"]),
        (["-m", OTHER], ["0/candidate", "0/query", "0/query"]),
    ],
)
def test_gc_removes_by_age_size_and_model_the_least_recently_used_first(
    mbench: Command, cache: Path, arguments: list[str], left: list[str]
) -> None:
    dry = mbench("cache", "gc", "--cache", cache, *arguments, "--dry-run")
    assert len(shards(cache)) == 4 and f"{4 - len(left)} files" in dry.out
    done = mbench("cache", "gc", "--cache", cache, *arguments)
    assert done.code == 0 and shards(cache) == left
    assert {path.name for path in cache.iterdir()} == {TINY if one[0] == "0" else OTHER for one in left}


def test_gc_removes_damaged_shards_and_old_half_written_ones_and_nothing_else(mbench: Command, cache: Path) -> None:
    folder = cache / TINY / "query"
    first, second = sorted(folder.glob("*.safetensors"))
    first.write_bytes(b"nonsense")
    (folder / "x.damaged").write_bytes(b"nonsense")
    old, fresh = (folder / f".{second.name}.{name}" for name in ("old", "fresh"))
    for path in (old, fresh, cache / "notes.txt", folder / "notes.txt"):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    (cache / "arrow" / "query").mkdir(parents=True)
    (cache / "arrow" / "query" / "mine.safetensors").write_bytes(b"of somebody else")
    found = json.loads(mbench("cache", "gc", "--cache", cache, "--json").out)
    assert {Path(one["path"]) for one in found["files"]} == {first, folder / "x.damaged", old}
    assert not first.exists() and not old.exists()
    assert second.exists() and fresh.exists() and (folder / "notes.txt").exists() and (cache / "notes.txt").exists()
    assert (cache / "arrow" / "query" / "mine.safetensors").exists()


@pytest.mark.parametrize("flag", ["--older-than", "--max-size"])
def test_a_limit_that_is_none_is_refused(mbench: Command, cache: Path, flag: str) -> None:
    done = mbench("cache", "gc", "--cache", cache, flag, "soon")
    assert done.code == 2 and flag in done.err and "'soon'" in done.err


def test_a_second_run_reads_what_ls_lists(mbench: Command, tmp_path: Path) -> None:
    cache = tmp_path / "mine"
    run = ["run", "-m", "tiny", "-t", "emoji-cls", "--limit", "20", "--cache", cache, "--json", "-q"]
    first = json.loads(mbench(*run, "-o", tmp_path / "a").out)["results"][0]
    rows = json.loads(mbench("cache", "ls", "--cache", cache, "--json").out)
    assert {row["model"] for row in rows} == {"tiny"}
    assert sum(row["vectors"] for row in rows) == first["run"]["encoded"] > 0
    second = json.loads(mbench(*run, "-o", tmp_path / "b").out)["results"][0]
    assert second["run"]["encoded"] == 0 and second["metrics"] == first["metrics"]
    third = json.loads(mbench(*run, "-o", tmp_path / "c", "--dtype", "bf16").out)["results"][0]
    assert third["run"]["reused"] == 0
