"""Pictures as the code of composed retrieval with textual inversion sees them, with Pillow and numpy alone.

Long pictures get black borders until they are at most 1.25 times as long as wide ("target pad", Baldrati et al. 2022),
so that CLIP's crop cuts off less of them (https://github.com/miccunifi/SEARLE, `src/data_utils.py`). Colours are
converted last, as there: a border is 0 in the picture's own mode, and a palette is not interpolated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Vectors
from mbench.models.pictures import rgb, shortened

if TYPE_CHECKING:
    from PIL.Image import Image

RATIO = 1.25
BORDERED_RATIO = 16
MOST_PIXELS = 16_000_000


def padded_view(picture: Image, side: int) -> Image:
    """Return `side` x `side` pixels in RGB: the middle of the picture with borders, its shorter edge resized to `side`.

    One of 100,000 x 1 would have 8 gigapixels with its borders: so long a picture is shortened before it gets them,
    which may move a value by a rounding.
    """
    from PIL import ImageOps
    from PIL.Image import Resampling

    left, top = borders(picture.size)
    full = picture.width + 2 * left, picture.height + 2 * top
    size = resized(full, side)
    if full[0] * full[1] > MOST_PIXELS and max(picture.size) > BORDERED_RATIO * min(picture.size):
        wide = picture.width > picture.height
        short = (size[0], picture.height) if wide else (picture.width, size[1])
        picture = picture.resize(short, Resampling.BICUBIC)
    if left or top:
        bands = len(picture.getbands())
        picture = ImageOps.expand(picture, (left, top, left, top), fill=0 if bands == 1 else (0,) * bands)
    return middle(picture, size, side)


def plain_view(picture: Image, side: int) -> Image:
    """Return `side` x `side` pixels in RGB: the middle of the picture, its shorter edge resized to `side`."""
    from PIL.Image import Resampling

    picture = shortened(picture, side, side, Resampling.BICUBIC)
    return middle(picture, resized(picture.size, side), side)


def borders(size: tuple[int, int]) -> tuple[int, int]:
    """Return how many pixels are added at the left and right, and at the top and bottom."""
    width, height = size
    if max(size) / min(size) < RATIO:
        return 0, 0
    wanted = max(size) / RATIO
    return max(int((wanted - width) / 2), 0), max(int((wanted - height) / 2), 0)


def resized(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the size whose shorter edge is `side`."""
    width, height = size
    length = int(side * max(size) / min(size))
    return (side, length) if width <= height else (length, side)


def middle(picture: Image, size: tuple[int, int], side: int) -> Image:
    """Resize to `size` and cut out the middle, rounding as torchvision does, then convert to RGB."""
    from PIL.Image import Resampling

    if picture.size != size:
        picture = picture.resize(size, Resampling.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return rgb(picture.crop((left, top, left + side, top + side)))


def normalised(picture: Image, mean: list[float], std: list[float]) -> Vectors:
    """Return [3, h, w] float32: values of 0 to 1 less `mean`, over `std`."""
    values = np.asarray(picture, dtype=np.float32) / np.float32(255)
    scaled = (values - np.array(mean, dtype=np.float32)) / np.array(std, dtype=np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))
