"""Pictures for Phi-3.5-V: one view of the whole and up to so many crops of 336 x 336 pixels, with PIL and torch alone.

Follows the image processor of https://huggingface.co/microsoft/Phi-3.5-vision-instruct, which torchvision is needed
for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.errors import CheckpointError, DataError, ImageError
from mbench.core.files import read_json
from mbench.core.types import Vectors
from mbench.models.pictures import rgb

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

CROP = 336
SETTINGS_FILE = "preprocessor_config.json"
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Those of CLIP, which the official processor takes where the file tells none."""
WHITE = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Crops:
    """A picture as the vision tower takes it: `values` [1 + rows * columns, 3, 336, 336], the whole picture first."""

    values: Tensor
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Colours:
    """What pixels are normalised with, for each of three channels."""

    mean: Vectors
    std: Vectors

    @staticmethod
    def of(folder: Path) -> Colours:
        """Read preprocessor_config.json. Raises CheckpointError that names the file and the key."""
        path = folder / SETTINGS_FILE
        try:
            settings = read_json(path)
            if not isinstance(settings, dict):
                raise TypeError(f"expected a mapping, found {type(settings).__name__}")
            return Colours(*(_channels(settings.get(*one)) for one in (("image_mean", MEAN), ("image_std", STD))))
        except DataError as error:
            raise CheckpointError(f"{error}; a Phi-3.5-V checkpoint has one.") from None
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: no image processor of Phi-3.5-V: {type(error).__name__}: {error}") from None


def cut(picture: Image, most: int, colours: Colours) -> Crops:
    """Resize `picture` to as many whole crops as `most` allows, fill up with white, and cut it.

    Transparency is dropped and EXIF orientation left alone, as the official code does. Raises ImageError for a picture
    so long that nothing of its width would be left.
    """
    import torch

    pixels = np.array(_padded(rgb(picture), most), dtype=np.float32).transpose(2, 0, 1) / np.float32(255)
    whole = torch.from_numpy((pixels - colours.mean[:, None, None]) / colours.std[:, None, None])
    rows, columns = whole.shape[1] // CROP, whole.shape[2] // CROP
    crops = whole.reshape(3, rows, CROP, columns, CROP).permute(1, 3, 0, 2, 4).reshape(-1, 3, CROP, CROP)
    view = torch.nn.functional.interpolate(whole[None], size=(CROP, CROP), mode="bicubic")
    return Crops(torch.cat([view, crops]), rows, columns)


def _padded(picture: Image, most: int) -> Image:
    """Return the picture in whole crops. A tall one is turned over its diagonal, made as a wide one is, and back."""
    from PIL.Image import Resampling, Transpose, new

    if picture.width < picture.height:
        return _padded(picture.transpose(Transpose.TRANSPOSE), most).transpose(Transpose.TRANSPOSE)
    ratio = picture.width / picture.height
    width = CROP * _columns(ratio, most)
    height = int(width / ratio)
    if height == 0:
        raise ImageError(
            f"a picture of {max(picture.size)} x {min(picture.size)} pixels; Phi-3.5-V takes none that is more than "
            f"{width} times as long as it is wide"
        )
    padded = new("RGB", (width, CROP * math.ceil(height / CROP)), WHITE)
    padded.paste(picture.resize((width, height), Resampling.BILINEAR), (0, (padded.height - height) // 2))
    return padded


def _columns(ratio: float, most: int) -> int:
    """Return how many crops stand beside each other in a picture `ratio` times as wide as high, of `most` in all."""
    columns = 1
    while (columns + 1) * math.ceil((columns + 1) / ratio) <= most:
        columns += 1
    return columns


def _channels(value: object) -> Vectors:
    channels = np.asarray(value, dtype=np.float32)
    if channels.shape != (3,):
        raise ValueError(f"{value!r} is not a list of three numbers")
    return channels
