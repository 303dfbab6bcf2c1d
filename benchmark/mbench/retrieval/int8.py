"""Products of small whole numbers, which are exact, and what they leave: single pairs, multiplied in float32.

Processors without instructions for such products add up two neighbours of (candidate + 128) * query in 16 bits, and cut
what is above 32,767. With no more than 128 units in two neighbours of a query that have the same sign, nothing is cut:
255 * 128 = 32,640.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING

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
WIDEST = (1 << 16) - 1
"""Numbers of a vector, at most: 255 * 127 of each are added up in 32 bits."""
LEAST = 16
"""Queries to look in int8 with, at least: a single one is multiplied wrongly by some libraries."""
SHAPES = ((1, 16, 5), (2, 16, 768), (1, 17, 768), (33, 16, 63), (512, 128, 768), (257, 250, 512), (3, 16, WIDEST))
"""Candidates, queries and numbers of a vector, of the products that are tried."""
PATTERNS = ((127, 127), (1, 127), (127, 1, 1, 127), (1, 127, 127, 1), (64, 64), (127, -127))
"""Numbers of a query, again and again, that tell which neighbours are added up in too few bits."""


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
    found = np.flatnonzero(hits)
    if len(found) * COARSE > products.numel():
        return None
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
        torch.zeros(len(columns), dtype=candidates.dtype),
        size=(len(candidates), len(queries)),
        check_invariants=False,
    )
    found: Floats = torch.sparse.sampled_addmm(wanted, candidates, queries.T).values().double().numpy()
    return found


@cache
def most_of_pair() -> int:
    """Return the units that two neighbours of a query may have together so that this processor multiplies int8 rightly.

    0 where it does not, or where torch cannot. Patterns, in every combination of signs and in shapes that libraries
    treat differently, tell it: any other two numbers added up in 16 bits would show.
    """
    import torch

    with warnings.catch_warnings():
        # Torch warns once in a process of something that is not used here.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        try:
            one = pair_products(torch.ones((1, 3)), torch.ones((2, 3)), np.zeros(1, np.int64), np.ones(1, np.int64))
            exact = (most for most in PAIRS if one.tolist() == [3.0] and _exact(most))
            return next(exact, 0)
        except (RuntimeError, AttributeError, TypeError):
            return 0


def _exact(most: int) -> bool:
    """Tell whether all patterns are multiplied rightly whose neighbours have no more than `most` units together."""
    patterns = [np.array(one) for one in PATTERNS]
    allowed = [one for one in patterns if largest_pairs(np.resize(one, (1, 4)).astype(np.float64))[0] <= most]
    return all(
        _multiplied_rightly(sign * one, candidate, shape)
        for one in allowed
        for sign in (1, -1)
        for candidate in (LARGEST, -LARGEST)
        for shape in SHAPES
    )


def _multiplied_rightly(pattern: np.ndarray, candidate: int, shape: tuple[int, int, int]) -> bool:
    import torch

    n, m, dimension = shape
    query = np.resize(pattern, dimension)
    queries = torch.from_numpy(query.astype(np.int8)).repeat(m, 1)
    found = torch.empty((n, m), dtype=torch.int32)
    products(torch.full((n, dimension), candidate, dtype=torch.int8), queries, found)
    return bool((found == int(query.sum()) * candidate).all())


def largest_pairs(queries: Floats) -> Floats:
    """Return [n_q] the largest sum of a number at an even place and the next, without its sign.

    Where the two have different signs either may be larger than that, but is at most LARGEST.
    """
    even = queries.shape[1] // 2 * 2
    found: Floats = np.abs(queries[:, 0:even:2] + queries[:, 1:even:2]).max(axis=1, initial=0.0)
    return found
