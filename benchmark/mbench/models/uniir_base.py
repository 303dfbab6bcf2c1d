"""What the four UniIR models share: where their weights lie, what they read, and the two ways to fuse.

UniIR (Wei et al. 2023, https://arxiv.org/abs/2311.17136; code: https://github.com/TIGER-AI-Lab/UniIR) reads of an item:

- a query's text: its instruction and its text, each brought into M-BEIR's form, joined by a blank and brought into that
  form again. A query of a picture alone is thus a picture and the instruction as its text;
- a candidate's text: its text in M-BEIR's form; an instruction of a candidate is left out;
- its picture, converted to RGB.

A blank text counts as absent, as in the official masks. Score fusion adds the features of what is there, as the towers
give them; a blank text alone is the zero vector. Feature fusion always reads both: an absent text is the empty one, an
absent picture is zeros where the normalised pixels would be, a mid-grey.

Vectors are those of the official code before it normalises them. It computes them with fp16 autocast on a GPU, from
which `--dtype auto` takes fp16 there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from pydantic import Field

from mbench.core.errors import CheckpointError, MissingDependencyError, listed
from mbench.core.specs import ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.device import placement
from mbench.models.hub import Located, locate
from mbench.models.identity import Identity
from mbench.models.options import Args, Text
from mbench.models.uniir_prompt import Content, content_of
from mbench.models.uniir_pth import read_pth
from mbench.models.weights_io import Checkpoint, load_strict

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor, nn

    Texts = Callable[[list[str]], Tensor]
    Images = Callable[[Tensor], Tensor]

VERSION = 1
"""To be raised by a change of these adapters that can change an embedding."""
RELEASED = "TIGER-Lab/UniIR"
FILES = ("*.pth", "arch.json", "tokenizer/*", "vocab.txt")
"""What is fetched of any other repository."""


class UniirArgs(Args):
    """Arguments of a model whose weights are not published."""

    checkpoint: Text = Field(description="the folder that holds the .pth file, or a name on the Hugging Face Hub")
    id: Text | None = Field(None, description="the model's name in results")


class ReleasedArgs(UniirArgs):
    """Arguments of a model whose weights are published."""

    checkpoint: Text = Field(RELEASED, description="the folder that holds the .pth file, or a name on the Hub")


@dataclass(frozen=True, slots=True)
class Weights:
    """A .pth file, and the checkpoint that it belongs to."""

    located: Located
    path: Path
    checkpoint: Checkpoint

    def width(self, name: str) -> int | None:
        """Return the first size of the tensor called `name`, None where there is none."""
        shape = self.checkpoint.shapes.get(name)
        return shape[0] if shape else None


@dataclass(frozen=True, slots=True)
class Plan:
    """A network that still lacks its weights, and what goes with it.

    `side` is that of its pictures in pixels, `dimension` that of its embeddings, `vocabulary` tells its tokens.
    """

    network: nn.Module
    side: int
    dimension: int
    vocabulary: str


AnyArgs = TypeVar("AnyArgs", bound=UniirArgs)


class Uniir(ABC, Generic[AnyArgs]):
    """Base of the adapters: a subclass plans its network and embeds contents with it."""

    card: ModelCard
    args: ClassVar[type[UniirArgs]]
    released: ClassVar[str]
    """The file of the weights in the official repository, or where it would lie."""
    without_effect: ClassVar[tuple[str, ...]]
    """Globs of tensors that official checkpoints hold and that no embedding depends on."""
    packages: ClassVar[tuple[str, ...]] = ()

    def __init__(self, args: AnyArgs, options: LoadOptions) -> None:
        self.where = placement(options, official="fp16")
        weights = open_weights(args.checkpoint, options, self.released)
        plan = self._plan(weights, args, options)
        load_strict(plan.network, weights.checkpoint, ignore=self.without_effect)
        self.network: Any = plan.network
        self.side, self.dimension = plan.side, plan.dimension
        self.card = self.card.model_copy(
            update={
                "id": args.id or self.card.id,
                "revision": weights.located.revision,
                "checkpoint": weights.located.name,
                "dimension": plan.dimension,
                "parameters": sum(one.numel() for one in plan.network.parameters()),
            }
        )
        self.identity: Identity = {
            "adapter_version": VERSION,
            "checkpoint": weights.located.revision,
            "vocabulary": plan.vocabulary,
            "dtype": self.where.dtype,
        }

    @classmethod
    def load(cls, options: LoadOptions) -> Self:
        """Load `--model-args checkpoint=`. Raises UserError, ModelError, CheckpointError, MissingDependencyError."""
        args: Any = cls.args.read(options, cls.card.id)
        missing = [name for name in cls.packages if find_spec(name) is None]
        if missing:
            raise MissingDependencyError(
                f"Model {cls.card.id!r} needs {listed(missing)}: pip install 'mbench-eval[uniir]'"
            )
        return cls(args, options)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d], not normalised. Raises UnsupportedModalityError for an item with neither picture nor text."""
        import torch

        contents = [content_of(item, role, self.card.id) for item in items]
        if not contents:
            return np.zeros((0, self.dimension), dtype=np.float32)
        with torch.inference_mode():
            vectors: Vectors = self._embed(contents).float().cpu().numpy()
        return vectors

    @abstractmethod
    def _plan(self, weights: Weights, args: AnyArgs, options: LoadOptions) -> Plan:
        """Reserve the network for the weights. Raises CheckpointError."""

    @abstractmethod
    def _preprocessed(self, picture: Image) -> Vectors:
        """Return the normalised pixels [3, side, side]."""

    @abstractmethod
    def _embed(self, contents: Sequence[Content]) -> Tensor:
        """Return [n, d], one vector a content; there is at least one."""

    def _sums(self, contents: Sequence[Content], text: Texts, image: Images) -> Tensor:
        """Fuse scores: return [n, d], the sums of the features of the texts and pictures that are there."""
        import torch

        vectors = torch.zeros(len(contents), self.dimension, device=self.where.device)
        worded = [row for row, one in enumerate(contents) if one.text]
        pictured = [row for row, one in enumerate(contents) if one.picture is not None]
        if worded:
            vectors[worded] += text([contents[row].text for row in worded]).float()
        if pictured:
            vectors[pictured] += image(self._pixels([contents[row].picture for row in pictured])).float()
        return vectors

    def _image_states(self, contents: Sequence[Content], image: Images) -> Tensor:
        """Return [n, t, d] of all pictures, those that are absent included; their grey is looked at once."""
        pictures = list({id(one.picture): one.picture for one in contents}.values())
        places = {id(picture): place for place, picture in enumerate(pictures)}
        return image(self._pixels(pictures))[[places[id(one.picture)] for one in contents]]

    def _pixels(self, pictures: Sequence[Image | None]) -> Tensor:
        import torch

        grey = np.zeros((3, self.side, self.side), dtype=np.float32)
        pixels = [grey if one is None else self._preprocessed(one) for one in pictures]
        return torch.from_numpy(np.stack(pixels)).to(self.where.device, self.where.torch_dtype)


def open_weights(checkpoint: str, options: LoadOptions, released: str) -> Weights:
    """Find and open the .pth file of `checkpoint`, a folder or a Hub name; `released` is the official one's path.

    Raises UserError, ModelError, and CheckpointError when the folder holds no or several .pth files, or a bad one.
    """
    located = locate(checkpoint, options, files=(released,) if checkpoint == RELEASED else FILES)
    path = located.folder / released
    if not path.is_file():
        found = sorted(located.folder.glob("*.pth"))
        if len(found) != 1:
            what = f"{len(found)} .pth files ({listed(one.name for one in found)})" if found else "no .pth file"
            raise CheckpointError(f"{checkpoint}: holds {what}; expected one, or {released}.")
        path = found[0]
    return Weights(located, path, read_pth(path))
