"""Pictures come out exactly as their files have them, or not at all."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from tests.data.small import SIZE, picture_bytes, tiles

from mbench.core.errors import ImageError
from mbench.data import images
from mbench.data.images import FolderImages, TileImages, open_picture


def save(path: Path, mode: str = "RGB", size: tuple[int, int] = (4, 3), **options: object) -> Path:
    PIL.Image.new(mode, size).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("mode", "name"),
    [("RGB", "a.png"), ("RGBA", "a.png"), ("P", "a.png"), ("L", "a.jpg"), ("CMYK", "a.jpg"), ("I;16", "a.png")],
)
def test_the_mode_of_the_file_is_kept(tmp_path: Path, mode: str, name: str) -> None:
    assert open_picture(save(tmp_path / name, mode)).mode == mode


def test_the_orientation_flag_is_left_to_the_adapter(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    picture = open_picture(save(tmp_path / "turned.jpg", size=(40, 20), exif=exif))
    assert picture.size == (40, 20)
    assert picture.getexif()[0x0112] == 6


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"absent\.png: there is no such picture"):
        open_picture(tmp_path / "absent.png")
    with pytest.raises(ImageError, match=r"cannot be read"):
        open_picture(tmp_path)


def test_truncated_and_corrupt_files_are_named(tmp_path: Path) -> None:
    noise = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    for name in ("a.jpg", "a.png", "a.webp", "a.gif", "a.tif"):
        buffer = io.BytesIO()
        noise.save(buffer, PIL.Image.registered_extensions()[Path(name).suffix])
        (tmp_path / name).write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
        with pytest.raises(ImageError, match=name.replace(".", r"\.")):
            open_picture(tmp_path / name)


def postscript() -> bytes:
    """A picture that Pillow would hand to Ghostscript, a program of its own."""
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (4, 3)).save(buffer, "EPS")
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"hello", postscript(), b"<svg/>", b"%PDF-1.4"])
def test_what_is_no_picture_and_what_needs_other_programs_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.png: not a picture in one of the formats"):
        open_picture(tmp_path / "a.png")


def bomb(path: Path, side: int) -> Path:
    """A picture whose header promises side x side pixels of which there are none."""
    path.write_bytes(f"P6 {side} {side} 255\n".encode())
    return path


@pytest.mark.parametrize("side", [13_350, 100_000])
def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ImageError, match=r"bomb\.png: .*178000000"):
            open_picture(bomb(tmp_path / "bomb.png", side))


def test_a_file_with_too_many_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 10)
    with pytest.raises(ImageError, match=r"a\.png: \d+ bytes; pictures may have at most 10"):
        open_picture(save(tmp_path / "a.png"))


def test_a_folder_finds_files_by_template(tmp_path: Path) -> None:
    save(tmp_path / "000042.jpg", size=(5, 7))
    folder = FolderImages(tmp_path, "{:0>6}.jpg")
    assert folder.open("42").size == (5, 7)
    assert folder.pixels("42") == 35
    assert folder.pixels("43") == 0
    assert folder.missing(["42", "43"]) == [str(tmp_path / "000043.jpg")]


@pytest.mark.parametrize("reference", ["../secret.png", "/etc/hostname", "a/../../b"])
def test_a_reference_cannot_leave_the_folder(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ImageError, match="outside"):
        FolderImages(tmp_path).open(reference)


def test_equal_files_have_equal_digests_whatever_their_names(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    save(tmp_path / "c.png", size=(3, 4))
    folder = FolderImages(tmp_path)
    assert folder.digest("a.png") == folder.digest("b.png") != folder.digest("c.png")


def test_a_picture_file_is_read_once_for_all_tables_of_a_run_and_again_when_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "a.bmp")
    read: list[Path] = []

    def counted(one: Path) -> bytes:
        read.append(one)
        return one.read_bytes()

    monkeypatch.setattr(images, "read_bytes", counted)
    first = {FolderImages(tmp_path).digest("a.bmp") for _ in range(3)}
    assert len(first) == len(read) == 1
    content = bytearray(path.read_bytes())
    content[-4] ^= 1
    path.write_bytes(content)
    assert {FolderImages(tmp_path).digest("a.bmp") for _ in range(3)}.isdisjoint(first)
    assert len(read) == 2
    path.unlink()
    with pytest.raises(ImageError, match=r"a\.bmp: there is no such picture"):
        FolderImages(tmp_path).digest("a.bmp")


def test_only_so_many_digests_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool of millions would take gigabytes."""
    assert images.file_digest.cache_info().maxsize == images.REMEMBERED
    remembered = lru_cache(2)(images.file_digest.__wrapped__)
    monkeypatch.setattr(images, "file_digest", remembered)
    names = [save(tmp_path / f"{size}.png", size=(size, 3)).name for size in range(1, 6)]
    folder = FolderImages(tmp_path)
    digests = [folder.digest(name) for name in names * 2]
    assert digests[:5] == digests[5:] and len(set(digests)) == 5
    assert remembered.cache_info().currsize == 2


def test_four_tiles_make_a_scene_in_reading_order_on_white() -> None:
    source = tiles()
    scene = np.asarray(source.open(TileImages.reference(["red", "", "blue", "red"])))
    assert scene.shape == (2 * SIZE, 2 * SIZE, 3)
    corners = [scene[0, 0], scene[0, -1], scene[-1, 0], scene[-1, -1]]
    assert [tuple(map(int, corner)) for corner in corners] == [(255, 0, 0), (255, 255, 255), (0, 0, 255), (255, 0, 0)]
    assert source.pixels("red||blue|red") == 4 * SIZE * SIZE


def test_one_tile_is_the_plain_picture() -> None:
    assert tiles().open("blue").tobytes() == picture_bytes("blue")


def test_digests_of_tiles_follow_the_pixels_and_not_the_names() -> None:
    source = tiles()
    assert source.digest("red") == source.digest("carmine")
    assert source.digest("red||blue|red") == source.digest("carmine|white|blue|red")
    assert source.digest("red||blue|red") != source.digest("|red|blue|red")
    assert source.digest("red") != source.digest("red|red|red|red")


def test_unknown_tiles_are_named_and_empty_ones_are_not_missing() -> None:
    source = tiles()
    assert source.missing(["red||blue|gren", "gren", "puce"]) == ["gren", "puce"]
    for use in (source.open, source.digest):
        with pytest.raises(ImageError, match="'gren'"):
            use("red||blue|gren")
