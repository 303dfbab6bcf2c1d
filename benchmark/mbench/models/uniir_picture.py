"""Pictures as UniIR's backbones see them, with Pillow and numpy alone: equal to torchvision's transforms, bit by bit.

EXIF orientation is not applied and transparency is dropped, as in the official code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Vectors
from mbench.models.pictures import LONG_RATIO, rgb

if TYPE_CHECKING:
    from PIL.Image import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


def cropped(picture: Image, side: int) -> Vectors:
    """Return [3, side, side]: the shorter edge resized to `side` pixels, the middle cut out (OpenAI's `_transform`)."""
    from PIL.Image import Resampling

    picture = rgb(picture)
    short, long = sorted(picture.size)
    length = int(side * long / short)
    start = round((length - side) / 2)
    wide = picture.width > picture.height
    if long > LONG_RATIO * short:
        # The same middle without resizing the ends: a picture of 8000 x 1 would get 1,792,000 x 224 pixels.
        begin, end = start * long / length, (start + side) * long / length
        box = (begin, 0, end, short) if wide else (0, begin, short, end)
        return _normalised(picture.resize((side, side), Resampling.BICUBIC, box=box))
    resized = picture.resize((length, side) if wide else (side, length), Resampling.BICUBIC)
    left, top = (start, 0) if wide else (0, start)
    return _normalised(resized.crop((left, top, left + side, top + side)))


def squashed(picture: Image, side: int) -> Vectors:
    """Return [3, side, side]: both edges resized to `side` pixels, whatever the proportions (`get_blip_transform`)."""
    from PIL.Image import Resampling

    return _normalised(rgb(picture).resize((side, side), Resampling.BICUBIC))


def _normalised(picture: Image) -> Vectors:
    values = np.asarray(picture, dtype=np.float32) / np.float32(255)
    return np.ascontiguousarray(((values - MEAN) / STD).transpose(2, 0, 1))
