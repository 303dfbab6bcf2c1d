"""Servers that are busy, connections that are cut and content that is wrong never leave a wrong file."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.data.fake_hub import FakeHub, Fault, git_hash, sha256
from tests.data.fetching import LARGE, REPO, SMALL, TABLES, below, file_task, got, hub_task, refused

from mbench.data import http, patience


@pytest.mark.parametrize("where", ["/revision/", "/tree/", "list.json", "/store/"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again(hub: FakeHub, tmp_path: Path, waits: list[float], where: str, status: int) -> None:
    hub.faults = [Fault(where, status=status, times=2)]
    got(hub_task(), tmp_path)
    assert below(tmp_path / "family") == TABLES
    assert len(waits) == 2
    assert waits[0] < waits[1]


def test_a_wait_that_the_server_asks_for_is_kept(hub: FakeHub, tmp_path: Path, waits: list[float]) -> None:
    hub.plain["val.json"] = SMALL
    hub.faults = [Fault("/revision/", status=429, wait="17"), Fault("val.json", status=503, wait="23")]
    got(hub_task(include=["list.json"]), tmp_path)
    got(file_task({"path": "val.json", "url": f"{hub.url}/plain/val.json"}), tmp_path)
    assert waits == [17, 23]


def test_a_wait_may_be_a_date_and_is_never_endless() -> None:
    assert patience.asked_wait({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}) == 0
    assert patience.asked_wait({"Retry-After": "soon"}) is patience.asked_wait({}) is None
    assert patience.Patience().wait(1, 86400.0) == 300


def test_a_server_that_stays_busy_is_given_up(hub: FakeHub, tmp_path: Path, waits: list[float]) -> None:
    hub.plain["val.json"] = SMALL
    hub.faults = [Fault("val.json", status=503, times=99)]
    said = refused(file_task({"path": "val.json", "url": f"{hub.url}/plain/val.json"}), tmp_path)
    assert "val.json: the server answers 503" in said
    assert "tried 5 times" in said
    assert (len(hub.asked("val.json")), waits) == (5, [1, 2, 4, 8])
    hub.faults = [Fault("/revision/", status=503, times=99)]
    assert "org/set: the Hub answers 503 (tried 5 times)" in refused(hub_task(), tmp_path)


@pytest.mark.parametrize("plain", [True, False])
def test_a_connection_that_is_cut_is_continued(hub: FakeHub, tmp_path: Path, waits: list[float], plain: bool) -> None:
    hub.plain["big.parquet"] = LARGE
    where = "/plain/" if plain else "/store/"
    hub.faults = [Fault(where, cut=0.5, times=3)]
    url = f"{hub.url}/plain/big.parquet"
    declared = {"path": "data/big.parquet", "sha256": sha256(LARGE), "bytes": len(LARGE), "url": url}
    got(file_task(declared) if plain else hub_task(include=["data/big.parquet"]), tmp_path)
    assert below(tmp_path / "family") == {"data/big.parquet": LARGE}
    offsets = [one.offset for one in hub.asked(where)]
    assert offsets == sorted(set(offsets)), "a part was fetched twice"
    assert offsets[-1] > len(LARGE) / 2


@pytest.mark.parametrize("plain", [True, False])
def test_a_fetch_that_was_killed_is_continued_by_the_next(
    hub: FakeHub, tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch, plain: bool
) -> None:
    hub.plain["big.parquet"] = LARGE
    where = "/plain/" if plain else "/store/"
    declared = {"path": "data/big.parquet", "sha256": sha256(LARGE), "url": f"{hub.url}/plain/big.parquet"}
    one = file_task(declared) if plain else hub_task(include=["data/big.parquet"])

    def killed(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(time, "sleep", killed)
        hub.faults = [Fault(where, cut=0.75)]
        got(one, tmp_path)
    assert not (tmp_path / "family/data/big.parquet").exists()
    hub.requests.clear()
    got(one, tmp_path)
    assert below(tmp_path / "family") == {"data/big.parquet": LARGE}
    assert [request.offset > len(LARGE) / 2 for request in hub.asked(where)] == [True]


@pytest.mark.parametrize("plain", [True, False])
def test_a_server_that_cannot_continue_sends_everything(
    hub: FakeHub, tmp_path: Path, waits: list[float], plain: bool
) -> None:
    hub.plain["big.parquet"] = LARGE
    where = "/plain/" if plain else "/store/"
    hub.faults = [Fault(where, cut=0.5), Fault(where, unranged=True)]
    declared = {"path": "data/big.parquet", "sha256": sha256(LARGE), "url": f"{hub.url}/plain/big.parquet"}
    got(file_task(declared) if plain else hub_task(include=["data/big.parquet"]), tmp_path)
    assert below(tmp_path / "family") == {"data/big.parquet": LARGE}


def test_a_file_without_a_known_hash_is_never_put_together_from_parts(
    hub: FakeHub, tmp_path: Path, waits: list[float]
) -> None:
    hub.plain["val.json"] = LARGE
    hub.faults = [Fault("val.json", cut=0.5, times=2)]
    got(file_task({"path": "val.json", "url": f"{hub.url}/plain/val.json"}), tmp_path)
    assert [one.offset for one in hub.asked("val.json")] == [0, 0, 0]
    assert below(tmp_path / "family") == {"val.json": LARGE}


def test_a_connection_that_is_always_cut_at_the_same_byte_is_given_up(
    hub: FakeHub, tmp_path: Path, waits: list[float]
) -> None:
    hub.plain["val.json"] = LARGE
    hub.faults = [Fault("val.json", cut=0.5, times=99)]
    said = refused(file_task({"path": "val.json", "url": f"{hub.url}/plain/val.json"}), tmp_path)
    assert f"cut after {len(LARGE) // 2:,} of {len(LARGE):,} bytes" in said


def test_no_connection_at_all_is_tried_twice(tmp_path: Path, waits: list[float], hub: FakeHub,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    said = refused(file_task({"path": "val.json", "url": f"{nobody}/val.json"}), tmp_path)
    assert "val.json: no connection" in said
    assert waits == [1]
    monkeypatch.setenv("HF_ENDPOINT", nobody)
    assert "org/set: no connection" in refused(hub_task(), tmp_path)
    assert waits == [1, 1]


def test_a_name_that_is_not_found_fails_soon_and_is_not_looked_up_for_every_task(
    tmp_path: Path, network: list[str], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LOOK_UP", 0.01)
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: network.append("looked up") or answer.wait(10))
    for _ in range(3):
        said = refused(file_task({"path": "a.json", "url": "https://data.example.org/a.json"}), tmp_path)
        assert "the name 'data.example.org' cannot be found" in said
    answer.set()
    assert 1 <= len(network) <= 2  # a second time where a new minute began
    network.clear()


def test_timeouts_are_set_for_plain_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that accepts and says nothing must not hold a fetch for ever."""
    monkeypatch.setattr(http, "TIMEOUT", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.json"
        with pytest.raises(patience.TransientError, match="timed out"):
            http.download(url, tmp_path / "a.part", 0)


@pytest.mark.parametrize("path", ["data/big.parquet", "list.json"])
def test_other_content_than_the_hub_lists_is_refused_and_removed(hub: FakeHub, tmp_path: Path, path: str) -> None:
    content = REPO[path]
    hub.faults = [Fault("/store/" if len(content) > 1000 else path, altered=True)]
    said = refused(hub_task(include=[path]), tmp_path)
    wrong = bytes(255 - one for one in content)
    hashes = (sha256(content), sha256(wrong)) if len(content) > 1000 else (git_hash(content), git_hash(wrong))
    assert all(one in said for one in (*hashes, path, "org/set", "removed")), said
    assert below(tmp_path / "family") == {}
    assert got(hub_task(include=[path]), tmp_path).fetched == 1


@pytest.mark.parametrize(
    ("declared", "said"),
    [({"sha256": "0" * 64}, f"its sha256 is {sha256(SMALL)}, but {'0' * 64} was expected"),
     ({"bytes": 7}, f"its size is {len(SMALL)}, but 7 was expected")],
)  # fmt: skip
def test_other_content_than_the_task_declares_is_refused(
    hub: FakeHub, tmp_path: Path, declared: dict[str, Any], said: str
) -> None:
    hub.plain["val.json"] = SMALL
    one = file_task({"path": "val.json", "url": f"{hub.url}/plain/val.json", **declared})
    assert said in refused(one, tmp_path)
    assert below(tmp_path / "family") == {}


def test_a_damaged_part_of_an_earlier_fetch_is_thrown_away(
    hub: FakeHub, tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hub_task(include=["data/big.parquet"])
    (tmp_path / "family/data").mkdir(parents=True)
    for part in (b"damaged", bytes(len(LARGE)), bytes(len(LARGE) + 1)):
        (tmp_path / f"family/data/.mbench-{sha256(LARGE)[:20]}.part").write_bytes(part)
        got(one, tmp_path)
        assert below(tmp_path / "family") == {"data/big.parquet": LARGE}
        (tmp_path / "family/data/big.parquet").unlink()
