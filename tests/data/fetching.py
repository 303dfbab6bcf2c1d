"""Tasks whose data lie on the fake Hub, and what a fetch of them did."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.data.fake_hub import COMMIT
from tests.data.small import OPTIONS, task

from mbench.core.errors import DownloadError
from mbench.data import download
from mbench.data.catalog import Task
from mbench.data.download import Fetched, Wishes, fetch
from mbench.data.manifest import NAME

SMALL = b'{"query": 1}\n'
LARGE = bytes(range(256)) * 40
REPO = {
    "data/test.jsonl": SMALL,
    "data/big.parquet": LARGE,
    "list.json": b"[1, 2]",
    "qrels.tsv": b"q\t0\td\t1\n",
    "set.py": b"raise SystemExit('executed')",
    "README.md": b"# words",
    ".gitattributes": b"*.parquet filter=lfs\n",
}
TABLES = {name: REPO[name] for name in ("data/test.jsonl", "data/big.parquet", "list.json", "qrels.tsv")}


def hub_task(**fields: Any) -> Task:
    spec = {"repo": "org/set", "revision": COMMIT, **fields}
    return task(Path("tasks"), source={"loader": "emoji", "options": OPTIONS, "folder": "family", "hub": spec})


def file_task(*files: dict[str, Any], **source: Any) -> Task:
    return task(Path("tasks"), source={"loader": "emoji", "folder": "family", "files": list(files), **source})


def below(folder: Path) -> dict[str, bytes]:
    """The files of a folder but for the manifest and the lock."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name not in (NAME, download.LOCK)}


def quiet(_: str) -> None: ...


def got(one: Task, root: Path, **wishes: Any) -> Fetched:
    return fetch(one, root, quiet, Wishes(**wishes))


def refused(one: Task, root: Path, **wishes: Any) -> str:
    with pytest.raises(DownloadError) as error:
        got(one, root, **wishes)
    assert error.value.exit_code == 3
    return str(error.value)


def zip_bytes(path: Path, files: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(path, "w") as pack:
        for name, content in files.items():
            pack.writestr(name, content)
    content = path.read_bytes()
    path.unlink()
    return content
