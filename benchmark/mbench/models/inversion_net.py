"""Networks that turn the feature of a picture into a word, and the place in a text where the word goes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from mbench.core.errors import CheckpointError, listed
from mbench.models.weights_io import Checkpoint, Shape, load_strict


class Phi(nn.Module):
    """SEARLE's network (https://github.com/miccunifi/SEARLE, `src/phi.py`), without dropout, which is for training."""

    def __init__(self, given: int, hidden: int, made: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(given, hidden),
            nn.GELU(),
            nn.Identity(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Identity(),
            nn.Linear(hidden, made),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return pseudo-words [n, made] for features [n, given] that are not normalised."""
        words: Tensor = self.layers(features)
        return words


def load_phi(checkpoint: Checkpoint, given: int, made: int) -> Phi:
    """Return the network whose weights `checkpoint` holds, of its sizes.

    Raises CheckpointError when a tensor is missing, superfluous or of another shape, and when the network does not take
    features of `given` values or does not make words of `made`.
    """
    first, _ = _ends(checkpoint, "layers.0.weight", "layers.6.weight", given, made)
    network = Phi(given, first[0], made)
    load_strict(network, checkpoint)
    return network


class Im2Text(nn.Module):
    """Pic2Word's network (https://github.com/google-research/composed_image_retrieval, `model/model.py`)."""

    def __init__(self, given: int, hidden: int, made: int, depth: int) -> None:
        super().__init__()
        widths = [given, *[hidden] * depth]
        self.layers = nn.Sequential(
            *(nn.Sequential(nn.Linear(width, after), nn.Identity(), nn.ReLU()) for width, after in pairwise(widths))
        )
        self.fc_out = nn.Linear(hidden, made)

    def forward(self, features: Tensor) -> Tensor:
        """Return pseudo-words [n, made] for features [n, given] that are not normalised."""
        words: Tensor = self.fc_out(self.layers(features))
        return words


def load_im2text(checkpoint: Checkpoint, given: int, made: int) -> Im2Text:
    """Return the network whose weights `checkpoint` holds, of its sizes. Raises CheckpointError as `load_phi` does."""
    first, _ = _ends(checkpoint, "layers.0.0.weight", "fc_out.weight", given, made)
    depth = sum(bool(re.fullmatch(r"layers\.\d+\.0\.weight", name)) for name in checkpoint.shapes)
    network = Im2Text(given, first[0], made, depth)
    load_strict(network, checkpoint)
    return network


def _ends(checkpoint: Checkpoint, first: str, last: str, given: int, made: int) -> tuple[Shape, Shape]:
    """Return the shapes of the first and the last matrix. Raises CheckpointError unless they fit CLIP."""
    shapes = checkpoint.shapes.get(first, ()), checkpoint.shapes.get(last, ())
    if any(len(shape) != 2 for shape in shapes):
        raise CheckpointError(
            f"{checkpoint.where}: expected a network with the matrices {first} and {last}; "
            f"found {listed(checkpoint.shapes)}."
        )
    takes, makes = shapes[0][1], shapes[1][0]
    if (takes, makes) != (given, made):
        raise CheckpointError(
            f"{checkpoint.where}: makes words of {makes} values from features of {takes}, but CLIP has words of {made} "
            f"and features of {given}; the two belong to different sizes of CLIP."
        )
    return shapes


@contextmanager
def inserted(embedding: nn.Module, places: Tensor, words: Tensor) -> Iterator[None]:
    """Let `embedding`, which gives [n, t, d] for token ids [n, t], give `words` [n, d] at `places` [n] instead."""

    def put(_module: nn.Module, _given: Any, vectors: Tensor) -> Tensor:
        changed = vectors.clone()
        rows = torch.arange(len(changed), device=changed.device)
        changed[rows, places] = words.to(changed)
        return changed

    handle = embedding.register_forward_hook(put)
    try:
        yield
    finally:
        handle.remove()
