"""A Hub of this machine, a network that reaches nothing else, and waits that take no time."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.data.fake_hub import FakeHub
from tests.data.fetching import REPO
from tests.data.packing import Packed, tarred, zipped


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Only this machine can be reached, and what tried to reach another is an error at the end."""
    strangers: list[str] = []
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] != "127.0.0.1":
            strangers.append(str(address))
            raise OSError(errno.ENETUNREACH, "no network in this test")
        connect(self, address)

    def looked_up(host: Any, *rest: Any, **more: Any) -> Any:
        if host != "127.0.0.1":
            strangers.append(str(host))
            raise socket.gaierror("no names in this test")
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    for name in ("HF_HUB_OFFLINE", "MBENCH_DATA", "MBENCH_CACHE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield strangers
    assert strangers == [], "another machine than this one was asked for"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, network: list[str]) -> Iterator[FakeHub]:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    with FakeHub({"org/set": dict(REPO)}).running() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which take no time."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


@pytest.fixture(params=["images.zip", "images.tar", "images.tar.gz", "images.tgz"])
def packed(request: pytest.FixtureRequest) -> Packed:
    name = str(request.param)
    make = zipped if name.endswith("zip") else tarred
    return lambda folder, files: make(folder, files, name)
