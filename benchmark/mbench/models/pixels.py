"""What transformers' image processors make of pictures, bit for bit and in a third of their time.

They copy a picture some ten times between resizing it and the tensor, and compute each value in double precision. A
byte has 256 values, so what rescaling and normalising make of each is asked of the processor itself, once a batch, and
then looked up, straight into the batch. Resizing is Pillow's own, or a compiled one that makes the same bytes, and is
left out for a picture that has the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mbench.core.types import Vectors
from mbench.models.pictures import prepared
from mbench.models.resampling import PICTURES, resized_middle
from mbench.models.resampling_loops import Bytes, looked_up

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

KNOWN = ("CLIPImageProcessorPil", "SiglipImageProcessorPil", "BlipImageProcessorPil")
"""Classes whose steps are resize, centre crop, rescale and normalise, in this order and nothing else."""
CHANNELS = 3
BYTES = 256


@dataclass(frozen=True, slots=True)
class Steps:
    """A processor's settings: `edge` is the length to give the shorter side, else `size` (height, width) is the whole
    picture's; `crop` (height, width) is cut out of the middle. What is None is not done.
    """

    edge: int | None
    size: tuple[int, int] | None
    crop: tuple[int, int] | None
    resample: int

    @property
    def shape(self) -> tuple[int, int] | None:
        """Height and width of every picture in the end; None where they differ from picture to picture."""
        return self.crop or self.size

    @property
    def final(self) -> bool:
        """Whether a picture of `shape` is left as it is."""
        return self.crop in (None, self.size, (self.edge, self.edge)) or (self.edge is None and self.size is None)

    def picture(self, picture: Image) -> Image:
        """Return an RGB picture of `shape`, resized and cropped."""
        size = self._resized(picture)
        if picture.size != size:
            height, width = self.crop or size[::-1]
            middle = resized_middle(picture, size, (width, height), self.resample)
            if middle is not None:
                return middle
            picture = picture.resize(size, self.resample)
        return picture if self.crop is None else _middle(picture, *self.crop)

    def _resized(self, picture: Image) -> tuple[int, int]:
        if self.size is not None:
            return self.size[1], self.size[0]
        if self.edge is None:
            return picture.size
        short, long = sorted(picture.size)
        length = int(self.edge * long / short)
        return (self.edge, length) if picture.width <= picture.height else (length, self.edge)


def pixel_values(processor: Any, pictures: Sequence[Image]) -> Tensor | None:
    """Return float32 [n, 3, h, w], equal to what `processor` makes of RGB pictures; None for one that is not known."""
    import torch

    steps = steps_of(processor)
    if steps is None or steps.shape is None:
        return None
    values = torch.empty((len(pictures), CHANNELS, *steps.shape), dtype=torch.float32)
    table = _table(processor)
    for picture, channels in zip(pictures, values.numpy(), strict=True):
        _look_up(np.asarray(steps.picture(picture)), table, channels)
    return values


def reduced(processor: Any, picture: Image) -> Image:
    """Return a picture of which `processor` makes the same as of `picture`, as small as is known."""
    ready = prepared(picture, processor)
    steps = steps_of(processor)
    return steps.picture(ready) if steps is not None and steps.shape is not None and steps.final else ready


def _look_up(picture: Bytes, table: Vectors, channels: Vectors) -> None:
    if PICTURES.worth(0):
        looked_up(picture, table, channels)
        return
    for channel in range(CHANNELS):
        # Bytes are never out of range; "clip" saves numpy a copy that it keeps for errors.
        np.take(table[channel], picture[..., channel], out=channels[channel], mode="clip")


def steps_of(processor: Any) -> Steps | None:
    """Return the steps of a processor of a known class with settings that are understood, else None."""
    if type(processor).__name__ not in KNOWN or getattr(processor, "do_pad", None):
        return None
    size = _lengths(processor.size) if processor.do_resize else {}
    crop = _lengths(processor.crop_size) if getattr(processor, "do_center_crop", None) else {}
    if size.keys() not in ({"shortest_edge"}, {"height", "width"}, set()):
        return None
    if crop.keys() not in ({"height", "width"}, set()):
        return None
    return Steps(size.get("shortest_edge"), _sides(size), _sides(crop), int(processor.resample))


def _lengths(size: Any) -> dict[str, int]:
    return {name: int(length) for name, length in dict(size).items() if length}


def _sides(size: dict[str, int]) -> tuple[int, int] | None:
    return (size["height"], size["width"]) if "height" in size else None


def _middle(picture: Image, height: int, width: int) -> Image:
    """Cut out the middle; what lies outside of a smaller picture is black."""
    if picture.size == (width, height):
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _table(processor: Any) -> Vectors:
    """Return float32 [3, 256]: what the processor makes of each byte in each channel."""
    ramp = np.arange(BYTES, dtype=np.uint8).reshape(16, 16)
    every = np.repeat(ramp[..., None], CHANNELS, axis=-1)
    found = processor([every], do_resize=False, do_center_crop=False, input_data_format="channels_last")
    table: Vectors = np.asarray(found["pixel_values"][0], dtype=np.float32).reshape(CHANNELS, BYTES)
    return table
