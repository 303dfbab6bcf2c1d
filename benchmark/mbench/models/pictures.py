"""What adapters do to a picture before a model's own preprocessing. Files are never opened here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

LONG_RATIO = 200
"""Pictures up to this ratio of their sides are never touched: resizing them whole takes some 30 megabytes."""


def rgb(picture: Image) -> Image:
    """Return the picture in RGB as the official implementations convert it: transparency is dropped, not blended.

    transformers 5 blends with white instead, which moves the embedding of every drawing with a transparent ground.
    """
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def prepared(picture: Image, processor: Any) -> Image:
    """Return what to hand to an image processor of transformers: RGB, and not longer than it makes a difference."""
    picture = rgb(picture)
    if not (getattr(processor, "do_resize", False) and getattr(processor, "do_center_crop", False)):
        return picture
    size = {edge: length for edge, length in dict(processor.size).items() if length}
    if size.keys() != {"shortest_edge"}:
        return picture
    crop = max(side for side in dict(processor.crop_size).values() if side)
    return shortened(picture, size["shortest_edge"], crop, processor.resample)


def shortened(picture: Image, side: int, crop: int, resample: int) -> Image:
    """Return the middle of a very long picture, resized as the whole of it would be; others are returned as they are.

    For models that resize the shorter side to `side` pixels and then cut out `crop` in the middle. Both steps leave the
    result alone but for its ends, so they see the same pixels, and a picture of 8000 x 1 does not become one of
    1,792,000 x 224 on the way.
    """
    from PIL.Image import Resampling

    short, long = sorted(picture.size)
    if long <= LONG_RATIO * short:
        return picture
    length = int(side * long / short)
    strip = crop + 2 * side
    start = (length - crop) // 2 - side
    begin, end = start * long / length, (start + strip) * long / length
    if picture.width == long:
        return picture.resize((strip, side), Resampling(resample), box=(begin, 0, end, short))
    return picture.resize((side, strip), Resampling(resample), box=(0, begin, short, end))
