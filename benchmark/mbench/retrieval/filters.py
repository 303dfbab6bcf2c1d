"""The cheap products that tell which candidates cannot be among the k best, and the proof of their error bounds.

Let q be a query, c a candidate, m the centre that is subtracted from all candidates (or 0), and q', c' what is left of
q and c - m in the filter's number format. In real numbers q.c = q.m + q.(c - m), and

    |q.(c - m) - q'.c'| = |q.(c - m - c') + (q - q').c'|  <=  |q| |c - m - c'| + |q - q'| |c'|      (Cauchy-Schwarz)

A product of dimension d that is added up in any order, in a format of unit roundoff u, is off by at most
d u / (1 - d u) |q'| |c'|. So with N and R the largest |c'| and |c - m - c'| of a tile,

    error  =  |q| R  +  |q - q'| N  +  2 (d + 16) u |q'| N  +  2 (d + 16) 2^-53 |q| (N + |m|)

holds for every candidate of the tile; the last term is for the canonical float64 sum, for q.m and for the arithmetic
of bounds. |q|, |q - q'|, N and R are measured, never assumed; N and R are raised by d 2^-62 for squares that underflow
in float32 and by what rounding may have hidden. The factor 2 and the 16 also cover the subtraction of m and processors
that truncate. Queries are scaled by a power of two to a norm of about 1: with N >= d 2^-62 the third term is then far
above all that a product can lose to underflow (d 2^-125). A tile whose N is 2^60 or more, where a sum could overflow,
is left to the float64 filter, in which float32 vectors neither overflow nor underflow, and which needs no centre.

bfloat16 products are rounded once more when they are stored. Rounding is monotonic, so a candidate whose stored value
lies under the *rounded* limit had a sum under the limit: for dropping candidates this costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Floats, Rows, Vectors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from mbench.retrieval.tiles import Tile


@dataclass(frozen=True, slots=True)
class Precision:
    """A number format: bytes of a number, unit roundoff of its sums, relative error of a product when it is stored."""

    name: str
    bytes: int
    sum_error: float
    output_error: float

    @property
    def dtype(self) -> torch.dtype:
        """Return torch's name of the format."""
        import torch

        return {"bf16": torch.bfloat16, "fp32": torch.float32, "fp64": torch.float64}[self.name]


BF16 = Precision("bf16", 2, 2.0**-24, 2.0**-8)
FP32 = Precision("fp32", 4, 2.0**-24, 0.0)
FP64 = Precision("fp64", 8, 2.0**-53, 0.0)
PRECISIONS = (BF16, FP32, FP64)
"""From cheap to sharp: what one leaves undecided goes to the next."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Queries in one number format: canonical score = (filter value + shift) * scale, give or take the error.

    All but the format are per query: `scale` are powers of two, `norms` and `residuals` are |q| and |q - q'|, `fixed`
    is the part of the error that is the same for all tiles.
    """

    precision: Precision
    queries: Tensor
    centre: Vectors | None
    scale: Floats
    norms: Floats
    residuals: Floats
    shift: Floats
    fixed: Floats

    @staticmethod
    def of(queries: Vectors, precision: Precision, centre: Vectors | None, device: str) -> Filter:
        """Round `queries` [n_q, d] to `precision` and measure what that loses."""
        import torch

        exact = queries.astype(np.float64)
        scale = np.exp2(np.frexp(np.linalg.norm(exact, axis=1))[1])
        exact /= scale[:, None]
        rounded = torch.from_numpy(exact).to(precision.dtype)
        residuals = np.linalg.norm(exact - rounded.double().numpy(), axis=1)
        norms = np.linalg.norm(exact, axis=1)
        centre = None if precision is FP64 else centre
        middle = np.zeros(queries.shape[1]) if centre is None else centre.astype(np.float64)
        fixed = _sum_error(queries.shape[1], FP64) * norms * np.linalg.norm(middle)
        shift = (exact * middle).sum(axis=1)
        return Filter(precision, rounded.to(device), centre, scale, norms, residuals, shift, fixed)

    def error(self, tile: Tile) -> Floats:
        """Return [n_q]: the bound of the module's head for every candidate of the tile."""
        sums = _sum_error(self.queries.shape[1], self.precision) + _sum_error(self.queries.shape[1], FP64)
        return (
            self.norms * tile.residual
            + (self.residuals + sums * (self.norms + self.residuals)) * tile.norm
            + self.fixed
        )

    def select(self, part: slice) -> Filter:
        """Return the filter for some of the queries."""
        per_query = (self.scale, self.norms, self.residuals, self.shift, self.fixed)
        return Filter(self.precision, self.queries[part], self.centre, *(one[part] for one in per_query))

    def limits(self, low: Floats, error: Floats) -> Floats:
        """Return [n_q]: below these filter values a canonical score is below `low`."""
        return low / self.scale - self.shift - error

    def bounds(self, values: Floats, error: Floats, rows: Rows) -> tuple[Floats, Floats]:
        """Return lower and upper bounds of the canonical scores behind stored `values` of the queries `rows`."""
        slack = np.abs(values)
        slack *= self.precision.output_error
        slack += error[rows]
        middle, scale = values + self.shift[rows], self.scale[rows]
        return (middle - slack) * scale, (middle + slack) * scale


def _sum_error(dimension: int, precision: Precision) -> float:
    return 2 * (dimension + 16) * precision.sum_error
