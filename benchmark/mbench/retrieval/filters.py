"""The cheap products that tell which candidates cannot be among the k best, and the proof of their error bounds.

Let q be a query, c a candidate, and q', c' what is left of them in the filter's number format. In real numbers

    |q.c - q'.c'| = |q.(c - c') + (q - q').c'|  <=  |q| |c - c'| + |q - q'| |c'|          (Cauchy-Schwarz)

and a product of dimension d that is added up in any order, in a format of unit roundoff u, is off by at most
d u / (1 - d u) |q'| |c'|. So with N an upper bound of the norms |c| of a tile and r the relative rounding error of the
input format (|c - c'| <= r |c|)

    error  =  |q| r N  +  |q - q'| (1 + r) N  +  2 (d + 16) u |q'| (1 + r) N

holds for every candidate of the tile. |q|, |q - q'| and N are measured, never assumed. The factor 2 and the 16 cover
the rounding of the canonical float64 sum, of these formulas, and processors that truncate. Queries are scaled by a
power of two to a norm of about 1, and N is raised to at least 2^-40: then all that underflow can lose (d 2^-125) is
far below the last term. A tile whose N is 2^60 or more, where a sum could overflow, is left to the float64 filter, in
which float32 vectors can neither overflow nor underflow.

bfloat16 products are rounded once more when they are stored. Rounding is monotonic, so a candidate whose stored value
lies under the *rounded* limit had a sum under the limit: for dropping candidates this costs nothing.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.errors import EncodingError
from mbench.core.types import Floats, Rows, Vectors
from mbench.retrieval.pairs import Corpus, read_rows

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCK = 64
"""Columns that share one maximum when a product is scanned."""
CONVERTED = 128
"""Rows of the corpus that are converted at a time; few enough for the processor's own cache."""
LARGEST_NORM = 2.0**60
FLOOR = -(2.0**600)
"""Below any score that float32 vectors can have."""
SMALLEST_NORM = 2.0**-40


@dataclass(frozen=True, slots=True)
class Precision:
    """A number format: relative error of its inputs, unit roundoff of its sums, relative error of its outputs."""

    name: str
    bytes: int
    input_error: float
    sum_error: float
    output_error: float

    @property
    def dtype(self) -> torch.dtype:
        """Return torch's name of the format."""
        import torch

        return {"bf16": torch.bfloat16, "fp32": torch.float32, "fp64": torch.float64}[self.name]


PRECISIONS = (
    Precision("bf16", 2, 2.0**-8, 2.0**-24, 2.0**-8),
    Precision("fp32", 4, 0.0, 2.0**-24, 0.0),
    Precision("fp64", 8, 0.0, 2.0**-53, 0.0),
)
"""From cheap to sharp: what one leaves undecided goes to the next."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Rows of the corpus in a filter's format: `vectors` [width, d], and an upper bound of their norms."""

    vectors: Tensor
    norm: float

    @property
    def safe(self) -> bool:
        """Whether no product of the tile with a scaled query can overflow in float32."""
        return self.norm < LARGEST_NORM


@dataclass(frozen=True, slots=True)
class Filter:
    """Queries in one number format. `scale` [n_q] are powers of two: canonical score = filter value * scale."""

    precision: Precision
    queries: Tensor
    scale: Floats
    norms: Floats
    residuals: Floats

    @staticmethod
    def of(queries: Vectors, precision: Precision, device: str) -> Filter:
        """Round `queries` to `precision` and measure what that loses."""
        import torch

        exact = queries.astype(np.float64)
        scale = np.exp2(np.frexp(np.linalg.norm(exact, axis=1))[1])
        exact /= scale[:, None]
        rounded = torch.from_numpy(exact).to(precision.dtype)
        residuals = np.linalg.norm(exact - rounded.double().numpy(), axis=1)
        norms = np.linalg.norm(exact, axis=1)
        return Filter(precision, rounded.to(device), scale, norms, residuals)

    def error(self, norm: float) -> Floats:
        """Return [n_q]: the bound of the module's head for a tile whose norms are at most `norm`."""
        norm = norm if self.precision.name == "fp64" else max(norm, SMALLEST_NORM)
        rounded = (1 + self.precision.input_error) * norm
        sums = 2 * (self.queries.shape[1] + 16) * self.precision.sum_error
        return (
            self.norms * self.precision.input_error * norm
            + (self.residuals + sums * (self.norms + self.residuals)) * rounded
        )

    def bounds(self, values: Floats, error: Floats) -> tuple[Floats, Floats]:
        """Return lower and upper bounds of the canonical scores behind stored `values`."""
        slack = self.precision.output_error * np.abs(values) + error
        return (values - slack) * self.scale, (values + slack) * self.scale

    def select(self, part: slice | Rows) -> Filter:
        """Return the filter for some of the queries."""
        return Filter(self.precision, self.queries[part], self.scale[part], self.norms[part], self.residuals[part])


def load_tile(corpus: Corpus, rows: Rows, precision: Precision, device: str) -> Tile:
    """Convert `rows` of the corpus. Raises EncodingError where a value is NaN or infinite."""
    import torch

    dtype = torch.float64 if precision.name == "fp64" else torch.float32
    vectors = torch.empty((len(rows), corpus.shape[1]), dtype=precision.dtype)
    largest = torch.zeros((), dtype=dtype)
    raw = np.empty((CONVERTED, corpus.shape[1]), dtype=corpus.dtype)
    for start in range(0, len(rows), CONVERTED):
        some = rows[start : start + CONVERTED]
        read_rows(corpus, some, raw[: len(some)])
        wide = torch.from_numpy(raw[: len(some)]).to(dtype)
        vectors[start : start + len(some)].copy_(wide)
        largest = torch.maximum(largest, torch.linalg.vector_norm(wide, dim=1).max())
    norm = float(largest) * (1 + corpus.shape[1] * 2.0**-23)
    if not norm < LARGEST_NORM:
        require_finite(corpus, rows, "corpus")
        norm = norm if precision.name == "fp64" else np.inf
    return Tile(vectors.to(device), norm)


def require_finite(vectors: Corpus, rows: Rows, name: str) -> None:
    """Raise EncodingError that names the first of `rows` that holds NaN or infinity, if there is one."""
    for start in range(0, len(rows), CONVERTED):
        some = rows[start : start + CONVERTED]
        bad = ~np.isfinite(vectors[some]).all(axis=1)
        if bad.any():
            raise EncodingError(
                f"Row {some[bad.argmax()]} of the {name} holds NaN or infinity; scores would mean nothing. "
                "Expected finite embeddings: encode this item again, in float32 if float16 overflowed."
            )


def survivors(values: Tensor, limits: Floats) -> tuple[Rows, Rows, Floats]:
    """Return rows, columns and values of all entries of `values` [r, width] that are not below their row's limit."""
    import torch

    bounds = _rounded_limits(limits, values.dtype).to(values.device)
    rows, width = values.shape
    if width % BLOCK:
        hits = torch.nonzero(values.reshape(-1) >= bounds.repeat_interleave(width)).flatten()
        return _entries(hits, hits, values, width)
    blocks = values.view(-1, BLOCK)
    peaks = _block_maxima(blocks, bounds).view(rows, -1)
    hit = torch.nonzero((peaks >= bounds[:, None]).flatten()).flatten()
    chosen = blocks.index_select(0, hit)
    inside = torch.nonzero((chosen >= bounds[hit // (width // BLOCK)][:, None]).flatten()).flatten()
    where = hit[inside // BLOCK] * BLOCK + inside % BLOCK
    return _entries(where, inside, chosen, width)


def kth_largest(values: Tensor, k: int) -> Floats:
    """Return float64 [r]: the k-th largest entry of each row, FLOOR where it is -inf; the width must be k or more."""
    import torch

    wide = values.float() if values.dtype == torch.bfloat16 else values
    best = np.partition(wide.cpu().numpy(), -k, axis=1)[:, -k]
    return np.maximum(best.astype(np.float64), FLOOR)


def _rounded_limits(limits: Floats, dtype: torch.dtype) -> Tensor:
    """Round limits down, then as the products were rounded; never to -inf, which marks excluded pairs."""
    import torch

    lower = torch.from_numpy(np.nextafter(limits, -np.inf))
    if dtype != torch.float64:
        single = lower.float()
        lower = torch.nextafter(single, torch.full_like(single, -torch.inf)).to(dtype)
    return lower.clamp(min=torch.finfo(dtype).min)


def _block_maxima(blocks: Tensor, bounds: Tensor) -> Tensor:
    """Return the maximum of each block. Bit patterns of bfloat16 order like int16 while only positive ones matter."""
    import torch

    if blocks.dtype == torch.bfloat16 and bool((bounds > 0).all()):
        return blocks.view(torch.int16).amax(1).view(torch.bfloat16)
    return blocks.amax(1)


def _entries(where: Tensor, inside: Tensor, values: Tensor, width: int) -> tuple[Rows, Rows, Floats]:
    """Split flat positions into rows and columns, and read the values as float64."""
    found = values.reshape(-1)[inside].double().cpu().numpy()
    flat = where.cpu().numpy()
    return flat // width, flat % width, found


@functools.cache
def fastest_precision(device: str) -> Precision:
    """Return bf16 where this machine multiplies it faster than fp32 and keeps the promised error, else fp32."""
    import torch

    bf16, fp32 = PRECISIONS[0], PRECISIONS[1]
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((512, 256), dtype=np.float32)
    seconds = {}
    for precision in (bf16, fp32):
        check = Filter.of(vectors[:128], precision, device)
        tile = load_tile(vectors, np.arange(len(vectors)), precision, device)
        values = [_timed_product(check.queries, tile.vectors) for _ in range(3)]
        seconds[precision.name] = min(took for took, _ in values)
        exact = torch.from_numpy(vectors[:128].astype(np.float64) @ vectors.T.astype(np.float64) / check.scale[:, None])
        stored = values[0][1].double().cpu()
        allowed = torch.from_numpy(check.error(tile.norm))[:, None] + precision.output_error * stored.abs()
        if precision is bf16 and bool(((stored - exact).abs() > allowed).any()):
            return fp32
    return bf16 if seconds["bf16"] < seconds["fp32"] else fp32


def _timed_product(queries: Tensor, candidates: Tensor) -> tuple[float, Tensor]:
    """Return how long one product took, and the product."""
    start = time.perf_counter()
    product = queries @ candidates.T
    product[0, 0].item()
    return time.perf_counter() - start, product
