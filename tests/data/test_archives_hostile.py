"""No archive makes a link, leads out of its folder, or fills disk or memory."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.data.packing import PICTURES, Packed, below, tarred, with_member, zipped

from mbench.core.errors import DownloadError
from mbench.data.archives import Limits, unpack

UNSAFE = ["../1.jpg", "a/../../1.jpg", "/etc/1.jpg", "a\\..\\..\\1.jpg", "C:1.jpg", "a/．．/../1.jpg", "．．/1.jpg",
          "a/.\u200d./1.jpg", "a/\u2025/1.jpg", "a/\x01.jpg", "line\nbreak.jpg", "x" * 300 + ".jpg"]  # fmt: skip


@pytest.mark.parametrize("name", UNSAFE)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, packed: Packed, name: str) -> None:
    archive = packed(tmp_path, {"1.jpg": b"good", name: b"evil"})
    with pytest.raises(DownloadError, match=r"images\..*not safe"):
        unpack([archive], tmp_path / "deep" / "out")
    assert below(tmp_path / "deep") == {"out/1.jpg": b"good"}
    assert set(tmp_path.iterdir()) == {archive, tmp_path / "deep"}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a special file"),
        (tarfile.FIFOTYPE, "a special file"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, said: str) -> None:
    member = tarfile.TarInfo("a.jpg")
    member.type, member.linkname = kind, "/etc/passwd"
    with pytest.raises(DownloadError, match=f"'a.jpg' is {said}"):
        unpack([with_member(tmp_path, member)], tmp_path / "out")
    assert below(tmp_path / "out") == {}


def test_links_and_locked_files_of_a_zip_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as pack:
        link = zipfile.ZipInfo("a.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        pack.writestr(link, "/etc/passwd")
    with pytest.raises(DownloadError, match=r"link\.zip.*'a\.jpg' is a link"):
        unpack([tmp_path / "link.zip"], tmp_path / "out")
    locked = bytearray(zipped(tmp_path, {"a.jpg": b"x"}).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "images.zip").write_bytes(locked)
    with pytest.raises(DownloadError, match="encrypted"):
        unpack([tmp_path / "images.zip"], tmp_path / "out")


def test_a_link_that_lies_in_the_folder_is_not_followed_out_of_it(tmp_path: Path, packed: Packed) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out/a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DownloadError, match="a link that leads out"):
        unpack([packed(tmp_path, PICTURES)], tmp_path / "out")
    assert below(tmp_path / "elsewhere") == {}
    (tmp_path / "out/a").unlink()
    (tmp_path / "out/list.json").symlink_to(tmp_path / "elsewhere/list.json")
    unpack([tmp_path / "images.zip"] if (tmp_path / "images.zip").exists() else [packed(tmp_path, PICTURES)],
           tmp_path / "out")  # fmt: skip
    assert below(tmp_path / "elsewhere") == {}
    assert not (tmp_path / "out/list.json").is_symlink()


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path, packed: Packed) -> None:
    archive = packed(tmp_path, {"1.jpg": b"x", "zeros.json": bytes(3_000_000)})
    with pytest.raises(DownloadError, match="unpacks to more than 1,000,000 bytes"):
        unpack([archive], tmp_path / "out", Limits(ratio=1, free=1_000_000, bytes=1_000_000))
    assert sum(map(len, below(tmp_path / "out").values())) <= 1
    assert unpack([archive], tmp_path / "out", Limits(free=4_000_000)).bytes == 3_000_001


def test_the_ratio_counts_only_for_more_than_the_free_bytes() -> None:
    limits = Limits(ratio=10, free=1000, bytes=50_000)
    assert [limits.total(size) for size in (1, 100, 101, 10_000)] == [1000, 1000, 1010, 50_000]


def test_too_many_files_are_refused(tmp_path: Path, packed: Packed) -> None:
    with pytest.raises(DownloadError, match="more than 2 files"):
        unpack([packed(tmp_path, PICTURES)], tmp_path / "out", Limits(files=2))


def test_headers_that_fill_the_memory_are_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("a.jpg")
    member.pax_headers = {"comment": "x" * 8_000_000}
    with tarfile.open(tmp_path / "heavy.tar", "w", format=tarfile.PAX_FORMAT) as pack:
        pack.addfile(member)
    with pytest.raises(DownloadError, match="headers"):
        unpack([tmp_path / "heavy.tar"], tmp_path / "out")
    tar = gzip.decompress(tarred(tmp_path, PICTURES).read_bytes())
    (tmp_path / "padded.tar.gz").write_bytes(gzip.compress(tar + bytes(20_000_000)))
    with pytest.raises(DownloadError, match="padding"):
        unpack([tmp_path / "padded.tar.gz"], tmp_path / "out")
