"""What can happen to a cache on disk: two runs at once, no room, no permission, damage. Never a wrong number."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.conftest import Place, Reference

pytestmark = pytest.mark.faults


def shards(place: Place) -> list[Path]:
    return sorted(place.cache.rglob("*.safetensors"))


def mount(folder: Path, *options: str) -> None:
    """Mount a file system in memory, or change the one that is there; skip where that is not allowed."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here: {getattr(error, 'stderr', error)}")


@pytest.fixture
def disk(place: Place) -> Iterator[Path]:
    """The cache as a file system of its own, with room for a few shards."""
    mount(place.cache, "size=400k")
    yield place.cache
    subprocess.run(["umount", "--lazy", str(place.cache)], check=True)


def test_two_runs_at_once_share_a_cache(place: Place, reference: Reference) -> None:
    for done in place.driver.runs(place.argv, times=2):
        assert done.code == 0, done.printed
    assert place.stored() >= reference.vectors
    assert place.result() == reference.result
    log = place.output / "encoded.txt"
    assert place.run("--overwrite", log=str(log)).code == 0
    assert place.result() == reference.result
    assert log.read_text() == ""


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(
    place: Place, reference: Reference, disk: Path
) -> None:
    done = place.run()
    assert done.code == 2
    assert "No space left on device" in done.printed and str(disk) in done.printed
    assert "choose another --cache" in done.printed and "Traceback" not in done.printed
    kept = place.stored()
    assert 0 < kept < reference.vectors and place.result() == {}
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
    assert place.run().code == 0
    assert place.result() == reference.result
    assert place.stored() == reference.vectors


def test_a_read_only_cache_serves_what_it_holds_and_what_is_damaged_in_it_is_encoded_for_this_run(
    place: Place, reference: Reference, disk: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
    assert place.run().code == 0
    damaged = shards(place)[0]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    log = place.output.parent / "encoded.txt"
    done = place.run("--overwrite", log=str(log))
    assert done.code == 0 and "Stored embeddings are used; new ones are kept for this run only" in done.printed
    assert str(damaged) in done.printed and place.result() == reference.result
    assert 0 < sum(map(int, log.read_text().split())) < reference.vectors


def test_a_read_only_cache_that_holds_nothing_is_refused_before_anything_is_encoded(place: Place, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    log = place.output.parent / "encoded.txt"
    done = place.run(log=str(log))
    assert done.code == 2 and f"{disk}: cannot be written (Read-only file system)" in done.printed
    assert "Traceback" not in done.printed and log.read_text() == ""


@pytest.mark.parametrize("what", ["truncated", "emptied", "a flipped byte", "a flipped byte in the keys"])
def test_damaged_shards_are_named_and_encoded_again(place: Place, reference: Reference, what: str) -> None:
    assert place.run().code == 0
    damaged = shards(place)[::3]
    for path in damaged:
        content = bytearray(path.read_bytes())
        content[-1 if "keys" in what else len(content) // 2] ^= 4
        path.write_bytes({"truncated": content[:-100], "emptied": b""}.get(what, content))
    verified = place.driver.run(["cache", "verify", "--cache", place.cache])
    assert verified.code == 1 and all(str(path) in verified.printed for path in damaged)
    log = place.output / "encoded.txt"
    done = place.run("--overwrite", log=str(log))
    assert done.code == 0 and all(str(path) in done.printed for path in damaged)
    assert sum(map(int, log.read_text().split())) > 0
    assert place.result() == reference.result
    assert place.stored() == reference.vectors
    removed = place.driver.run(["cache", "gc", "--cache", place.cache])
    assert removed.code == 0 and f"{len(damaged)} files" in removed.printed
    assert place.stored() == reference.vectors
