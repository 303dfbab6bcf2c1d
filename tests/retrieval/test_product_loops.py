"""Products that are compared in registers: all that reach their limits, and nothing beside the arrays is touched."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from pathlib import Path
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


ELSEWHERE = """
import sys
import numpy as np
from mbench.retrieval import product_loops as loops

shape = loops.Block(*map(int, sys.argv[1:]))
loops.best_block = lambda: shape
rng = np.random.default_rng(0)
for n, n_queries, d in ((1, 1, 1), (40, 19, 34), (shape.candidates, shape.queries, 2), (61, 33, 17)):
    candidates, queries = (rng.integers(-3, 4, (rows, d)).astype(np.float32) for rows in (n, n_queries))
    blocks, panels = -(-n // shape.candidates), -(-n_queries // shape.queries)
    depth = -(-d // loops.STEPS) * loops.STEPS
    laid = np.zeros((panels * shape.queries, depth), dtype=np.float32)
    laid[:n_queries, :d] = queries
    laid = np.ascontiguousarray(laid.reshape(panels, shape.queries, depth).transpose(0, 2, 1))
    limits = np.full((panels, shape.queries), np.inf, dtype=np.float32)
    limits.ravel()[:n_queries] = 1
    products = np.zeros((shape.candidates, shape.queries), dtype=np.float32)
    hits = np.zeros((shape.candidates, loops.ABREAST), dtype=np.int32)
    room = (np.zeros((blocks, depth, shape.candidates), dtype=np.float32), products, hits)
    pairs, values = np.zeros((2, n * n_queries), dtype=np.int32), np.zeros(n * n_queries, dtype=np.float32)
    count = loops.large_products(candidates, np.float32(1e6), (laid, limits), room, pairs, values)
    expected = candidates @ queries.T
    found = np.full(expected.shape, -np.inf, dtype=np.float32)
    found[pairs[0, :count], pairs[1, :count]] = values[:count]
    np.testing.assert_array_equal(found, np.where(expected >= 1, expected, -np.inf))
    assert count == (expected >= 1).sum()
"""


@pytest.mark.parametrize("shape", [(12, 8, 4), (4, 8, 4), (6, 16, 8)], ids=["ARM", "SSE", "AVX2"])
def test_blocks_of_other_processors_find_the_same(shape: tuple[int, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-c", ELSEWHERE, *map(str, shape)]
    own_cache = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, check=False, env=own_cache, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
