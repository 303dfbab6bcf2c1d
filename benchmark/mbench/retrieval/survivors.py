"""Looking at a product [candidates, queries]: which entries reach their query's limit, and its k-th largest entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mbench.core.types import Floats, Rows

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCK = 16
"""Candidates that share one maximum: only blocks whose maximum reaches the limit are looked at."""
FLOOR = -(2.0**600)
"""Below any score that float32 vectors can have."""

CLEARLY_POSITIVE = 2.0**-100
"""A limit that rounds to a number above 0 in any format."""


@dataclass(frozen=True, slots=True)
class Survivors:
    """Entries of a product that are not below their query's limit: positions, and the stored values as float64."""

    candidates: Rows
    queries: Rows
    values: Floats

    def take(self, chosen: Rows | npt.NDArray[np.bool_]) -> Survivors:
        """Return the chosen entries."""
        return Survivors(self.candidates[chosen], self.queries[chosen], self.values[chosen])


def survivors(products: Tensor, limits: Floats, most: int) -> Survivors | None:
    """Return the entries of `products` [candidates, queries] that reach their query's limit; None if more than `most`.

    An entry of -inf (an excluded pair) never survives, whatever the limit.
    """
    size = BLOCK if len(products) % BLOCK == 0 else 1
    blocks = products.view(-1, size, products.shape[1])
    bounds = rounded_limits(limits, products.dtype).to(products.device)
    hit = _maxima(blocks, bool(limits.min() > CLEARLY_POSITIVE)) >= bounds
    block, query = _positions(hit)
    if len(block) > most:
        return None
    chosen = blocks[block, :, query]
    entry, inside = _positions(chosen >= bounds[query, None])
    if len(entry) > most:
        return None
    found = (block[entry] * size + inside, query[entry], chosen[entry, inside].double())
    return Survivors(*(part.cpu().numpy() for part in found))


def _positions(hits: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows and columns of what is true, as `torch.nonzero`: numpy finds few among many faster, where it can."""
    import torch

    if hits.device.type != "cpu":
        row, column = torch.nonzero(hits, as_tuple=True)
        return row, column
    flat = np.flatnonzero(hits.numpy())
    rows = flat // hits.shape[1]
    return torch.from_numpy(rows), torch.from_numpy(flat - rows * hits.shape[1])


def kth_largest(products: Tensor, k: int) -> Floats:
    """Return [queries] the k-th largest of each column of `products` or a little less; FLOOR where it is -inf.

    Where there are many blocks the k-th largest of their maxima does: k entries, one a block, are as large.
    There must be k candidates or more.
    """
    import torch

    if len(products) % BLOCK == 0 and len(products) >= 4 * k * BLOCK:
        products = products.view(-1, BLOCK, products.shape[1]).amax(1)
    dtype = torch.float32 if products.dtype == torch.bfloat16 else products.dtype
    columns = products.T.to(dtype, copy=True, memory_format=torch.contiguous_format).cpu().numpy()
    columns.partition(-k, axis=1)
    return np.maximum(columns[:, -k].astype(np.float64), FLOOR)


def rounded_limits(limits: Floats, dtype: torch.dtype) -> Tensor:
    """Round limits down, then as the products were rounded; never to -inf, which marks excluded pairs.

    A limit of NaN would drop everything; it becomes one that keeps everything.
    """
    import torch

    lower = np.nextafter(np.fmax(limits, -np.inf), -np.inf)
    if dtype != torch.float64:
        with np.errstate(over="ignore"):
            lower = np.nextafter(lower.astype(np.float32), np.float32(-np.inf))
    return torch.from_numpy(lower).to(dtype).clamp(min=torch.finfo(dtype).min)


def _maxima(blocks: Tensor, positive: bool) -> Tensor:
    """Return the maximum of each block. Bit patterns of bfloat16 order like int16 if only positive ones matter."""
    import torch

    if blocks.dtype == torch.bfloat16 and positive:
        return blocks.view(torch.int16).amax(1).view(torch.bfloat16)
    return blocks.amax(1)
