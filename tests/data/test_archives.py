"""An archive gives plain data files below one folder, whole, and goes on where it was interrupted."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest
from tests.data.packing import PICTURES, Packed, below, tarred, with_member, zipped

from mbench.core.errors import DownloadError
from mbench.data import archives
from mbench.data.archives import unpack


def test_files_of_an_archive_are_unpacked_with_their_folders(tmp_path: Path, packed: Packed) -> None:
    contents = unpack([packed(tmp_path, PICTURES)], tmp_path / "out")
    assert below(tmp_path / "out") == PICTURES
    assert (contents.files, contents.bytes, contents.there, contents.left_out) == (3, 8, 0, 0)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_parts_are_read_as_one_archive(tmp_path: Path, packed: Packed, size: int) -> None:
    whole = packed(tmp_path, PICTURES)
    content = whole.read_bytes()
    parts = []
    for number in range(0, len(content), max(size, len(content) // 50)):
        part = tmp_path / f"{whole.name}.part-{len(parts):03d}"
        part.write_bytes(content[number : number + max(size, len(content) // 50)])
        parts.append(part)
    assert unpack(parts, tmp_path / "out").files == 3
    assert below(tmp_path / "out") == PICTURES


def test_an_interrupted_unpacking_goes_on_where_it_stopped(
    tmp_path: Path, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, out = packed(tmp_path, PICTURES), tmp_path / "out"
    copy = archives.shutil.copyfileobj
    calls: list[int] = []

    def interrupted(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        copy(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(archives.shutil, "copyfileobj", interrupted)
    with pytest.raises(KeyboardInterrupt):
        unpack([archive], out)
    assert below(out) == {"a/1.jpg": b"one"}, "a part of a file was left"
    written = (out / "a/1.jpg").stat().st_mtime_ns
    assert unpack([archive], out).there == 1
    assert (below(out), (out / "a/1.jpg").stat().st_mtime_ns) == (PICTURES, written)


def test_a_shorter_file_of_an_older_version_is_replaced(tmp_path: Path, packed: Packed) -> None:
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "out/a/1.jpg").write_bytes(b"o")
    unpack([packed(tmp_path, PICTURES)], tmp_path / "out")
    assert below(tmp_path / "out") == PICTURES


def test_scripts_and_hidden_files_of_an_archive_are_left_out(tmp_path: Path, packed: Packed) -> None:
    odd = {"set.py": b"boom", "run.sh": b"boom", "a/.hidden.json": b"{}", "__MACOSX/._1.jpg": b"x", "w.pkl": b"x"}
    contents = unpack([packed(tmp_path, odd | PICTURES)], tmp_path / "out")
    assert below(tmp_path / "out") == PICTURES
    assert contents.left_out == 5


def test_files_are_neither_executable_nor_privileged(tmp_path: Path) -> None:
    member = tarfile.TarInfo("1.jpg")
    member.mode = 0o6777
    unpack([with_member(tmp_path, member)], tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out/1.jpg").stat().st_mode) & 0o6111 == 0


@pytest.mark.parametrize(
    "name", ["ü/ñandú.jpg", "u\u0308.jpg", "猫/😀.png", "👩\u200d💻.png", "a b/c'd.jpg", "./a/1.jpg"]
)
def test_names_in_any_script_are_kept(tmp_path: Path, packed: Packed, name: str) -> None:
    unpack([packed(tmp_path, {name: b"x"})], tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == b"x"


@pytest.mark.parametrize("again", ["a/1.jpg", "./a/1.jpg", "a//1.jpg"])
def test_a_name_that_occurs_twice_is_refused(tmp_path: Path, again: str) -> None:
    with tarfile.open(tmp_path / "twice.tar", "w") as pack:
        for name in ("a/1.jpg", again):
            pack.addfile(tarfile.TarInfo(name))
    with pytest.raises(DownloadError, match="occurs twice"):
        unpack([tmp_path / "twice.tar"], tmp_path / "out")


@pytest.mark.parametrize("composed", [("\u00fc.jpg", "u\u0308.jpg")])
def test_two_spellings_of_one_name_are_refused(tmp_path: Path, packed: Packed, composed: tuple[str, str]) -> None:
    with pytest.raises(DownloadError, match="occurs twice"):
        unpack([packed(tmp_path, dict.fromkeys(composed, b"x"))], tmp_path / "out")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_an_archive_that_ends_early_is_damaged(tmp_path: Path, packed: Packed, share: float) -> None:
    pictures = {f"{i}.jpg": os.urandom(600) for i in range(20)}
    archive = packed(tmp_path, pictures)
    content = archive.read_bytes()
    whole = len(content) if not archive.name.endswith("tar") else 20 * 1536  # less than the zeros at the end
    archive.write_bytes(content[: int(whole * share)])
    with pytest.raises(DownloadError, match=r"images\..*damaged"):
        unpack([archive], tmp_path / "out")
    assert all(pictures[name] == content for name, content in below(tmp_path / "out").items())
    for name, picture in pictures.items():
        (tmp_path / "out" / name).write_bytes(picture)
    with pytest.raises(DownloadError, match=r"images\..*damaged"):
        unpack([archive], tmp_path / "out")


def test_a_changed_byte_is_damage(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path, {"1.jpg": os.urandom(5000)}).read_bytes())
    content[2000] ^= 1
    (tmp_path / "images.zip").write_bytes(content)
    with pytest.raises(DownloadError, match="damaged"):
        unpack([tmp_path / "images.zip"], tmp_path / "out")
    content = bytearray(tarred(tmp_path, {"1.jpg": os.urandom(5000)}).read_bytes())
    content[-6] ^= 1  # gzip's checksum
    (tmp_path / "images.tar.gz").write_bytes(content)
    with pytest.raises(DownloadError, match="damaged"):
        unpack([tmp_path / "images.tar.gz"], tmp_path / "out")


@pytest.mark.parametrize("name", ["no.zip", "no.tar", "no.tar.gz"])
def test_what_is_no_archive_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(DownloadError, match=name):
        unpack([tmp_path / name], tmp_path / "out")
