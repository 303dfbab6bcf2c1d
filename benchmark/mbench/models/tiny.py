"""The embedded models `tiny` (one fused transformer) and `tiny-dual` (two towers), whose weights ship with mbench.

What they see of an item: the text, cut after 32 words, and the instruction, cut after 24, both in lower case; a picture
as 48 x 48 pixels when neither side exceeds 96 (a single drawing), else as 96 x 96 (a scene), alpha and margins white.
Beware of that rule: it takes a large picture of one thing for a scene, and a scene of at most 96 pixels for one thing.
They were trained on emoji alone. Any picture gets a valid vector, but photographs mean nothing to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mbench.core.errors import CheckpointError, EncodingError
from mbench.core.files import file_sha256
from mbench.core.specs import ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.cards import shipped_card
from mbench.models.options import Args, ExistingFile, refuse_revision
from mbench.models.tiny_input import pad_tokens, side_px, tokens
from mbench.models.tiny_sight import Sight

if TYPE_CHECKING:
    from mbench.models.device import Placement
    from mbench.models.tiny_net import DualNet, FusedNet

WEIGHTS = Path(__file__).parent / "weights"
DIMENSION = 128
CHUNK = 64
"""Items that go through the network at once; the batch that the caller chose does not matter."""


class TinyArgs(Args):
    """Arguments of `tiny` and `tiny-dual`."""

    checkpoint: ExistingFile | None = Field(None, description="retrained weights, a .safetensors file")


class Tiny:
    """Picture, text and instruction meet in the attention of one small transformer."""

    card: ModelCard = shipped_card("tiny")
    args: ClassVar[type[Args]] = TinyArgs
    roles_alike = True
    net_name: ClassVar[str] = "tiny"
    weights: ClassVar[str] = "tiny.safetensors"

    def __init__(self, path: Path, placement: Placement) -> None:
        """Weights are read when something has to be encoded: a run whose vectors are all stored needs no network."""
        self.path, self.placement = path, placement
        self.sha256 = file_sha256(path)
        self.card = self.card.model_copy(update={"revision": self.sha256[:12]})
        self.identity = {"weights_sha256": self.sha256, "dtype": placement.dtype, "input": "1"}

    @classmethod
    def load(cls, options: LoadOptions) -> Self:
        """Take the shipped weights, or load those of `--model-args checkpoint=`. Raises UserError, CheckpointError."""
        from mbench.models.device import placement

        refuse_revision(options, cls.net_name)
        args = TinyArgs.read(options, cls.net_name)
        model = cls(args.checkpoint or WEIGHTS / cls.weights, placement(options))
        if args.checkpoint is not None:
            parameters = sum(one.numel() for one in model.net.parameters())
            model.card = model.card.model_copy(update={"parameters": parameters})
        return model

    @cached_property
    def net(self) -> FusedNet | DualNet:
        """The network with its weights. Raises CheckpointError unless every tensor fits it by name and shape."""
        from mbench.models.tiny_net import NETS
        from mbench.models.weights_io import Checkpoint, load_strict

        net = NETS[self.net_name]()
        load_strict(net, Checkpoint.open(self.path))
        if file_sha256(self.path) != self.sha256:
            raise CheckpointError(f"{self.path}: the weights changed while mbench ran; start it again.")
        return net.to(self.placement.device, self.placement.torch_dtype).eval()

    @cached_property
    def sight(self) -> Sight:
        """The network's eyes."""
        return Sight(self.net.stem, self.placement, CHUNK)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return unit vectors [n, 128]; an item's does not depend on the others beyond float rounding.

        Raises EncodingError for an item that has no text, no picture and no instruction.
        """
        rows = [tokens(item.text or "", item.instruction or "") for item in items]
        self._refuse_empty(items, rows, role)
        vectors: Vectors = np.zeros((len(items), DIMENSION), dtype=np.float32)
        for group in _by_kind(items, rows):
            for start in range(0, len(group), CHUNK):
                part = group[start : start + CHUNK]
                vectors[part] = self._embed([items[n] for n in part], [rows[n] for n in part])
        return vectors

    def _refuse_empty(self, items: Sequence[Item], rows: Sequence[NDArray[np.int64]], role: Role) -> None:
        for item, row in zip(items, rows, strict=True):
            if item.image is None and not len(row):
                raise EncodingError(
                    f"{role} {item.id!r} is empty: model {self.net_name!r} needs a text, a picture or an instruction."
                )

    def _embed(self, items: Sequence[Item], rows: Sequence[NDArray[np.int64]]) -> Vectors:
        """Vectors of items that all have a picture of one size, or none; and all have words, or none."""
        import torch

        images = [item.image for item in items if item.image is not None]
        with torch.inference_mode():
            features = self.sight.features(images) if images else None
            words = torch.from_numpy(pad_tokens(rows)).to(self.placement.device) if len(rows[0]) else None
            vectors: Vectors = self.net(features, words).float().cpu().numpy()
        return vectors


@dataclass(frozen=True)
class _Kind:
    """What items of one batch have in common: the size of their picture (0 for none), and whether there are words."""

    px: int
    words: bool


class TinyDual(Tiny):
    """A picture tower and a text tower that never see each other's input; their outputs are added (not normalised)."""

    card: ModelCard = shipped_card("tiny-dual")
    net_name: ClassVar[str] = "tiny-dual"
    weights: ClassVar[str] = "tiny_dual.safetensors"


def _by_kind(items: Sequence[Item], rows: Sequence[NDArray[np.int64]]) -> list[list[int]]:
    """Positions of the items that can share a batch, those of few words first, so that little is padded."""
    groups: dict[_Kind, list[int]] = defaultdict(list)
    for n in sorted(range(len(items)), key=lambda n: len(rows[n])):
        image = items[n].image
        groups[_Kind(0 if image is None else side_px(image), len(rows[n]) > 0)].append(n)
    return list(groups.values())
