"""What adapters do to a picture before a model's own preprocessing. Files are never opened here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_RATIO = 32


def rgb(picture: Image) -> Image:
    """Return the picture in RGB as the official implementations convert it: transparency is dropped, not blended.

    transformers 5 blends with white instead, which moves the embedding of every drawing with a transparent ground.
    """
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def trimmed(picture: Image, ratio: int = LONGEST_RATIO) -> Image:
    """Return the middle of a picture that is more than `ratio` times as long as it is wide, else the picture itself.

    For models that resize the shorter side and then cut out the middle: what they see stays the same, but a picture of
    8000 x 1 pixels does not become one of 1,792,000 x 224 on the way.
    """
    width, height = picture.size
    keep = ratio * min(width, height)
    if max(width, height) <= keep:
        return picture
    left, top = max(0, (width - keep) // 2), max(0, (height - keep) // 2)
    return picture.crop((left, top, width - left, height - top))
