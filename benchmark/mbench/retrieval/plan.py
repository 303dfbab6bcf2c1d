"""How a search is cut into blocks of queries and tiles of the corpus so that it stays within its memory."""

from __future__ import annotations

from dataclasses import dataclass

from mbench.core.errors import UserError
from mbench.retrieval.survivors import BLOCK
from mbench.retrieval.vectors import CACHED

MEMORY = 192 * 1000**2
"""Bytes that a search takes at most, besides its arguments and its result."""
LARGEST_BLOCK = 1024
LARGEST_TILE = 4096
SCANNED = 1 << 20
"""Entries of a product that are looked at, and pairs that are scored, in one go (fewer when memory is short)."""
ENTRY = 160
"""Bytes that one candidate in a pool, or one scanned pair, takes while it is sorted and scored."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Queries in a block, corpus rows in a tile of the cheapest format, entries scanned in one go, threads."""

    block: int
    tile: int
    scanned: int
    workers: int


def make_plan(n_queries: int, n_candidates: int, dimension: int, k: int, memory: int | None, workers: int) -> Plan:
    """Return the largest cut that fits. Raises UserError when not even the smallest fits in `memory` bytes."""
    limit = MEMORY if memory is None else min(memory, MEMORY)
    wanted = Plan(min(LARGEST_BLOCK, max(n_queries, 1)), _tiles(n_candidates), SCANNED, workers)
    plan = wanted
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
    pool = (3 * k * plan.block + plan.scanned // 16) * ENTRY
    tile = plan.tile * (dimension * 2 * 3 + plan.block * 2)
    look = plan.scanned * 24
    rows = CACHED * 30 * dimension
    return queries + pool + plan.workers * (tile + look + rows)


def _tiles(n_candidates: int) -> int:
    return min(LARGEST_TILE, max(BLOCK, -(-n_candidates // BLOCK) * BLOCK))


def _smaller(plan: Plan) -> Plan:
    """Give up what costs least speed: first tall tiles, then queries in a block, then threads."""
    if plan.tile > 1024 or (plan.block <= 32 and plan.tile > BLOCK):
        return Plan(plan.block, plan.tile // 2 // BLOCK * BLOCK, max(plan.scanned // 2, 1 << 12), plan.workers)
    if plan.block > 1:
        return Plan(plan.block // 2, plan.tile, plan.scanned, plan.workers)
    return Plan(plan.block, plan.tile, max(plan.scanned // 2, 1 << 12), max(plan.workers // 2, 1))
