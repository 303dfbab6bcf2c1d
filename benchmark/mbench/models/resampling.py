"""Pillow's resize of RGB pictures, and a compiled one that makes the same bytes, only those that a crop keeps.

Pillow sums bytes times weights in whole numbers, first along lines and then along columns, so another order of the same
sums gives the same picture. The weights are asked of Pillow itself: a picture of single bright points shows them.
"""

from __future__ import annotations

import threading
from functools import cache, lru_cache
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mbench.core.compiled import Payoff
from mbench.models.resampling_loops import BITS, BYTES, Bytes, Integers, Pixels, Room, Weights, resampled

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = Payoff(512)
REACH = {2: 1.0, 3: 2.0, 1: 3.0}
"""How many pixels of the smaller picture a filter reaches to either side: bilinear, bicubic, Lanczos, as Pillow numbers
them."""
TALLEST = 4
"""Pictures that are more often as high as wide are left to Pillow,"""
TRIED = ((83, 61, 37, 29), (61, 83, 41, 43), (30, 120, 10, 80), (19, 31, 19, 67), (44, 31, 101, 67), (50, 90, 7, 4))
"""Widths and heights, before and after, of what is tried; some of them as tall as others may be."""
STRIP = 64
"""Lines of a picture that are transposed at once, so that they stay in the processor's cache."""
KEPT = 512
"""Pairs of lengths whose weights are kept."""
LARGEST = 1 << 22
"""Pixels of the largest picture that Pillow holds in one block of memory. A larger one would have to be copied, which
takes as long as Pillow's own resize, and twice the memory."""


def resized_middle(picture: Image, size: tuple[int, int], crop: tuple[int, int], resample: int) -> Image | None:
    """Return `crop` (width, height) out of the middle of an RGB picture that is resized to `size` (width, height).

    Bytes are those of Pillow; None where its own code has to make them: nothing can be compiled, the filter is none
    that is known, the crop is larger than the picture, or the picture empty, large, or so tall that Pillow may sum
    columns first.
    """
    known = PICTURES.worth(1) and picture.mode == "RGB" and resample in REACH
    if not known or crop[0] > size[0] or crop[1] > size[1]:
        return None
    suited = _lines_first(picture.size, size) and _small(picture.size, size, resample)
    return _middle(picture, size, crop, resample) if suited and _as_pillow() else None


def _lines_first(size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """Tell whether every version of Pillow sums along lines first: 13 does not where the height shrinks by much more.

    The two orders round differently.
    """
    (width, height), (new_width, new_height) = size, wanted
    return height <= TALLEST * width and height - new_height <= max(0, 2 * (width - new_width))


def _small(size: tuple[int, int], wanted: tuple[int, int], resample: int) -> bool:
    """Tell whether a picture and those that show its weights are small: of a very wide one they are far larger."""
    weights = (_taps(*lengths, resample) * lengths[0] for lengths in zip(size, wanted, strict=True))
    return 0 < prod(size) <= LARGEST and max(weights) <= LARGEST


@cache
def _as_pillow() -> bool:
    """Tell whether the loops make the same bytes as this version of Pillow, of noise."""
    import PIL.Image

    noise = np.random.default_rng(0)
    for width, height, *size in TRIED:
        picture = PIL.Image.fromarray(noise.integers(0, 2, (height, width, 3), dtype=np.uint8) * np.uint8(255))
        for resample in REACH:
            wanted = (size[0], size[1])
            if _middle(picture, wanted, wanted, resample).tobytes() != picture.resize(wanted, resample).tobytes():
                return False
    return True


def _middle(picture: Image, size: tuple[int, int], crop: tuple[int, int], resample: int) -> Image:
    import PIL.Image

    across = _part(_weights(picture.width, size[0], resample), (size[0] - crop[0]) // 2, crop[0])
    down = _part(_weights(picture.height, size[1], resample), (size[1] - crop[1]) // 2, crop[1])
    return PIL.Image.frombytes("RGB", crop, _summed(_pixels(picture), across, down), "raw", "RGBX")


@lru_cache(KEPT)
def _weights(length: int, wanted: int, resample: int) -> Weights:
    """Return how Pillow makes `wanted` pixels of `length`.

    In a picture of 32-bit whole numbers a point of 2 ** BITS becomes its weights. Points stand so far apart that each
    output sees one of a line.
    """
    import PIL.Image

    scale, taps = length / wanted, _taps(length, wanted, resample)
    points = np.zeros((taps, length), dtype=np.int32)
    places = np.arange(length)
    points[places % taps, places] = 1 << BITS
    seen = np.asarray(PIL.Image.fromarray(points).resize((wanted, taps), resample))
    first = np.floor((np.arange(wanted) + 0.5) * scale - _reach(scale, resample)).astype(np.int32)
    first = np.clip(first, 0, length - taps, dtype=np.int32)
    inputs = first[:, None] + np.arange(taps)
    return _trimmed(first, seen[inputs % taps, np.arange(wanted)[:, None]], length)


def _reach(scale: float, resample: int) -> float:
    """Return how many pixels a filter reaches to either side."""
    return REACH[resample] * max(scale, 1.0)


def _taps(length: int, wanted: int, resample: int) -> int:
    """Return how many of `length` inputs one of `wanted` outputs can see, at the most."""
    return min(2 * ceil(_reach(length / wanted, resample)) + 2, length)


def _trimmed(first: Integers, values: Integers, length: int) -> Weights:
    """Leave out weights of zero that all outputs have at their ends; no window goes beyond `length` inputs."""
    used = values != 0
    begin = first + np.argmax(used, axis=1).astype(np.int32)
    end = first + values.shape[1] - np.argmax(used[:, ::-1], axis=1)
    taps = int((end - begin).max())
    begin = np.minimum(begin, length - taps, dtype=np.int32)
    places = begin[:, None] + np.arange(taps) - first[:, None]
    inside = (places >= 0) & (places < values.shape[1])
    kept = np.take_along_axis(values, np.where(inside, places, 0), axis=1)
    return Weights(begin, np.where(inside, kept, 0).astype(np.int32))


def _pixels(picture: Image) -> Pixels:
    """Return [h, w] pixels of four bytes: where Pillow has them if it has them in one piece and shows them."""
    import pyarrow as pa

    width, height = picture.size
    try:
        seen = pa.array(picture).values.to_numpy(zero_copy_only=True)
    except (AttributeError, TypeError, ValueError, pa.ArrowException):
        seen = np.frombuffer(picture.tobytes("raw", "RGBX"), dtype=np.uint8)
    found: Pixels = seen.view(np.uint32).reshape(height, width)
    return found


def _part(weights: Weights, start: int, length: int) -> Weights:
    """Return the weights of some outputs."""
    return Weights(weights.first[start : start + length], weights.values[start : start + length])


def _reads(weights: Weights) -> slice:
    """Return the inputs that are looked at."""
    return slice(int(weights.first.min()), int(weights.first.max()) + weights.values.shape[1])


def _summed(pixels: Pixels, across: Weights, down: Weights) -> Bytes:
    """Return [h, w, 4] the picture that two directions of weights make of pixels, first across."""
    wanted, used, rows = len(across.first), _reads(across), _reads(down)
    room = Room(
        _rooms.take("turned", (used.stop - used.start, STRIP), np.uint32),
        _rooms.take("narrow", (wanted, STRIP), np.uint32),
        _rooms.take("lines", (rows.stop - rows.start, wanted), np.uint32),
        _rooms.take("sums", (BYTES * max(STRIP, wanted),), np.int32),
    )
    found = np.empty((len(down.first), wanted), dtype=np.uint32)
    across = Weights(across.first - np.int32(used.start), across.values)
    down = Weights(down.first - np.int32(rows.start), down.values)
    resampled(pixels[rows, used], across, down, room, found)
    return found.view(np.uint8).reshape(*found.shape, BYTES)


class _Rooms(threading.local):
    """Memory that a thread uses again for the next picture: fresh pages take as long as the sums."""

    def __init__(self) -> None:
        self.of: dict[str, npt.NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array with anything in it."""
        wanted = prod(shape)
        if name not in self.of or len(self.of[name]) < wanted:
            self.of[name] = np.empty(wanted, dtype=dtype)
        return self.of[name][:wanted].reshape(shape)


_rooms = _Rooms()
