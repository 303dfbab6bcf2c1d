"""Pictures as UniIR's backbones see them, with Pillow and numpy alone: equal to torchvision's transforms, bit by bit.

EXIF orientation is not applied and transparency is dropped, as in the official code. Of pictures more than 200 times as
long as they are wide only the middle is resized, which may round a value the other way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Vectors
from mbench.models.pictures import rgb

if TYPE_CHECKING:
    from PIL.Image import Image

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
LONGEST_RATIO = 200
"""Up to which proportions a picture is resized whole; it then takes 30 MB."""


def cropped(picture: Image, side: int) -> Vectors:
    """Return [3, side, side]: the shorter edge resized to `side` pixels, the middle cut out (OpenAI's `_transform`)."""
    from PIL.Image import Resampling

    picture = rgb(picture)
    short, long = sorted(picture.size)
    length = int(side * long / short)
    start = round((length - side) / 2)
    if long > LONGEST_RATIO * short:
        return _normalised(_middle(picture, side, start * long / length, (start + side) * long / length))
    wide = picture.width > picture.height
    resized = picture.resize((length, side) if wide else (side, length), Resampling.BICUBIC)
    left, top = (start, 0) if wide else (0, start)
    return _normalised(resized.crop((left, top, left + side, top + side)))


def _middle(picture: Image, side: int, begin: float, end: float) -> Image:
    """Return what lies between `begin` and `end` on the longer edge, without resizing the rest.

    A picture of 8000 x 1 would get 1,792,000 x 224 pixels. Pillow enlarges such a picture along its rows first, which
    matters where it rounds; so does this.
    """
    from PIL.Image import Resampling

    short, long = sorted(picture.size)
    reach = math.ceil(2 * max(1, short / side)) + 2
    first, last = max(0, math.floor(begin) - reach), min(long, math.ceil(end) + reach)
    if picture.width > picture.height:
        columns = picture.crop((first, 0, last, short))
        columns = columns.resize((side, short), Resampling.BICUBIC, box=(begin - first, 0, end - first, short))
        return columns.resize((side, side), Resampling.BICUBIC)
    rows = picture.crop((0, first, short, last)).resize((side, last - first), Resampling.BICUBIC)
    return rows.resize((side, side), Resampling.BICUBIC, box=(0, begin - first, side, end - first))


def squashed(picture: Image, side: int) -> Vectors:
    """Return [3, side, side]: both edges resized to `side` pixels, whatever the proportions (`get_blip_transform`)."""
    from PIL.Image import Resampling

    return _normalised(rgb(picture).resize((side, side), Resampling.BICUBIC))


def _normalised(picture: Image) -> Vectors:
    values = np.asarray(picture, dtype=np.float32) / np.float32(255)
    return np.ascontiguousarray(((values - MEAN) / STD).transpose(2, 0, 1))
