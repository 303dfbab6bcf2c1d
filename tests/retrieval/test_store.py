"""Stored embeddings: found again by content, refused when anything about them is not what was written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbench.core.errors import OutputError
from mbench.core.types import Keys, Rows, Vectors
from mbench.retrieval.held import FileShard, MemoryShard
from mbench.retrieval.keys import Located
from mbench.retrieval.shards import Shard, ShardError, write_shard
from mbench.retrieval.space import SHARE
from mbench.retrieval.store import Store, holds_shards
from mbench.retrieval.upkeep import damages, removals, remove

MODEL = "0123456789abcdef"


def keys(*numbers: int) -> Keys:
    return np.array([[number] * 16 for number in numbers], dtype=np.uint8)


def vectors(*numbers: int) -> Vectors:
    return np.array([[number, number + 0.5] for number in numbers], dtype=np.float32)


def store(cache: Path | None, told: list[str] | None = None, memory: int | None = None) -> Store:
    return Store(cache, MODEL, "query", [].append if told is None else told.append, memory=memory)


def read(one: Store, asked: Keys) -> tuple[Rows, dict[int, list[float]]]:
    found: Located = one.find(asked)
    values = {}
    for places, some in one.read(found):
        values |= dict(zip(places.tolist(), some.tolist(), strict=True))
    return found.shards, values


@pytest.mark.parametrize("cached", [True, False])
def test_vectors_come_back_to_the_keys_they_were_stored_under(tmp_path: Path, cached: bool) -> None:
    one = store(tmp_path if cached else None)
    one.add(keys(1, 2), vectors(1, 2))
    one.add(keys(3), vectors(3))
    _, values = read(one, keys(3, 9, 2, 3))
    assert values == {0: [3, 3.5], 2: [2, 2.5], 3: [3, 3.5]}


def test_without_a_cache_only_a_share_of_memory_is_taken_and_the_rest_lies_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All vectors of a large pool in memory would break --memory."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    one = store(None, memory=SHARE * vectors(1, 2).nbytes)
    for number in range(9):
        one.add(keys(number), vectors(number))
    kinds = [type(shard) for shard in one._shards]
    assert kinds == [MemoryShard] * 2 + [FileShard] * 7
    assert read(one, keys(*range(8, -1, -1)))[1] == {8 - n: [n, n + 0.5] for n in range(9)}
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_named_where_memory_may_take_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(OutputError, match=r"memory may not take \(No space left on device\).*--cache.*--memory"):
        store(None, memory=0).add(keys(1), vectors(1))


def test_a_file_that_was_cut_short_counts_as_not_stored() -> None:
    one = store(None, memory=0)
    one.add(keys(1), vectors(1))
    one.add(keys(2), vectors(2))
    (last,) = one._shards[1:]
    assert isinstance(last, FileShard)
    last.file.truncate(last.start + 3)
    assert read(one, keys(1, 2))[1] == {0: [1, 1.5]}
    assert read(one, keys(2))[0].tolist() == [-1]


def test_a_cache_that_cannot_be_written_serves_and_new_vectors_are_kept_for_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path).add(keys(1, 2), vectors(1, 2))
    before = sorted(tmp_path.rglob("*.safetensors"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    one = store(tmp_path)
    one.add(keys(3), vectors(3))
    assert one.cache is None and sorted(tmp_path.rglob("*.safetensors")) == before
    where, found = read(one, keys(1, 2, 3, 4))
    assert sorted(found) == [0, 1, 2] and where[3] < 0
    assert holds_shards(tmp_path) and not holds_shards(tmp_path / "other")


def test_what_another_process_stored_meanwhile_is_found(tmp_path: Path) -> None:
    one, other = store(tmp_path), store(tmp_path)
    assert read(one, keys(1))[1] == {}
    other.add(keys(1), vectors(1))
    assert read(one, keys(1))[1] == {0: [1, 1.5]}


def test_a_shard_that_is_removed_during_a_run_counts_as_not_stored(tmp_path: Path) -> None:
    told: list[str] = []
    one = store(tmp_path, told)
    one.add(keys(1), vectors(1))
    found = one.find(keys(1))
    next(tmp_path.rglob("*.safetensors")).unlink()
    assert list(one.read(found)) == [] and "set aside" in told[0]
    assert one.find(keys(1)).shards.tolist() == [-1]


def test_a_shard_is_a_safetensors_file(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(write_shard(tmp_path, keys(1, 2), vectors(1, 2)))
    assert (tensors["keys"] == keys(1, 2)).all() and (tensors["vectors"] == vectors(1, 2)).all()


def test_shards_of_an_older_version_are_set_aside_and_said_so(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    folder = tmp_path / MODEL / "query"
    folder.mkdir(parents=True)
    save_file({"keys": keys(1), "vectors": vectors(1)}, folder / "old.safetensors", {"sha256": "ab"})
    told: list[str] = []
    assert read(store(tmp_path, told), keys(1))[1] == {}
    assert "not a shard of this version of mbench" in told[0]


@given(st.data())
def test_no_flipped_bit_and_no_missing_byte_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write_shard(tmp_path_factory.mktemp("shard"), keys(1, 2), vectors(1, 2))
    whole = path.read_bytes()
    content = bytearray(whole)
    if data.draw(st.booleans(), "flip"):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    path.write_bytes(content)
    try:
        shard = Shard.open(path)
        read_keys, read_vectors = shard.keys(), shard.vectors()
    except ShardError:
        return
    # What is not covered is white space and names in the header: the numbers are still those that were written.
    assert (read_keys == keys(1, 2)).all() and (read_vectors == vectors(1, 2)).all()


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device.*choose another --cache, or use --no-cache"):
        store(tmp_path).add(keys(1), vectors(1))
    assert not list(tmp_path.rglob("*safetensors*"))


def test_a_shard_that_half_written_was_left_behind_is_not_read(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.add(keys(1), vectors(1))
    path = next(tmp_path.rglob("*.safetensors"))
    path.with_name(f".{path.name}.x7.safetensors").write_bytes(b"half")
    told: list[str] = []
    assert read(store(tmp_path, told), keys(1))[1] == {0: [1, 1.5]} and told == []


def test_a_model_is_described_beside_its_shards(tmp_path: Path) -> None:
    Store(tmp_path, MODEL, "query", print, {"id": "tiny"}).add(keys(1), vectors(1))
    assert json.loads((tmp_path / MODEL / "model.json").read_text()) == {"id": "tiny"}


def test_a_pipe_is_set_aside_and_a_folder_left_alone(tmp_path: Path) -> None:
    """Opening a pipe would wait for ever."""
    told: list[str] = []
    store(tmp_path).add(keys(1), vectors(1))
    folder = tmp_path / MODEL / "query"
    (folder / "a.safetensors").mkdir()
    (folder / "b.damaged").mkdir()
    os.mkfifo(folder / "c.safetensors")
    assert [one.reason for one in damages(tmp_path)] == ["not a file"]
    assert read(store(tmp_path, told), keys(1))[1] == {0: [1, 1.5]}
    assert len(told) == 1 and "c.safetensors: damaged shard of embeddings, set aside: not a file" in told[0]
    remove(removals(tmp_path))
    assert {"a.safetensors", "b.damaged"} < {one.name for one in folder.iterdir()}
    assert not list(folder.glob("c.*"))
