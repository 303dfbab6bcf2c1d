"""Pictures for Qwen2-VL with PIL and numpy alone: resized to whole patches within a budget of pixels, then cut up.

The sizes follow `smart_resize`, which the official `qwen_vl_utils` (https://github.com/QwenLM/Qwen2-VL) and the image
processor of transformers 4 share; pixels equal those of the latter's slow processor. The torchvision one resamples
differently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mbench.core.errors import CheckpointError, DataError, ImageError
from mbench.core.files import read_json
from mbench.core.types import Vectors
from mbench.models.pictures import rgb

if TYPE_CHECKING:
    from PIL.Image import Image

SETTINGS_FILE = "preprocessor_config.json"
LONGEST_RATIO = 200
TOKEN_PX = 28 * 28
"""Pixels behind one token of the language model: 2 x 2 patches of 14 x 14."""
RESCALED_BY = 1 / 255
BICUBIC = 3
FIXED: dict[str, object] = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "do_convert_rgb": True,
    "resample": BICUBIC,
    "rescale_factor": RESCALED_BY,
}
"""Settings that are followed but not read: a checkpoint that asks for anything else is refused."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The fewest and the most pixels that a picture may have after a resize, up to rounding to whole tokens."""

    least: int
    most: int

    @staticmethod
    def tokens(least: int, most: int) -> Budget:
        """Return the budget for so many tokens of the language model."""
        return Budget(least * TOKEN_PX, most * TOKEN_PX)


@dataclass(frozen=True, slots=True)
class Patches:
    """A picture as the vision tower takes it: `values` float32 [rows * columns, 3 * 2 * 14 * 14].

    Each block of 2 x 2 patches, which becomes one token, is contiguous. The frame stands twice in every patch, since
    the tower sees two frames at a time.
    """

    values: Vectors
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Preprocessor:
    """What a checkpoint's preprocessor_config.json says. `patch` is in pixels, `merge` and `frames` are counts."""

    patch: int
    merge: int
    frames: int
    mean: Vectors
    std: Vectors

    @staticmethod
    def of(folder: Path) -> Preprocessor:
        """Read the settings of the checkpoint in `folder`. Raises CheckpointError that names the file and the key."""
        path = folder / SETTINGS_FILE
        try:
            settings = read_json(path)
            if not isinstance(settings, dict):
                raise TypeError(f"expected a mapping, found {type(settings).__name__}")
            _refuse_other(settings, path)
            return Preprocessor(
                patch=_whole(settings["patch_size"]),
                merge=_whole(settings["merge_size"]),
                frames=_whole(settings["temporal_patch_size"]),
                mean=_channels(settings["image_mean"]),
                std=_channels(settings["image_std"]),
            )
        except DataError as error:
            raise CheckpointError(f"{error}; a Qwen2-VL checkpoint has one.") from None
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: no image processor of Qwen2-VL: {type(error).__name__}: {error}") from None

    def patches(self, picture: Image, budgets: Sequence[Budget]) -> Patches:
        """Resize `picture` once for each budget, normalise it and cut it into patches.

        Transparency is dropped and EXIF orientation left alone, as the official code does. Raises ImageError for a
        picture more than 200 times as long as it is wide.
        """
        from PIL.Image import Resampling

        picture = rgb(picture)
        for budget in budgets:
            size = target_size(*picture.size, factor=self.patch * self.merge, budget=budget)
            picture = picture.resize(size, Resampling.BICUBIC)
        pixels = (np.asarray(picture).astype(np.float64) * RESCALED_BY).astype(np.float32)
        return self._cut((pixels - self.mean) / self.std)

    def _cut(self, pixels: Vectors) -> Patches:
        rows, columns = pixels.shape[0] // self.patch, pixels.shape[1] // self.patch
        blocks = pixels.reshape(
            rows // self.merge, self.merge, self.patch, columns // self.merge, self.merge, self.patch, 3
        ).transpose(0, 3, 1, 4, 6, 2, 5)
        frames = np.repeat(blocks[:, :, :, :, :, None], self.frames, axis=5)
        return Patches(frames.reshape(rows * columns, -1), rows, columns)


def target_size(width: int, height: int, *, factor: int, budget: Budget) -> tuple[int, int]:
    """Return the (width, height) to resize to: multiples of `factor` within `budget`, the proportions nearly kept.

    No side is shorter than `factor`, even if that exceeds a narrow budget. Raises ImageError for a picture more than
    200 times as long as it is wide, which the official code refuses, too.
    """
    if max(width, height) > LONGEST_RATIO * min(width, height):
        raise ImageError(
            f"a picture of {width} x {height} pixels; Qwen2-VL takes none that is more than {LONGEST_RATIO} times as "
            "long as it is wide"
        )
    wide, high = (max(factor, round(edge / factor) * factor) for edge in (width, height))
    if wide * high > budget.most:
        shrink = math.sqrt((height * width) / budget.most)
        wide, high = (max(factor, math.floor(edge / shrink / factor) * factor) for edge in (width, height))
    elif wide * high < budget.least:
        grow = math.sqrt(budget.least / (height * width))
        wide, high = (math.ceil(edge * grow / factor) * factor for edge in (width, height))
    return wide, high


def _refuse_other(settings: Mapping[str, Any], path: Path) -> None:
    for key, expected in FIXED.items():
        found = settings.get(key, expected)
        if found != expected:
            raise CheckpointError(f"{path}: {key} is {found!r}; this adapter follows {key} = {expected!r} alone.")


def _whole(value: object) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{value!r} is not a positive whole number")
    return value


def _channels(value: object) -> Vectors:
    channels: npt.NDArray[np.float32] = np.asarray(value, dtype=np.float32)
    if channels.shape != (3,):
        raise ValueError(f"{value!r} is not a list of three numbers")
    return channels
