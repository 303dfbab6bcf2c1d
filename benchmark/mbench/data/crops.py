"""Pictures that are a part of another one: the crops of GeneCIS, cut out when they are opened.

The rule, of `datasets/vaw_dataset.py` in https://github.com/facebookresearch/genecis: the corner of the box moves up
and to the left by 0.7 of its width and height, but the box is only widened to 1.7 times its size, so it grows to the
left and upwards alone; where the picture ends it is cut. Black bars make the rest square.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mbench.core.errors import ImageError
from mbench.data.images import DIGEST_SIZE, FolderImages

if TYPE_CHECKING:
    from PIL.Image import Image

DILATION = 0.7
AT, COMMA = "@", ","


@dataclass(frozen=True, slots=True)
class CroppedImages:
    """Crops of the pictures in a folder. A reference is the picture's own and a box: `2345@10,20,30.5,40` is x, y,
    width and height in pixels.
    """

    whole: FolderImages

    @staticmethod
    def reference(name: str, box: Sequence[float]) -> str:
        """Return the reference of a crop; equal boxes give equal references, also 10 and 10.0."""
        return name + AT + COMMA.join(str(int(side) if float(side).is_integer() else side) for side in box)

    def open(self, reference: str) -> Image:
        """Return the crop. Raises ImageError that names the file, also for a box without a pixel of the picture."""
        name, box = _parsed(reference)
        picture = self.whole.open(name)
        left, top, right, bottom = dilated(box, *picture.size)
        if round(right) <= round(left) or round(bottom) <= round(top):
            raise ImageError(f"{self.whole.path(name)}: the box {box} has no pixel of its {picture.size} pixels.")
        return squared(picture.crop((left, top, right, bottom)))

    def digest(self, reference: str) -> bytes:
        """Return a digest of the file's content and the box. Raises ImageError."""
        name, _ = _parsed(reference)
        box = reference.rpartition(AT)[2]
        return hashlib.blake2b(self.whole.digest(name) + box.encode(), digest_size=DIGEST_SIZE).digest()

    def pixels(self, reference: str) -> int:
        """Return the number of pixels of the squared crop, if the picture does not cut it."""
        _, box = _parsed(reference)
        return math.ceil(((1 + DILATION) * max(box[2:])) ** 2)

    def missing(self, references: Iterable[str]) -> list[str]:
        """Return the paths of the files that are not there, each once."""
        return self.whole.missing(dict.fromkeys(_parsed(one)[0] for one in references))


def dilated(box: Sequence[float], width: int, height: int) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the crop of a box (x, y, width, height) in a picture of that size."""
    x, y, wide, high = box
    left, top = max(0, x - DILATION * wide), max(0, y - DILATION * high)
    return left, top, min(width, left + (1 + DILATION) * wide), min(height, top + (1 + DILATION) * high)


def squared(picture: Image) -> Image:
    """Return the picture in the middle of a black square; half a pixel goes to the right or below."""
    import PIL.Image

    if picture.width == picture.height:
        return picture
    if picture.mode not in ("L", "RGB"):
        picture = picture.convert("RGB")
    side = max(picture.size)
    square = PIL.Image.new(picture.mode, (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def _parsed(reference: str) -> tuple[str, tuple[float, ...]]:
    name, _, box = reference.rpartition(AT)
    try:
        sides = tuple(float(side) for side in box.split(COMMA))
    except ValueError:
        sides = ()
    if not name or len(sides) != 4:
        raise ImageError(f"{reference!r} is no crop; expected a picture and a box such as 2345@10,20,30,40.")
    return name, sides
