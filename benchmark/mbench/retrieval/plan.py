"""How a search is cut into blocks of queries and tiles of the corpus so that it stays within its memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mbench.core.errors import UserError
from mbench.retrieval.pool import CROWDED
from mbench.retrieval.survivors import BLOCK
from mbench.retrieval.vectors import CACHED

MEMORY = 192 * 1000**2
"""Bytes that a search takes at most, besides its arguments and its result."""
LARGEST_BLOCK = 1024
LARGEST_TILE = 4096
LARGEST_LOOK = 1 << 20
SMALLEST_LOOK = 1 << 14
ENTRY = 150
"""Bytes that a pair in the pool takes while the pool is sorted and scored."""
OVERHEAD = 3 * 1000**2
"""Bytes that a thread, its memory pools and the matrix library take, whatever the sizes."""
DENSE = 16
"""One in so many products may survive before a sharper filter is asked."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Queries in a block, bfloat16 rows in a tile (half as many in float32), products looked at in one go, threads."""

    block: int
    tile: int
    look: int
    workers: int


def make_plan(n_queries: int, n_candidates: int, dimension: int, k: int, memory: int | None, workers: int) -> Plan:
    """Return the largest cut that fits. Raises UserError when not even the smallest fits in `memory` bytes."""
    limit = MEMORY if memory is None else min(memory, MEMORY)
    tiles = -(-n_candidates // BLOCK)
    plan = Plan(min(LARGEST_BLOCK, max(n_queries, 1)), min(LARGEST_TILE, max(tiles, 1) * BLOCK), LARGEST_LOOK, workers)
    while needed(plan, dimension, k) > limit:
        smaller = _smaller(plan)
        if smaller == plan:
            raise UserError(
                f"{limit:,} bytes are too few to search {dimension} dimensions for the best {k}: "
                f"at least {needed(plan, dimension, k):,} are needed. Allow more memory or ask for a smaller k."
            )
        plan = smaller
    return plan


def needed(plan: Plan, dimension: int, k: int) -> int:
    """Return an upper estimate of the bytes that a search takes at its peak."""
    queries = plan.block * dimension * (8 + 8 + 8 + 4 + 2)
    found = plan.workers * max(plan.look // DENSE, 2 * k)
    pool = (((CROWDED + 1) * k * plan.block) + found) * ENTRY
    tile = plan.tile * dimension * 2 * 4
    rows = CACHED * dimension * 16 + OVERHEAD
    return OVERHEAD + queries + pool + plan.workers * (tile + plan.look * 24 + rows)


def _smaller(plan: Plan) -> Plan:
    """Give up what costs least speed first; a block of queries as small as a tile is wide costs most."""
    if plan.tile > 1024 or BLOCK < plan.tile > 2 * plan.block:
        return replace(plan, tile=max(plan.tile // 2 // BLOCK, 1) * BLOCK, look=max(plan.look // 2, SMALLEST_LOOK))
    if plan.block > 64:
        return replace(plan, block=plan.block // 2)
    if plan.workers > 1:
        return replace(plan, workers=plan.workers // 2)
    return replace(plan, block=max(plan.block // 2, 1), look=max(plan.look // 2, SMALLEST_LOOK))
