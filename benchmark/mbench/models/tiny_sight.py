"""The stem of an embedded model, with a memory: several questions about one picture pay for it once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mbench.models.tiny_input import pixels, side_px

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from mbench.models.device import Placement
    from mbench.models.tiny_net import Stem

REMEMBERED = 2048
"""Pictures; the features of a scene take 21 kB in single precision, so at most 43 MB."""


class Sight:
    """Turns pictures into stem features and keeps those of the last pictures, found again by their pixels."""

    def __init__(self, stem: Stem, placement: Placement, chunk: int) -> None:
        self.stem, self.placement, self.chunk = stem, placement, chunk
        self.memory: OrderedDict[bytes, Tensor] = OrderedDict()

    def features(self, images: Sequence[Image]) -> Tensor:
        """Features [n, 144, h, w] of pictures that are shrunk to one size; the stem sees each distinct one once."""
        import torch

        shrunk = [pixels(image, side_px(image)) for image in images]
        keys = [blake2b(picture.tobytes(), digest_size=16).digest() for picture in shrunk]
        known = {key: self.memory[key] for key in keys if key in self.memory}
        fresh = {key: picture for key, picture in zip(keys, shrunk, strict=True) if key not in known}
        known |= self._seen(fresh)
        self._remember({key: known[key] for key in keys})
        return torch.stack([known[key] for key in keys])

    def _seen(self, fresh: dict[bytes, NDArray[np.uint8]]) -> dict[bytes, Tensor]:
        keys = list(fresh)
        found: dict[bytes, Tensor] = {}
        for start in range(0, len(keys), self.chunk):
            part = keys[start : start + self.chunk]
            # A picture alone is multiplied by other routines than several, which round differently; what its features
            # are must not depend on what was remembered before it.
            shown = part if len(part) > 1 else part * 2
            features = self.stem(self._tensor(np.stack([fresh[key] for key in shown])))
            found |= {key: one.clone() for key, one in zip(shown, features, strict=True)}
        return found

    def _tensor(self, pictures: NDArray[np.uint8]) -> Tensor:
        import torch

        tensor = torch.from_numpy(pictures).to(self.placement.device).permute(0, 3, 1, 2)
        return tensor.to(self.placement.torch_dtype) / 255

    def _remember(self, seen: dict[bytes, Tensor]) -> None:
        for key, features in seen.items():
            self.memory[key] = features
            self.memory.move_to_end(key)
        while len(self.memory) > REMEMBERED:
            self.memory.popitem(last=False)
