from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.models.tiny_clip import noise

from mbench.core.types import Vectors
from mbench.models.pictures import rgb, shortened


def test_transparency_is_dropped_not_blended_with_white() -> None:
    picture = Image.new("RGBA", (2, 2), (200, 100, 50, 0))
    assert rgb(picture).getpixel((0, 0)) == (200, 100, 50)


def test_rgb_pictures_are_not_copied() -> None:
    picture = noise(8, 8)
    assert rgb(picture) is picture


@pytest.mark.parametrize("size", [(40, 40), (40, 700), (2000, 10), (1, 1)])
def test_pictures_of_usual_shape_stay_as_they_are(size: tuple[int, int]) -> None:
    picture = noise(*size)
    assert shortened(picture, 16, 16, Image.Resampling.BICUBIC) is picture


@pytest.mark.parametrize("size", [(3000, 1), (1, 2999), (1407, 7), (3, 702), (2410, 12)])
@pytest.mark.parametrize(("side", "crop"), [(16, 16), (20, 15), (16, 20)])
@pytest.mark.parametrize("resample", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC])
def test_a_centre_crop_sees_the_same_of_a_very_long_picture(
    size: tuple[int, int], side: int, crop: int, resample: Image.Resampling
) -> None:
    picture = noise(*size)
    kept = shortened(picture, side, crop, resample)
    assert max(kept.size) == crop + 2 * side
    whole, part = middle(picture, side, crop, resample), middle(kept, side, crop, resample)
    assert np.abs(whole - part).max() <= 1


def middle(picture: Image.Image, side: int, crop: int, resample: Image.Resampling) -> Vectors:
    """Resize the shorter side and cut out the middle, as CLIP does; outside the picture it is black."""
    short, long = sorted(picture.size)
    length = int(side * long / short)
    resized = picture.resize((length, side) if picture.width == long else (side, length), resample)
    left, top = (resized.width - crop) // 2, (resized.height - crop) // 2
    return np.asarray(resized.crop((left, top, left + crop, top + crop)), dtype=np.float32)
