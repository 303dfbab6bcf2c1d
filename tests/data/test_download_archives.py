"""Archives are fetched when pictures are wanted, unpacked once, and may be deleted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.data.fake_hub import FakeHub, sha256
from tests.data.fetching import REPO, SMALL, below, file_task, got, hub_task, quiet, refused, zip_bytes

from mbench.data.download import Fetched, ensure
from mbench.data.manifest import Manifest


@pytest.fixture
def packed(hub: FakeHub, tmp_path: Path) -> FakeHub:
    """The repository with an archive of pictures in two parts, and one whole."""
    pictures = zip_bytes(tmp_path / "x", {"1.jpg": os.urandom(3000), "set/2.jpg": b"two"})
    hub.repositories["org/set"] |= {"images.zip.part-00": pictures[:2000], "images.zip.part-01": pictures[2000:]}
    hub.repositories["org/set"] |= {"more.zip": zip_bytes(tmp_path / "x", {"3.jpg": b"three"})}
    return hub


INCLUDE = ["list.json", "*.zip*"]


def test_archives_are_unpacked_once_and_may_be_deleted(packed: FakeHub, tmp_path: Path) -> None:
    one = hub_task(include=INCLUDE, unpack="images")
    done = got(one, tmp_path)
    assert (done.fetched, done.unpacked) == (4, 2)
    names = {"images/1.jpg", "images/set/2.jpg", "images/3.jpg"}
    assert names <= set(below(tmp_path / "family"))
    for archive in ("images.zip.part-00", "images.zip.part-01", "more.zip"):
        (tmp_path / "family" / archive).unlink()
    packed.requests.clear()
    assert got(one, tmp_path) == Fetched(tmp_path / "family", there=4)
    assert packed.requests == []
    shutil.rmtree(tmp_path / "family/images")
    assert got(one, tmp_path).unpacked == 2


def test_pictures_can_be_left_out(packed: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mbench.data.wanted.SMALL_ARCHIVE", 100)
    one = hub_task(include=INCLUDE, unpack="images")
    assert got(one, tmp_path, with_pictures=False).fetched == 1
    assert below(tmp_path / "family") == {"list.json": REPO["list.json"]}


def test_an_archive_with_a_way_out_is_an_error(packed: FakeHub, tmp_path: Path) -> None:
    packed.repositories["org/set"]["more.zip"] = zip_bytes(tmp_path / "x", {"../../3.jpg": b"x"})
    said = refused(hub_task(include=["more.zip"], unpack="images"), tmp_path)
    assert "more.zip: the archive is refused" in said
    assert not list(tmp_path.glob("*.jpg"))
    assert Manifest.read(tmp_path / "family").unpacked == {}


def test_parts_that_lack_are_an_error_before_anything_is_unpacked(packed: FakeHub, tmp_path: Path) -> None:
    said = refused(hub_task(include=["images.zip.part-00"], unpack="images"), tmp_path)
    assert "images.zip.part-00: the archive is damaged" in said


def test_a_list_in_a_small_archive_is_fetched_for_a_run(hub: FakeHub, tmp_path: Path) -> None:
    content = zip_bytes(tmp_path / "x", {"annotations/list.json": SMALL})
    hub.plain["list.zip"] = content
    archive = {"path": "list.zip", "url": f"{hub.url}/plain/list.zip", "unpack": ".", "bytes": len(content)}
    one = file_task(archive, {"path": "annotations/list.json", "sha256": sha256(SMALL)})
    ensure(one, tmp_path, quiet)
    assert below(tmp_path / "family")["annotations/list.json"] == SMALL


@pytest.mark.parametrize(("pictures", "fetched"), [(None, 1), (False, 2), (True, 1)])
def test_a_task_may_say_whether_an_archive_holds_pictures(
    hub: FakeHub, tmp_path: Path, pictures: bool | None, fetched: int
) -> None:
    hub.plain |= {"list.json": SMALL, "some.zip": zip_bytes(tmp_path / "x", {"1.json": SMALL})}
    archive = {"path": "some.zip", "url": f"{hub.url}/plain/some.zip", "unpack": ".", "pictures": pictures}
    one = file_task({"path": "list.json", "url": f"{hub.url}/plain/list.json"}, archive)
    assert got(one, tmp_path, with_pictures=False).fetched == fetched


def test_a_file_of_an_archive_that_is_not_what_was_declared_is_named(hub: FakeHub, tmp_path: Path) -> None:
    hub.plain["list.zip"] = zip_bytes(tmp_path / "x", {"list.json": SMALL})
    archive = {"path": "list.zip", "url": f"{hub.url}/plain/list.zip", "unpack": "."}
    assert "list.json: its size is 13" in refused(file_task(archive, {"path": "list.json", "bytes": 1}), tmp_path)


def test_a_run_fetches_tables_that_lack_and_no_pictures(packed: FakeHub, tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("mbench.data.wanted.SMALL_ARCHIVE", 100)
    ensure(hub_task(include=INCLUDE, unpack="images"), tmp_path, quiet)
    assert below(tmp_path / "family") == {"list.json": REPO["list.json"]}
