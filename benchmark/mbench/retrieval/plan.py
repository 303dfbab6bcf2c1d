"""How a search is cut into blocks of queries and tiles of the corpus so that it stays within its memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mbench.core.errors import UserError
from mbench.retrieval.filters import BF16, FP32, PRECISIONS, Precision
from mbench.retrieval.pool import CROWDED, SMALLEST
from mbench.retrieval.survivors import BLOCK
from mbench.retrieval.workers import SHARED, UPLOADED

MEMORY = 192 * 1000**2
"""Bytes that a search takes at most, besides its arguments and its result."""
LARGEST_BLOCK = 1024
SHAPES = (
    (4096, 1 << 21),
    (4096, 3 << 19),
    (4096, 1 << 20),
    (4096, 1 << 19),
    (4096, 1 << 18),
    (2048, 1 << 19),
    (1024, 1 << 18),
    (1024, 1 << 17),
    (1024, 1 << 16),
    (512, 1 << 15),
)
"""Tile and look, the fastest first; with the last, threads are given up before it is made still smaller."""
ON_DEVICE = (1 << 16, 1 << 26)
"""The same for another device, which has its own memory and wants few and large products."""
DEVICE_WORKERS = 2
"""Threads that feed a device: one prepares while the other waits for it."""
FOUND = 160
"""Bytes that a pair takes while it is read from the products,"""
ENTRY = 84
"""and while the pool, where it lies, is sorted and scored."""
OVERHEAD = 3 * 1000**2
"""Bytes that a thread, its memory pools and the matrix library take, whatever the sizes."""
FIRST = 4
"""How many times larger than the others the first tile may be."""
DENSE = 16
"""One in so many candidates may survive before a sharper filter is asked,"""
MANY = 512
"""but of wide tiles no more than this."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Queries in a block, bfloat16 rows in a tile (half as many in float32), products looked at in one go, threads."""

    block: int
    tile: int
    look: int
    workers: int

    def width(self, precision: Precision) -> int:
        """Return how many rows of a format fill a tile."""
        return max(1, self.tile * BF16.bytes // precision.bytes)

    def looked(self, precision: Precision) -> int:
        """Return how many products of a format are looked at in one go."""
        return self.look * FP32.bytes // max(FP32.bytes, precision.bytes)

    def survivors(self, k: int) -> int:
        """Return how many pairs may survive one look."""
        widths = [(self.width(one), self.looked(one)) for one in PRECISIONS]
        return max(min(self.block, look // width) * bearable(k, width) for width, look in widths)

    def bytes(self, dimension: int, k: int) -> int:
        """Return an upper estimate of what a search takes, with `dimension` numbers a vector."""
        tile = self.tile * dimension * BF16.bytes
        tiles = max(FIRST, len(PRECISIONS) * self.workers) * tile
        worker = OVERHEAD + SHARED * dimension * 12 + self.survivors(k) * FOUND + self.look * 8
        return of_block(self.block, dimension, k) + tiles + self.workers * worker

    @property
    def dense(self) -> int:
        """Return how many pairs are looked at in one go where most of them may have to be kept."""
        return min(self.look, SHAPES[0][1]) // DENSE


def make_plan(
    n_queries: int, n_candidates: int, dimension: int, k: int, memory: int | None, workers: int, device: str = "cpu"
) -> Plan:
    """Return the fastest cut that fits. Raises UserError when not even the smallest fits in `memory` bytes."""
    limit = MEMORY if memory is None else min(memory, MEMORY)
    if device != "cpu":
        large = _device_plan(n_queries, n_candidates, dimension, k, limit, min(workers, DEVICE_WORKERS))
        if large is not None:
            return large
    block = min(LARGEST_BLOCK, max(n_queries, 1))
    while block > 1 and of_block(block, dimension, k) > limit / 2:
        block //= 2
    widest = max(-(-n_candidates // BLOCK), 1) * BLOCK
    for tile, look in SHAPES:
        plan = Plan(block, min(tile, widest), look, workers)
        if plan.bytes(dimension, k) <= limit:
            return plan
    while plan.bytes(dimension, k) > limit and plan.workers > 1:
        plan = replace(plan, workers=plan.workers - 1)
    while plan.bytes(dimension, k) > limit and plan.tile > BLOCK:
        plan = replace(plan, tile=plan.tile // 2 // BLOCK * BLOCK, look=plan.look // 2)
    if plan.bytes(dimension, k) > limit:
        raise UserError(
            f"{limit:,} bytes are too few to search {dimension} dimensions for the best {k}: "
            f"about {plan.bytes(dimension, k):,} are needed. Allow more memory or ask for a smaller k."
        )
    return plan


def _device_plan(n_queries: int, n_candidates: int, dimension: int, k: int, limit: int, workers: int) -> Plan | None:
    """Return the largest block whose large tiles fit: on this side a thread holds a piece to upload and what survives.

    None where they do not fit.
    """
    tile, look = ON_DEVICE
    tile = min(tile, max(-(-n_candidates // BLOCK), 1) * BLOCK)
    block = min(LARGEST_BLOCK, max(n_queries, 1))
    while block:
        of_thread = OVERHEAD + UPLOADED * dimension * 4 + block * bearable(k, tile) * FOUND
        for threads in range(workers, 0, -1):
            if of_block(block, dimension, k) + threads * of_thread <= limit:
                return Plan(block, tile, look, threads)
        block //= 2
    return None


def bearable(k: int, width: int) -> int:
    """Return how many of `width` candidates may survive a filter, for each query, before a sharper one is asked."""
    return min(width, max(2 * k, min(width // DENSE, MANY)))


def parts(whole: slice, size: int) -> list[slice]:
    """Cut `whole` into slices of about the same size and at most `size`, or 1 where that is 0."""
    n = whole.stop - whole.start
    even = -(-n // max(-(-n // max(size, 1)), 1))
    return [slice(a, min(a + even, whole.stop)) for a in range(whole.start, whole.stop, max(even, 1))]


def of_block(block: int, dimension: int, k: int) -> int:
    """Return an upper estimate of the bytes that a block of queries takes, with its pool."""
    return OVERHEAD + block * dimension * (8 + 8 + 8 + 4 + 2) + (CROWDED + 1) * max(k * block, SMALLEST) * ENTRY
