"""What cannot be fetched has its own message: not there, not open, offline, not safe, no room on the disk."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.data.fake_hub import FakeHub, Fault
from tests.data.fetching import LARGE, SMALL, below, file_task, got, hub_task, quiet, refused

from mbench.core.errors import DownloadError, SpecError
from mbench.data import download
from mbench.data.download import ensure, fetch
from mbench.data.manifest import NAME


def test_a_repository_or_revision_that_is_not_there_is_named(hub: FakeHub, tmp_path: Path) -> None:
    assert "org/none: there is no such repository" in refused(hub_task(repo="org/none"), tmp_path)
    assert "there is no revision 'v9'" in refused(hub_task(revision="v9"), tmp_path)
    assert "no name of a repository" in refused(hub_task(repo="a/b/c"), tmp_path)


def test_a_gated_repository_says_how_to_be_let_in(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gated.add("org/set")
    for token in ("", "hf_wrong"):
        monkeypatch.setenv("HF_TOKEN", token)
        assert "access is restricted. Accept its terms" in refused(hub_task(), tmp_path)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert got(hub_task(), tmp_path).fetched == 4


def test_the_token_goes_to_the_hub_alone(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    hub.plain["val.json"] = SMALL
    with FakeHub(dict(hub.repositories)).running() as store:
        hub.store = store.url
        got(hub_task(), tmp_path)
    assert [one.headers.get("authorization") for one in store.requests] == [None]
    got(file_task({"path": "val.json", "url": f"{hub.url}/plain/val.json"}), tmp_path)
    assert {one.headers.get("authorization") for one in hub.asked("/resolve/")} == {"Bearer hf_right"}
    assert [one.headers.get("authorization") for one in hub.asked("val.json")] == [None]
    assert "hf_right" not in (tmp_path / "family" / NAME).read_text()


def test_a_file_that_no_pattern_fits_is_missing(hub: FakeHub, tmp_path: Path) -> None:
    said = refused(hub_task(include=["list.json", "date/big.parquet", "lists.json"]), tmp_path)
    assert "no file that fits 'date/big.parquet', 'lists.json'" in said
    assert "like data/big.parquet" in said


def test_a_plain_file_that_is_not_there_or_not_open_is_named(hub: FakeHub, tmp_path: Path) -> None:
    url = f"{hub.url}/plain/val.json"
    assert f"{url}: the server has no such file (404" in refused(file_task({"path": "val.json", "url": url}), tmp_path)
    hub.faults = [Fault("val.json", status=403)]
    assert f"{url}: the server refuses access (403" in refused(file_task({"path": "val.json", "url": url}), tmp_path)


@pytest.mark.parametrize(
    "url", ["http://example.org/a.json", "ftp://127.0.0.1/a.json", "file:///etc/passwd", "http://127.0.0.1.evil.org/x"]
)
def test_other_addresses_than_https_are_refused(tmp_path: Path, url: str, hub: FakeHub) -> None:
    assert "only addresses that begin with https" in refused(file_task({"path": "a.json", "url": url}), tmp_path)
    hub.redirects["/plain/a.json"] = url
    one = file_task({"path": "a.json", "url": f"{hub.url}/plain/a.json"})
    assert "fetched" in refused(one, tmp_path)
    assert below(tmp_path / "family") == {}


@pytest.mark.parametrize("name", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "a\\evil.json"])
def test_a_name_in_the_list_of_the_hub_cannot_leave_the_folder(hub: FakeHub, tmp_path: Path, name: str) -> None:
    hub.repositories["org/set"][name] = b"{}"
    try:
        got(hub_task(), tmp_path / "root")
    except DownloadError as error:
        assert "is not safe" in str(error)
    assert not list(tmp_path.rglob("*evil*"))
    assert hub.asked("evil") == []
    with pytest.raises(SpecError, match="cannot be used"):
        got(file_task({"path": name, "url": f"{hub.url}/x.json"}), tmp_path / "root")


def test_no_script_is_fetched_even_if_a_task_asks_for_it(hub: FakeHub, tmp_path: Path) -> None:
    assert "no file that fits 'set.py'" in refused(hub_task(include=["set.py"]), tmp_path)
    with pytest.raises(SpecError, match="none of the kinds"):
        got(file_task({"path": "set.py", "url": f"{hub.url}/plain/set.py"}), tmp_path)


def test_offline_asks_nobody_and_says_what_lacks(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(hub_task(include=["list.json", "data/*.parquet"]), tmp_path, offline=True)
    assert "family/data/*.parquet: there is no such file" in said or "family/list.json: there is no such file" in said
    one = file_task({"path": "val.json", "url": f"{hub.url}/plain/val.json"})
    assert "lacks val.json, and fetching is forbidden" in refused(one, tmp_path, offline=True)
    assert hub.requests == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ensure(one, tmp_path, quiet)
    assert hub.requests == []


def test_a_file_with_no_address_comes_with_the_instructions(tmp_path: Path) -> None:
    one = file_task({"path": "val.json"}, instructions="Ask the authors.")
    said = refused(one, tmp_path)
    assert "family/val.json: there is no such file, and no address of it is declared" in said
    assert "Ask the authors." in said
    (tmp_path / "family/val.json").write_bytes(b"{}")
    assert got(one, tmp_path).there == 1


def test_a_full_disk_is_noticed_before_anything_is_fetched(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 0, 100))
    said = refused(hub_task(), tmp_path)
    assert "10.3 kB are to be fetched" in said
    assert "100 bytes are free" in said
    assert hub.asked("/resolve/") == []


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize(
    ("code", "said"), [(errno.ENOSPC, "no space left"), (errno.EACCES, "may not write"), (errno.EDQUOT, "quota")]
)
def test_what_the_disk_refuses_is_named_and_not_tried_again(
    hub: FakeHub, tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch, plain: bool, code: int, said: str
) -> None:
    hub.plain["big.parquet"] = LARGE
    original = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, content: bytes) -> int:
            raise OSError(code, os.strerror(code))

    def opened(path: Path, *arguments: Any, **more: Any) -> Any:
        file = original(path, *arguments, **more)
        return Full(file) if path.suffix == ".part" and "b" in str(arguments) else file

    monkeypatch.setattr(Path, "open", opened)
    url = f"{hub.url}/plain/big.parquet"
    one = file_task({"path": "b.parquet", "url": url}) if plain else hub_task(include=["data/big.parquet"])
    found = refused(one, tmp_path)
    assert said in found
    assert "--data-root" in found
    assert waits == []


def test_a_folder_that_cannot_be_written_is_verified(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    got(hub_task(), tmp_path)
    (tmp_path / "family" / NAME).unlink()

    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("filelock.FileLock.acquire", forbidden)
    monkeypatch.setattr("mbench.core.files.tempfile.mkstemp", forbidden)
    said: list[str] = []
    assert fetch(hub_task(), tmp_path, said.append).there == 4
    assert any("only verified" in one for one in said)
    assert any("not remembered" in one for one in said)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "family").write_text("a file")
    assert "a file lies where a folder is needed" in refused(hub_task(), tmp_path)
