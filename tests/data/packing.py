"""Archives made for tests."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

PICTURES = {"a/1.jpg": b"one", "a/b/2.png": b"two", "list.json": b"[]"}
Packed = Callable[[Path, dict[str, bytes]], Path]


def zipped(folder: Path, files: dict[str, bytes], name: str = "images.zip") -> Path:
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as pack:
        for path, content in files.items():
            pack.writestr(path, content)
    return folder / name


def tarred(folder: Path, files: dict[str, bytes], name: str = "images.tar.gz") -> Path:
    with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as pack:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            pack.addfile(member, io.BytesIO(content))
    return folder / name


def with_member(folder: Path, member: tarfile.TarInfo) -> Path:
    with tarfile.open(folder / "odd.tar", "w") as pack:
        pack.addfile(member)
    return folder / "odd.tar"


def below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
