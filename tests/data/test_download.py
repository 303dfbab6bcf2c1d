"""Data are fetched once, whole and verified, into the folder that the task names."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from tests.data.fake_hub import COMMIT, FakeHub, git_hash, sha256
from tests.data.fetching import LARGE, REPO, SMALL, TABLES, below, file_task, got, hub_task, quiet
from tests.data.small import task

from mbench.core.errors import DownloadError
from mbench.data import download
from mbench.data.catalog import Catalog, Task
from mbench.data.download import Fetched, ensure, fetch
from mbench.data.http import check_address
from mbench.data.manifest import NAME, Digest, Manifest
from mbench.data.wanted import wanted_files


def test_the_tables_of_a_repository_arrive_and_its_scripts_do_not(hub: FakeHub, tmp_path: Path) -> None:
    done = got(hub_task(), tmp_path)
    assert below(tmp_path / "family") == TABLES
    assert (done.fetched, done.bytes, done.there) == (4, sum(map(len, TABLES.values())), 0)
    assert hub.asked("set.py") == hub.asked("README") == []
    assert all(COMMIT in one.path for one in hub.asked("/resolve/"))


def test_only_included_files_are_fetched_to_the_folder_that_is_declared(hub: FakeHub, tmp_path: Path) -> None:
    got(hub_task(include=["data/*.jsonl", "qrels.tsv"], folder="repo"), tmp_path)
    assert below(tmp_path / "family") == {"repo/data/test.jsonl": SMALL, "repo/qrels.tsv": REPO["qrels.tsv"]}


def test_a_plain_file_arrives(hub: FakeHub, tmp_path: Path) -> None:
    hub.plain["val.json"] = LARGE
    declared = {"path": "a/val.json", "sha256": sha256(LARGE), "bytes": len(LARGE), "url": f"{hub.url}/plain/val.json"}
    assert got(file_task(declared), tmp_path).fetched == 1
    assert below(tmp_path / "family") == {"a/val.json": LARGE}


def test_a_declared_file_that_the_repository_has_comes_from_there(hub: FakeHub, tmp_path: Path) -> None:
    one = hub_task(include=["list.json"])
    files = [{"path": "list.json", "url": "https://example.org/list.json", "sha256": sha256(REPO["list.json"])}]
    source = one.spec.source.model_dump() | {"files": files}
    got(task(Path("tasks"), source=source), tmp_path)
    assert below(tmp_path / "family") == {"list.json": REPO["list.json"]}


def test_a_branch_is_resolved_to_its_commit(hub: FakeHub, tmp_path: Path) -> None:
    got(hub_task(revision="main"), tmp_path)
    assert len(hub.asked(f"/resolve/{COMMIT}/")) == 4


def test_data_go_to_the_environments_folder_or_below_the_cache(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBENCH_CACHE", str(tmp_path / "cache"))
    assert fetch(hub_task(), None, quiet).folder == tmp_path / "cache/data/family"
    monkeypatch.setenv("MBENCH_DATA", str(tmp_path / "mine"))
    assert fetch(hub_task(), None, quiet).folder == tmp_path / "mine/family"


def test_where_files_come_from_and_go_to_does_not_change_what_a_task_measures() -> None:
    plain = file_task({"path": "list.json"}, hub={"repo": "org/set", "revision": COMMIT})
    archive = {"path": "some.zip", "url": "https://example.org/some.zip", "unpack": "."}
    told = file_task(
        {"path": "list.json", "url": "https://example.org/list.json", "pictures": False},
        archive,
        hub={"repo": "org/set", "revision": COMMIT, "folder": "a", "unpack": "b"},
    )
    assert told.fingerprint == plain.fingerprint
    assert (
        file_task({"path": "list.json", "sha256": "0" * 64}).fingerprint != file_task({"path": "list.json"}).fingerprint
    )


def test_what_is_on_disk_and_verified_is_not_fetched_again(hub: FakeHub, tmp_path: Path) -> None:
    got(hub_task(), tmp_path)
    hub.requests.clear()
    assert got(hub_task(), tmp_path) == Fetched(tmp_path / "family", there=4)
    assert hub.requests == []
    assert got(hub_task(), tmp_path, offline=True).there == 4


def test_files_that_a_user_put_there_are_verified_and_kept(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "family/data").mkdir(parents=True)
    for name in ("data/test.jsonl", "data/big.parquet"):
        (tmp_path / "family" / name).write_bytes(REPO[name])
    done = got(hub_task(), tmp_path)
    assert (done.there, done.fetched) == (2, 2)
    assert hub.asked("big.parquet") == hub.asked("test.jsonl") == []


def test_a_verified_file_is_not_read_again(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got(hub_task(), tmp_path)
    read: list[Path] = []
    original = Digest.of
    monkeypatch.setattr(Digest, "of", staticmethod(lambda path: read.append(path) or original(path)))
    got(hub_task(), tmp_path)
    assert read == []
    os.utime(tmp_path / "family/list.json", ns=(1, 1))
    got(hub_task(), tmp_path)
    assert [path.name for path in read] == ["list.json"]


def test_a_file_that_changed_is_fetched_again_and_the_old_one_kept(hub: FakeHub, tmp_path: Path) -> None:
    got(hub_task(), tmp_path)
    (tmp_path / "family/list.json").write_bytes(b"[3, 4]")
    said: list[str] = []
    fetch(hub_task(), tmp_path, said.append)
    assert below(tmp_path / "family") == TABLES | {"list.json.replaced": b"[3, 4]"}
    assert any("list.json.replaced" in one for one in said)


@pytest.mark.parametrize("content", [b"", b"{", b'{"files": 3}', b'{"schema_version": 9}', b"\xff\xfe"])
def test_a_damaged_manifest_costs_a_reading_and_no_download(hub: FakeHub, tmp_path: Path, content: bytes) -> None:
    got(hub_task(), tmp_path)
    (tmp_path / "family" / NAME).write_bytes(content)
    hub.requests.clear()
    assert got(hub_task(), tmp_path).there == 4
    assert hub.asked("/resolve/") == []
    assert set(Manifest.read(tmp_path / "family").files) == set(TABLES)


def test_two_fetches_at_once_do_not_meet(hub: FakeHub, tmp_path: Path) -> None:
    said: list[str] = []
    threads = [threading.Thread(target=fetch, args=(hub_task(), tmp_path, said.append)) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert below(tmp_path / "family") == TABLES
    assert len(hub.asked("/resolve/")) == 4
    assert set(Manifest.read(tmp_path / "family").files) == set(TABLES)


def test_the_manifest_tells_what_was_verified(hub: FakeHub, tmp_path: Path) -> None:
    got(hub_task(), tmp_path)
    found = json.loads((tmp_path / "family" / NAME).read_text())
    path = tmp_path / "family/data/big.parquet"
    assert found["files"]["data/big.parquet"] == {
        "size": len(LARGE),
        "sha256": sha256(LARGE),
        "git": git_hash(LARGE),
        "modified": path.stat().st_mtime_ns,
    }
    assert found["repositories"][f"dataset:org/set@{COMMIT}"]["commit"] == COMMIT


@pytest.mark.parametrize("include", [["list.json"], ["data/*.jsonl", "images.zip.part-*"]])
def test_a_run_asks_nobody_when_its_tables_are_there(hub: FakeHub, tmp_path: Path, include: list[str]) -> None:
    (tmp_path / "family/data").mkdir(parents=True)
    for name in ("list.json", "data/test.jsonl"):
        (tmp_path / "family" / name).write_bytes(b"the user's own")
    ensure(hub_task(include=include), tmp_path, quiet)
    assert hub.requests == []


def test_a_run_does_not_fetch_gigabytes_unasked(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "MOST_UNASKED", 1000)
    with pytest.raises(DownloadError, match=r"10\.3 kB, more than a run fetches unasked.*mbench fetch small"):
        ensure(hub_task(), tmp_path, quiet)
    assert hub.asked("/resolve/") == []


def test_a_run_that_cannot_fetch_names_the_file_the_address_and_the_command(hub: FakeHub, tmp_path: Path) -> None:
    url = f"{hub.url}/plain/val.json"
    with pytest.raises(DownloadError) as error:
        ensure(file_task({"path": "val.json", "url": url}), tmp_path, quiet)
    assert all(part in str(error.value) for part in (str(tmp_path / "family/val.json"), url, "mbench fetch small"))


@pytest.mark.parametrize("one", Catalog.read().all_tasks.values(), ids=lambda one: one.id)
def test_what_a_shipped_task_declares_can_be_fetched(one: Task, tmp_path: Path) -> None:
    source = one.spec.source
    files = [] if source.shipped else wanted_files(source, tmp_path, None)
    for file in source.files:
        if file.url is not None:
            check_address(file.url)
    assert [file.path for file in files if file.is_large and file.unpack is None] == [], "never unpacked"
    packed = any(file.unpack is not None for file in files)
    assert [file.path for file in files if not (file.origin or packed)] == [], "nowhere to be had"


def test_what_no_address_is_declared_for_is_left_to_loading(hub: FakeHub, tmp_path: Path) -> None:
    ensure(file_task({"path": "val.json"}), tmp_path, quiet)
    assert not (tmp_path / "family").exists()
    (tmp_path / "family").mkdir()
    (tmp_path / "family/there.json").write_bytes(b"{}")
    files = ({"path": "there.json", "url": f"{hub.url}/plain/there.json"}, {"path": "val.json"})
    ensure(file_task(*files), tmp_path, quiet)
    assert [path.name for path in (tmp_path / "family").iterdir()] == ["there.json"]
