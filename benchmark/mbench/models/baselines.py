"""Models that know nothing, or see only one modality: the floor that every score is read against.

`text-only:M` and `image-only:M` show M one modality. An item of which nothing is left gets M's vector of the empty
text, encoded once, so that all such items tie exactly; where M cannot embed an empty text it is a fixed vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from mbench.core.errors import EncodingError, ModelError, UnsupportedModalityError
from mbench.core.specs import ModelCard
from mbench.core.types import Encoder, Item, LoadOptions, Role, Vectors, needs_of
from mbench.models.cards import shipped_card
from mbench.models.identity import Identity, extended
from mbench.models.options import Args, Count, NoArgs, refuse_revision

CONSTANT_DIMENSION = 64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class RandomArgs(Args):
    """Arguments of `random`."""

    dimension: Count = 128


class Random:
    """A vector drawn from the hash of seed, role and item id: the same in every batch and on every machine."""

    card: ModelCard = shipped_card("random")
    args: ClassVar[type[Args]] = RandomArgs
    needs = frozenset({"id"})

    def __init__(self, seed: int = 0, dimension: int = 128) -> None:
        self.seed, self.dimension = seed, dimension
        self.card = self.card.model_copy(update={"dimension": dimension, "revision": f"seed-{seed}"})
        self.identity = {"seed": seed, "dimension": dimension}

    @classmethod
    def load(cls, options: LoadOptions) -> Random:
        """Return the model for `--seed`. Raises UserError."""
        refuse_revision(options, "random")
        return cls(options.seed, RandomArgs.read(options, "random").dimension)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d] in which every entry is a sum of four independent uniform numbers, close to normal."""
        prefix = f"{self.seed}/{role}/"
        keys = b"".join(hashlib.blake2b((prefix + i.id).encode(), digest_size=8).digest() for i in items)
        steps = np.arange(1, self.dimension + 1, dtype=np.uint64) * _GOLDEN
        bits = _mixed(np.frombuffer(keys, dtype="<u8")[:, None] + steps)
        lanes = bits.view(np.uint16).reshape(len(items), self.dimension, 4)
        sums: Vectors = lanes.sum(axis=2, dtype=np.float32) - np.float32(2 * 65535)
        return sums / np.float32(65536)


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble 64-bit counters as SplitMix64 does (Steele, Lea and Flood, OOPSLA 2014)."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


class Constant:
    """The same vector for everything. It scores what chance scores, unless a task leaks its labels in its order."""

    card: ModelCard = shipped_card("constant")
    args: ClassVar[type[Args]] = NoArgs
    needs: frozenset[str] = frozenset()
    identity: ClassVar[Identity] = {"constant": CONSTANT_DIMENSION}

    @classmethod
    def load(cls, options: LoadOptions) -> Constant:
        """Return the model. Raises UserError for arguments, of which it takes none."""
        refuse_revision(options, "constant")
        NoArgs.read(options, "constant")
        return cls()

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, 64] of equal rows of length 1."""
        return np.full((len(items), CONSTANT_DIMENSION), CONSTANT_DIMENSION**-0.5, dtype=np.float32)


class OneSense:
    """Any model that is shown one modality alone."""

    sense: ClassVar[Literal["text", "image"]]
    argument: ClassVar[str] = "M"

    def __init__(self, inner: Encoder) -> None:
        self.inner = inner
        self.card = self._card(inner.card)
        self.needs = needs_of(inner) - ({"image"} if self.sense == "text" else {"text"})
        self.identity = extended(inner, sees=self.sense)
        self._blank: dict[Role, Vectors] = {}

    @classmethod
    def load(cls, options: LoadOptions) -> OneSense:
        """Load the model that the name's argument tells, with all its options. Raises UserError, ModelError."""
        from mbench.models.catalog import load_model

        return cls.of(load_model(options.argument or "", replace(options, argument=None)))

    @classmethod
    def of(cls, inner: Encoder) -> OneSense:
        """Return `inner` with one sense left. Raises UnsupportedModalityError when it has not got that one."""
        name = f"{cls.sense}-only:{inner.card.id}"
        if cls.sense not in needs_of(inner):
            raise UnsupportedModalityError(
                f"{name}: model {inner.card.id!r} never looks at the {cls.sense} of an item."
            )
        if cls.sense not in inner.card.modalities:
            takes = ", ".join(inner.card.modalities)
            raise UnsupportedModalityError(
                f"{name}: model {inner.card.id!r} embeds no {cls.sense} alone (it takes {takes})."
            )
        return cls(inner)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return the model's vectors [n, d] of what is left of the items."""
        shown = [self.shown(item) for item in items]
        seen = [i for i, item in enumerate(shown) if item is not None]
        if len(seen) == len(items):
            return self.inner.encode([item for item in shown if item], role=role)
        blank = self._blank_vector(role)
        vectors = np.repeat(blank, len(items), axis=0)
        if seen:
            vectors[seen] = self.inner.encode([item for item in shown if item], role=role)
        return vectors

    def shown(self, item: Item) -> Item | None:
        """Return what the model may see of `item`, or None where nothing is left."""
        raise NotImplementedError

    def _blank_vector(self, role: Role) -> Vectors:
        if role not in self._blank:
            self._blank[role] = _of_nothing(self.inner, role)
        return self._blank[role]

    def _card(self, card: ModelCard) -> ModelCard:
        changed: dict[str, object] = {
            "id": f"{self.sense}-only:{card.id}",
            "title": f"{card.title or card.id}, {self.sense} only",
            "description": f"{card.id} that sees the {self.sense} of an item and nothing else.",
            "modalities": ["text", "image", "image+text"],
            "uses_instructions": card.uses_instructions and self.sense == "text",
            "roles_differ": None,
        }
        return card.model_copy(update=changed)


class TextOnly(OneSense):
    """The model without its eyes: pictures are dropped, texts and instructions stay."""

    card: ModelCard = shipped_card("text-only")
    sense = "text"

    def shown(self, item: Item) -> Item | None:
        """Return `item` without its picture; an instruction without a text stays, with the empty text."""
        if not item.text and not item.instruction:
            return None
        return replace(item, image=None, text=item.text or "")


class ImageOnly(OneSense):
    """The model without words: texts and instructions are dropped, pictures stay."""

    card: ModelCard = shipped_card("image-only")
    sense = "image"

    def shown(self, item: Item) -> Item | None:
        """Return the picture of `item` alone."""
        return None if item.image is None else replace(item, text=None, instruction=None)


def _of_nothing(encoder: Encoder, role: Role) -> Vectors:
    """Return [1, d], what `encoder` makes of the empty text; of equal entries where it cannot or makes zeros of it."""
    dimension = encoder.card.dimension
    try:
        vector = encoder.encode([Item(id="", text="")], role=role)
    except (UnsupportedModalityError, EncodingError):
        vector = np.zeros((1, dimension or 0), dtype=np.float32)
    if vector.shape[1] == 0:
        raise ModelError(f"Model {encoder.card.id!r} embeds no text, and its card does not tell its dimension.")
    return vector if vector.any() else np.full_like(vector, vector.shape[1] ** -0.5)


class Oracle:
    """Gives every item the vector that it is told: for tests of the path from vectors to scores. Not registered."""

    card: ModelCard = ModelCard(
        id="oracle", modalities=["text", "image", "image+text"], uses_instructions=True, license="Apache-2.0"
    )
    needs = frozenset({"id"})

    def __init__(self, queries: Mapping[str, npt.ArrayLike], candidates: Mapping[str, npt.ArrayLike]) -> None:
        self.vectors: dict[Role, Mapping[str, npt.ArrayLike]] = {"query": queries, "candidate": candidates}

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return the told vectors [n, d]."""
        return np.array([self.vectors[role][item.id] for item in items], dtype=np.float32)
