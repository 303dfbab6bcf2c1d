from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import noise

from mbench.models.targetpad import borders, normalised, padded_view, plain_view, resized

SIDE = 32
NEARLY = [(50, 40), (40, 50), (31, 90), (64, 64), (100, 80), (100, 79), (101, 80), (33, 32), (427, 640), (1, 1)]


def cut(picture: Image.Image) -> Image.Image:
    """torchvision's Resize and CenterCrop, then the colours: the end of the official transform."""
    short, long = min(picture.size), max(picture.size)
    length = int(SIDE * long / short)
    wide = picture.width > picture.height
    picture = picture.resize((length, SIDE) if wide else (SIDE, length), Image.Resampling.BICUBIC)
    left, top = round((picture.width - SIDE) / 2.0), round((picture.height - SIDE) / 2.0)
    return picture.crop((left, top, left + SIDE, top + SIDE)).convert("RGB")


def bordered(picture: Image.Image) -> Image.Image:
    """The official borders, drawn by numpy."""
    width, height = picture.size
    if max(width, height) / min(width, height) < 1.25:
        return picture
    target = max(width, height) / 1.25
    across, down = max(int((target - width) / 2), 0), max(int((target - height) / 2), 0)
    return Image.fromarray(np.pad(np.asarray(picture), ((down, down), (across, across), (0, 0))), picture.mode)


@pytest.mark.parametrize("size", NEARLY)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "LA"])
def test_long_pictures_get_borders_and_are_cut_as_torchvision_cuts(size: tuple[int, int], mode: str) -> None:
    picture = noise(*size, mode)
    assert np.array_equal(padded_view(picture, SIDE), cut(bordered(picture)))
    assert np.array_equal(plain_view(picture, SIDE), cut(picture))


def test_colours_are_converted_after_resizing_so_that_a_palette_is_not_interpolated() -> None:
    picture = noise(60, 40).convert("P")
    padded = Image.new("P", (60, 48))
    padded.putpalette(picture.getpalette() or [])
    padded.paste(picture, (0, 4))
    assert np.array_equal(padded_view(picture, SIDE), cut(padded))
    assert not np.array_equal(padded_view(picture, SIDE), padded_view(picture.convert("RGB"), SIDE))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((100, 81), (0, 0)), ((100, 80), (0, 0)), ((100, 78), (0, 1)), ((78, 100), (1, 0)), ((700, 20), (0, 270))],
)
def test_borders_end_at_a_ratio_of_one_and_a_quarter(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert borders(size) == expected


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(6000, 100), (100, 6000)])
def test_shortening_first_moves_a_very_long_picture_by_a_rounding_at_most(size: tuple[int, int], mode: str) -> None:
    picture = noise(*size, mode)
    left, top = borders(size)
    full = Image.new(mode, (size[0] + 2 * left, size[1] + 2 * top))
    full.paste(picture, (left, top))
    assert full.width * full.height > 16_000_000
    values = np.asarray(padded_view(picture, SIDE), dtype=int)
    assert np.abs(values - np.asarray(cut(full), dtype=int)).max() <= 1


@pytest.mark.parametrize("picture", STRANGE.values(), ids=STRANGE)
def test_any_picture_becomes_a_square_of_rgb(picture: Image.Image) -> None:
    for view in (padded_view, plain_view):
        found = view(picture, SIDE)
        assert (found.size, found.mode) == ((SIDE, SIDE), "RGB")


def test_a_picture_of_100000_by_1_needs_no_gigapixels() -> None:
    assert resized((100_000, 80_000), SIDE) == (40, 32)
    assert padded_view(Image.new("RGB", (100_000, 1), "red"), SIDE).size == (SIDE, SIDE)
    assert padded_view(Image.new("RGB", (1, 100_000), "red"), SIDE).size == (SIDE, SIDE)


def test_values_are_normalised_by_channel() -> None:
    found = normalised(Image.new("RGB", (2, 2), (255, 0, 51)), [0.5, 0.5, 0.0], [0.5, 0.25, 0.1])
    assert found.dtype == np.float32
    assert np.allclose(found, np.array([1.0, -2.0, 2.0])[:, None, None] * np.ones((3, 2, 2)))
