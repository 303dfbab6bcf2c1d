"""A small Hugging Face Hub on 127.0.0.1, in the true one's API, with faults on demand.

It serves what the Hub's own client asks for: `/api/datasets/<repo>/revision/<revision>`, the tree of files in pages,
and `/datasets/<repo>/resolve/<commit>/<path>`, from where large files are redirected to a store (`/store/<sha256>`), as
the Hub redirects them to its content network. `/plain/<name>` are files of no repository.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PAGE = 3
LARGE = 1000
"""From this size on, in bytes, a file is stored like a large one: known by its sha256 and redirected."""


@dataclass
class Fault:
    """What goes wrong with answers to requests whose path has `where` in it, `times` of them.

    status: that one instead of an answer, with Retry-After where `wait` says so. cut: only this share of the body is
    sent, then the connection is closed. body: another body of the same length.
    """

    where: str
    times: int = 1
    status: int = 0
    wait: str = ""
    cut: float = 0.0
    altered: bool = False
    unranged: bool = False


@dataclass
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def offset(self) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(match[1]) if match else 0


@dataclass
class FakeHub:
    """Repositories by name (files by path), plain files by name, who may read what, and what was asked.

    `store` is the address of another one that large files are redirected to.
    """

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    plain: dict[str, bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    store: str = ""
    redirects: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def asked(self, text: str, method: str = "GET") -> list[Request]:
        """The requests of a method whose path has `text` in it."""
        return [one for one in self.requests if one.method == method and text in one.path]

    def fault(self, path: str) -> Fault | None:
        """The fault that is due for a path, which is then used up."""
        for one in self.faults:
            if one.where in path and one.times > 0:
                one.times -= 1
                return one
        return None

    @contextmanager
    def running(self) -> Iterator[FakeHub]:
        """Serve on a free port of this machine."""
        hub = self

        class Handler(_Handler):
            fake = hub

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    fake: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.fake.requests.append(self._request(path))
        fault = self.fake.fault(path)
        if fault is not None and fault.status:
            self._send(fault.status, b"", {"Retry-After": fault.wait} if fault.wait else {})
            return
        if path in self.fake.redirects:
            self._send(302, b"", {"Location": self.fake.redirects[path]})
        elif match := re.fullmatch(r"/api/datasets/(?P<repo>.+)/revision/(?P<revision>[^/]+)", path):
            self._about(match["repo"], match["revision"])
        elif match := re.fullmatch(r"/api/datasets/(?P<repo>.+)/tree/(?P<revision>[^/]+)(/.*)?", path):
            self._tree(match["repo"], match["revision"])
        elif match := re.fullmatch(r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)", path):
            self._resolve(match["repo"], match["revision"], match["path"], fault)
        elif path.startswith("/store/"):
            files = [one for repo in self.fake.repositories.values() for one in repo.values()]
            self._content({f"/store/{sha256(one)}": one for one in files}.get(path), fault)
        else:
            self._content(self.fake.plain.get(path.removeprefix("/plain/")), fault)

    def _request(self, path: str) -> Request:
        return Request(self.command, path, {name.lower(): value for name, value in self.headers.items()})

    def _opened(self, repo: str, revision: str) -> dict[str, bytes] | None:
        """The files of a repository, or the Hub's own way of saying why not."""
        if repo not in self.fake.repositories:
            self._refuse(401, "RepoNotFound", "Repository not found")
        elif revision not in (COMMIT, "main"):
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return self.fake.repositories[repo]
        return None

    def _about(self, repo: str, revision: str) -> None:
        files = self._opened(repo, revision)
        if files is not None:
            siblings = [{"rfilename": name} for name in files]
            self._json({"id": repo, "sha": COMMIT, "private": False, "gated": repo in self.fake.gated, "tags": [],
                        "downloads": 0, "likes": 0, "siblings": siblings})  # fmt: skip

    def _tree(self, repo: str, revision: str) -> None:
        files = self._opened(repo, revision)
        if files is None:
            return
        folders = sorted({name.rpartition("/")[0] for name in files} - {""})
        rows: list[dict[str, Any]] = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": one} for one in folders]
        rows += [_tree_row(name, content) for name, content in files.items()]
        query = urlsplit(self.path).query
        start = int(match[1]) if (match := re.search(r"cursor=(\d+)", query)) else 0
        following = start + PAGE
        link = f'<{self.fake.url}{urlsplit(self.path).path}?recursive=True&cursor={following}>; rel="next"'
        self._json(rows[start:following], {"Link": link} if following < len(rows) else {})

    def _resolve(self, repo: str, revision: str, path: str, fault: Fault | None) -> None:
        files = self._opened(repo, revision)
        if files is None:
            return
        content = files.get(path)
        token = self.headers.get("Authorization")
        if repo in self.fake.gated and token != "Bearer hf_right":  # only the content is: anybody may list the files
            self._refuse(403 if token else 401, "GatedRepo", f"Access to dataset {repo} is restricted.")
        elif content is None:
            self._refuse(404, "EntryNotFound", "Entry not found")
        elif len(content) >= LARGE:
            etag = f'"{sha256(content)}"'
            headers = {"X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(content)), "X-Linked-Etag": etag}
            self._send(302, b"", headers | {"Location": f"{self.fake.store or self.fake.url}/store/{sha256(content)}"})
        else:
            self._content(content, fault, {"X-Repo-Commit": COMMIT, "ETag": f'"{git_hash(content)}"'})

    def _content(self, content: bytes | None, fault: Fault | None, headers: Mapping[str, str] | None = None) -> None:
        """Send a file, from the byte on that Range asks for."""
        if content is None:
            self._send(404, b"not found")
            return
        if fault is not None and fault.altered:
            content = bytes(255 - one for one in content)
        start = self._request(self.path).offset
        start = 0 if fault is not None and fault.unranged else start
        if start >= len(content) > 0:
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        ranged = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        self._send(206 if start else 200, content[start:], {**(headers or {}), **ranged}, fault)

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, json.dumps({"error": message}).encode(), {"X-Error-Code": code, "X-Error-Message": message})

    def _json(self, value: object, headers: Mapping[str, str] | None = None) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, fault: Fault | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault is not None and fault.cut:
            self.wfile.write(body[: int(len(body) * fault.cut)])
            self.close_connection = True
            return
        self.wfile.write(body)


def _tree_row(name: str, content: bytes) -> dict[str, Any]:
    row = {"type": "file", "oid": git_hash(content), "size": len(content), "path": name}
    if len(content) >= LARGE:
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(content)}\nsize {len(content)}\n"
        row |= {"oid": git_hash(pointer.encode())}
        row |= {"lfs": {"oid": sha256(content), "size": len(content), "pointerSize": len(pointer)}}
    return row
