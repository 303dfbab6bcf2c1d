"""Products of small whole numbers, which are exact, and what they leave: single pairs, multiplied in float32.

Processors without instructions for such products add up two neighbours of (candidate + 128) * query in 16 bits, and cut
what is above 32,767. With no more than 128 units in two neighbours of a query that have the same sign, nothing is cut:
255 * 128 = 32,640. Neighbours are numbers at an even place and the next: vectors are padded to a multiple of 4, since
of others some libraries begin a piece at an odd place. What is assumed here is tried for each length of vectors.
"""

from __future__ import annotations

import warnings
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mbench.core.types import Floats, Rows
from mbench.retrieval.workers import Room

if TYPE_CHECKING:
    from torch import Tensor

Counts = npt.NDArray[np.int32]

INT8 = "int8"
LARGEST = 127
"""Units of a number, at most."""
PAIRS = (254, 128)
"""Units of two neighbours of a query, at most: the first that the processor multiplies without error."""
COARSE = 32
"""One pair in so many may survive; of more, float32 products of all are as fast."""
EXCLUDED = int(np.iinfo(np.int32).min)
"""Stands for the product of a pair that must not be ranked."""
ALIGNED = 4
"""Vectors are padded to a multiple of so many numbers."""
WIDEST = (1 << 16) - ALIGNED
"""Numbers of a vector, at most: 255 * 127 of each are added up in 32 bits."""
LEAST = 16
"""Queries to look in int8 with, at least: a single one is multiplied wrongly by some libraries."""
SHAPES = ((1, 16), (2, 17), (33, 16), (257, 250), (1024, 512))
"""Candidates and queries of the products that are tried,"""
MOST_TRIED = 1 << 20
"""and how many numbers either may have."""
PATTERNS = ((127, 127), (1, 127), (127, 1, 1, 127), (1, 127, 127, 1), (64, 64), (127, -127))
"""Numbers of a query, again and again, that tell which two are added up in too few bits, wherever a piece begins."""
_trying = Lock()


def products(candidates: Tensor, queries: Tensor, out: Tensor) -> Tensor:
    """Write the exact products of int8 `candidates` [n, d] and `queries` [m, d] to `out`, int32 [n, m]; return it."""
    import torch

    return torch._int_mm(candidates, queries.T, out=out)


def reaching(products: Tensor, limits: Counts, room: Room) -> tuple[Rows, Rows] | None:
    """Return rows and columns, sorted by row, where `products` reach `limits` [blocks, n_q]; None if too many."""
    import torch

    seen = products.numpy().reshape(len(limits), -1, products.shape[1])
    hits = room.take("hits", seen.shape, torch.bool).numpy()
    # Numpy compares whole numbers twice as fast as torch.
    np.greater_equal(seen, limits[:, None], out=hits)
    if np.count_nonzero(hits) * COARSE > products.numel():
        return None
    found = np.flatnonzero(hits)
    rows = found // products.shape[1]
    return rows, found - rows * products.shape[1]


def pair_products(candidates: Tensor, queries: Tensor, rows: Rows, columns: Rows) -> Floats:
    """Return the products of the pairs (candidates[rows], queries[columns]), of which `rows` ascend, as float64.

    Both hold float32 vectors, and so is added up.
    """
    import torch

    starts = np.zeros(len(candidates) + 1, dtype=np.int64)
    np.cumsum(np.bincount(rows, minlength=len(candidates)), out=starts[1:])
    wanted = torch.sparse_csr_tensor(
        torch.from_numpy(starts),
        torch.from_numpy(columns),
        torch.zeros(len(columns), dtype=candidates.dtype, device=candidates.device),
        size=(len(candidates), len(queries)),
        device=candidates.device,
        check_invariants=False,
    )
    found: Floats = torch.sparse.sampled_addmm(wanted, candidates, queries.T).values().double().numpy()
    return found


def padded(dimension: int) -> int:
    """Return how many numbers a vector has in int8."""
    return -(-dimension // ALIGNED) * ALIGNED


def most_of_pair(width: int) -> int:
    """Return the units that two neighbours of a query may have together so that int8 is multiplied rightly here.

    `width` is the length of the vectors. 0 where no product is right, or where torch cannot make it.
    """
    with _trying:
        return _most_of_pair(width)


@cache
def _most_of_pair(width: int) -> int:
    import torch

    with warnings.catch_warnings():
        # Torch warns once in a process of something that is not used here.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        try:
            ones = torch.ones((2, 3), dtype=torch.float32, device="cpu")
            one = pair_products(ones[:1], ones, np.zeros(1, np.int64), np.ones(1, np.int64))
            return next((most for most in PAIRS if one.tolist() == [3.0] and _exact(most, width)), 0)
        except (RuntimeError, AttributeError, TypeError):
            return 0


def _exact(most: int, width: int) -> bool:
    """Tell whether all patterns are multiplied rightly whose neighbours have no more than `most` units together."""
    patterns = np.array([sign * np.resize(one, width) for one in PATTERNS for sign in (1, -1)])
    allowed = patterns[largest_pairs(patterns.astype(np.float64)) <= most]
    shapes = [(min(n, MOST_TRIED // width), min(m, max(LEAST, MOST_TRIED // width))) for n, m in SHAPES]
    # The sum of the longest is no number of float32.
    return _multiplied_rightly(3, np.full((LEAST, WIDEST), 63)) and all(
        _multiplied_rightly(n, np.resize(allowed, (m, width))) for n, m in shapes
    )


def _multiplied_rightly(n: int, queries: npt.NDArray[Any]) -> bool:
    """Multiply `n` candidates, each of which holds the largest number throughout, with either sign."""
    import torch

    numbers = np.resize([LARGEST, -LARGEST], n)
    candidates = np.repeat(numbers.astype(np.int8)[:, None], queries.shape[1], axis=1)
    found = torch.empty((n, len(queries)), dtype=torch.int32, device="cpu")
    products(torch.from_numpy(candidates), torch.from_numpy(queries.astype(np.int8)), found)
    return np.array_equal(found.numpy(), np.outer(numbers, queries.sum(axis=1)))


def largest_pairs(queries: Floats) -> Floats:
    """Return [n_q] the largest sum of a number at an even place and the next, without its sign.

    Where the two have different signs either may be larger than that, but is at most LARGEST.
    """
    even = queries.shape[1] // 2 * 2
    found: Floats = np.abs(queries[:, 0:even:2] + queries[:, 1:even:2]).max(axis=1, initial=0.0)
    return found
