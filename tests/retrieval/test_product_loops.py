"""Products that are compared in registers: all that reach their limits, and nothing beside the arrays is touched."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mbench.retrieval.product_loops import ABREAST, STEPS, best_block, large_products

pytestmark = [
    pytest.mark.usefixtures("loops"),
    pytest.mark.skipif(os.name != "posix", reason="memory is fenced off as POSIX has it"),
]


def fenced(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same array at the very end of memory that may be read and written: who goes further ends the process."""
    size = -(-array.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
    whole = np.frombuffer(mmap.mmap(-1, size + mmap.PAGESIZE), dtype=np.uint8)
    fence = ctypes.c_void_p(whole.ctypes.data + size)
    assert ctypes.CDLL(None).mprotect(fence, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    found = whole[size - array.nbytes : size].view(array.dtype).reshape(array.shape)
    found[...] = array
    return found


def unknown(*shape: int) -> npt.NDArray[Any]:
    """Memory that holds anything."""
    return fenced(np.full(shape, np.nan, dtype=np.float32))


def laid_beside(queries: npt.NDArray[Any], depth: int) -> npt.NDArray[Any]:
    columns = best_block().queries
    rows = np.zeros((-(-len(queries) // columns) * columns, depth), dtype=np.float32)
    rows[: len(queries), : queries.shape[1]] = queries
    return fenced(np.ascontiguousarray(rows.reshape(-1, columns, depth).transpose(0, 2, 1)))


@pytest.mark.parametrize("dimension", [1, 2, 15, 16, 17, 32, 33, 48])
@pytest.mark.parametrize("more", [-1, 0, 1, 2])
@pytest.mark.parametrize(("full", "blocks"), [(1, 1), (3, 2), (4, 5)])
def test_products_as_large_as_their_limits_are_found_within_the_arrays(
    dimension: int, more: int, full: int, blocks: int
) -> None:
    shape, rng = best_block(), np.random.default_rng(dimension)
    n, n_queries, depth = full * shape.candidates + more, shape.queries + 3, -(-dimension // STEPS) * STEPS
    queries, candidates = (rng.integers(-3, 4, (m, dimension)).astype(np.float32) for m in (n_queries, n))
    products = candidates @ queries.T
    limits = np.full((2, shape.queries), np.inf, dtype=np.float32)
    limits.ravel()[:n_queries] = np.sort(products, axis=0)[n // 2]
    laid = unknown(blocks, depth, shape.candidates)
    laid[:, dimension:] = 0
    expected = np.argwhere(products >= limits.ravel()[:n_queries])
    pairs, values = fenced(np.zeros((2, len(expected)), dtype=np.int32)), unknown(len(expected))
    room = (laid, unknown(shape.candidates, shape.queries), fenced(np.zeros((shape.candidates, ABREAST), np.int32)))
    both = (laid_beside(queries, depth), fenced(limits))
    assert large_products(fenced(candidates), np.float32(1e6), both, room, pairs, values) == len(expected)
    order = np.lexsort((pairs[1], pairs[0]))
    np.testing.assert_array_equal(pairs.T[order], expected)
    np.testing.assert_array_equal(values[order], products[expected[:, 0], expected[:, 1]])
    if len(expected) > 1:
        few, some = fenced(pairs[:, 1:]), unknown(len(expected) - 1)
        assert large_products(fenced(candidates), np.float32(1e6), both, room, few, some) == len(expected)
