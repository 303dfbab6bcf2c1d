"""Tiles of the corpus in a filter's number format, measured for the filter's bound; on a device, kept there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from mbench.core.errors import UserError
from mbench.core.mapped import forget, is_mapped
from mbench.core.types import Floats, Rows, Vectors
from mbench.retrieval.filters import BF16, FP32, FP64, Filter, Precision
from mbench.retrieval.path import Path
from mbench.retrieval.search_loops import converted
from mbench.retrieval.vectors import Corpus, bits_of, is_plain, read_ascending, require_finite, run_of
from mbench.retrieval.workers import Room

if TYPE_CHECKING:
    from torch import Tensor

F = TypeVar("F", float, Floats)
Key = tuple[Path | None, str, int, int, int]
"""What a tile is known by: path and format, its first and last row, and how many it has."""

LARGEST_NORM = 2.0**60
LONGER = 1.001
"""What of vectors as long as the longest so far may be longer: embeddings of the same length differ by rounding."""
UNDERFLOWN = 2.0**-62
"""More than a number can be whose square underflows in float32."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Rows of the corpus in a filter's format, less the centre: `vectors` [width, d].

    `norm` and `residual` are the N and R of the filters' proof; infinite where the format cannot hold the rows.
    """

    vectors: Tensor
    norm: float
    residual: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of a tile once it was loaded: `norm` and `residual` of a Tile."""

    norm: float
    residual: float


@dataclass
class Tiles:
    """The tiles of one search, measured once. `spare` bytes of the device hold those that were loaded.

    `loops` tells whether compiled loops convert them, which they can for the processor alone. A tile is known by its
    ends and size, which tell its rows on one `path`; on another, other rows may lie between the same ends.
    """

    corpus: Corpus
    centre: Vectors | None
    device: str
    spare: int = 0
    loops: bool = False
    path: Path | None = None
    kept: dict[Key, Tile] = field(default_factory=dict)
    measured: dict[Key, Measured] = field(default_factory=dict)
    longest: float = 0.0

    def load(self, rows: Rows, chosen: Filter, room: Room) -> Tile:
        """Return ascending `rows` in a filter's format. Raises EncodingError where a value is NaN or infinite."""
        key = (self.path, chosen.precision.name, int(rows[0]), int(rows[-1]), len(rows))
        if key in self.kept:
            return self.kept[key]
        known = self.measured.get(key)
        tile = load_tile(self.corpus, rows, chosen.precision, chosen.centre, self.device, room, known)
        self.measured[key] = Measured(tile.norm, tile.residual)
        if chosen.precision is FP32 and np.isfinite(tile.norm):
            self.longest = max(self.longest, tile.norm)
        if tile.vectors.nbytes <= self.spare:
            self.spare -= tile.vectors.nbytes
            self.kept[key] = tile = Tile(tile.vectors.clone(), tile.norm, tile.residual)
        return tile

    def assumed(self, rows: Rows, chosen: Filter) -> Tile | None:
        """Return ascending `rows` where they are, for a float32 filter that checks while it reads them whether none is
        longer than about the longest so far; None where they have to be converted.
        """
        if chosen.precision is not FP32 or chosen.centre is not None or not self.longest:
            return None
        here = _in_place(self.corpus, rows)
        return None if here is None else Tile(here, self.longest * LONGER, 0.0)


def spare_bytes(device: str) -> int:
    """Return how many bytes of a device the corpus may take: half of what is free there; 0 on the processor itself."""
    import torch

    return torch.cuda.mem_get_info(device)[0] // 2 if torch.device(device).type == "cuda" else 0


@contextmanager
def device_memory(device: str) -> Iterator[None]:
    """Turn a lack of the device's memory into a UserError that says what to do."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"{device} has too little free memory for a search: {error}. Search on the processor, or free the device."
        ) from error


def load_tile(
    corpus: Corpus,
    rows: Rows,
    precision: Precision,
    centre: Vectors | None,
    device: str,
    room: Room,
    known: Measured | None = None,
) -> Tile:
    """Convert ascending `rows` of the corpus, in the memory of `room`, or use them where they are.

    They are measured, unless that is `known`. Raises EncodingError where a value is NaN or infinite.
    """
    here = _in_place(corpus, rows) if precision is FP32 and centre is None else None
    if here is None and room.loops and is_plain(corpus) and precision is not FP64:
        vectors, norm, residual = _converted_in_one(corpus, rows, precision, centre, room)
    elif here is None:
        vectors, norm, residual = _converted(corpus, rows, precision, centre, device, room, known is None)
    else:
        vectors = here.to(device)
        norm, residual = (float(vectors.norm(dim=1).amax()) if known is None else 0.0), 0.0
    forget(corpus)
    if known is not None:
        return Tile(vectors, known.norm, known.residual)
    if not norm < LARGEST_NORM:
        require_finite(corpus, rows, "corpus")
        if precision is not FP64:
            return Tile(vectors, np.inf, np.inf)
    norm, residual = (widened(one, corpus.shape[1], precision) for one in (norm, residual))
    return Tile(vectors, norm + residual, residual if precision is BF16 else 0.0)


def _in_place(corpus: Corpus, rows: Rows) -> Tensor | None:
    """Return `rows` where they are; None unless they are neighbours, float32, and may be given to torch.

    That takes an array in memory: pages of a mapped file must not be held, and torch warns of those that are read-only.
    """
    import torch

    run = run_of(corpus, rows)
    if run is None or run.dtype != np.float32 or not (run.flags.carray and run.dtype.isnative) or is_mapped(run):
        return None
    # Of a row that is alone, strides say nothing, and torch refuses some that numpy takes.
    return torch.from_numpy(run.reshape(-1)).view(run.shape)


def _converted(
    corpus: Corpus, rows: Rows, precision: Precision, centre: Vectors | None, device: str, room: Room, measure: bool
) -> tuple[Tensor, float, float]:
    """Return `rows` less the centre in a filter's format, the largest norm and the largest residual (0 not to measure).

    They are read as they are stored; all that is computed is computed on the device.
    """
    import torch

    dtype = torch.float64 if precision is FP64 else torch.float32
    vectors = room.take(f"tile in {precision.name}", (len(rows), corpus.shape[1]), precision.dtype, device)
    raw = room.take("raw", (room.rows, corpus.shape[1]), torch.float16 if corpus.dtype == np.float16 else torch.float32)
    # Only bfloat16 is computed elsewhere than in the tile itself.
    wide, back = room.take("wide", (2, room.rows if precision is BF16 else 0, corpus.shape[1]), torch.float32, device)
    largest = torch.zeros((2, len(rows)), dtype=dtype, device=device)
    middle = None if centre is None else torch.from_numpy(centre).to(device)
    pieces = zip(*(torch.split(one, room.rows) for one in (vectors, *largest)), strict=True)
    for start, (rounded, norms, residuals) in zip(range(0, len(rows), room.rows), pieces, strict=True):
        if len(rounded) < room.rows:
            raw, wide, back = raw[: len(rounded)], wide[: len(rounded)], back[: len(rounded)]
        stored = rounded if raw.dtype == rounded.dtype and raw.device == rounded.device else raw
        read_ascending(corpus, rows[start : start + room.rows], stored.numpy())
        there = stored.to(device)
        exact = there if there.dtype == dtype else (wide if precision is BF16 else rounded).copy_(there)
        if middle is not None:
            exact.sub_(middle)
        if exact is not rounded:
            rounded.copy_(exact)
        if not measure:
            continue
        torch.linalg.vector_norm(exact, dim=1, out=norms)
        if precision is BF16:
            torch.linalg.vector_norm(back.copy_(rounded).sub_(exact), dim=1, out=residuals)
    norm, residual = largest.amax(1).tolist()
    return vectors, norm, residual


def _converted_in_one(
    corpus: Corpus, rows: Rows, precision: Precision, centre: Vectors | None, room: Room
) -> tuple[Tensor, float, float]:
    """Do what `_converted` does, row by row and in one call."""
    import torch

    shape, bits = (len(rows), corpus.shape[1]), torch.int16 if precision is BF16 else torch.int32
    vectors = room.take(f"tile in {precision.name}", shape, precision.dtype)
    lines = room.take("lines", (2, shape[1]), torch.float32).numpy()
    norms, residuals = np.zeros((2, len(rows)), dtype=np.float32)
    middle = np.zeros(0, dtype=np.float32) if centre is None else centre
    converted(bits_of(corpus), rows, middle, lines, vectors.view(bits).numpy(), norms, residuals)
    return vectors, float(norms.max()), float(residuals.max())


def widened(measured: F, dimension: int, precision: Precision) -> F:
    """Add to a measured norm what rounding and underflow may have hidden."""
    hidden = 0.0 if precision is FP64 else dimension * UNDERFLOWN
    return measured * (1 + dimension * 2.0**-23) + hidden


def longest_square(norm: float, dimension: int) -> float:
    """Return what a tile's `norm` allows the squared length of a vector to be, as it is added up in float32.

    Adding up hides a quarter of what `widened` adds to a length; half of that is taken for how sums may differ.
    """
    return max(norm - dimension * UNDERFLOWN, 0.0) ** 2 / (1 + dimension * 2.0**-23)
