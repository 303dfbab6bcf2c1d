"""Looks in float32 that multiply and compare in one go, in compiled loops, where that is faster than with torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from mbench.core.types import Floats, Vectors
from mbench.retrieval.filters import FP32, Filter
from mbench.retrieval.probe import seconds
from mbench.retrieval.product_loops import ABREAST, STEPS, best_block, large_products
from mbench.retrieval.rounded import Trial
from mbench.retrieval.survivors import Survivors, rounded_limits, survivors
from mbench.retrieval.tiles import Tile, load_tile, longest_square
from mbench.retrieval.workers import Room

LAID_OUT = 3 << 18
"""Bytes of candidates that are laid out at a time, at most: with some queries they fill a part of the second cache."""
LONGEST = 2048
"""Numbers of a vector; of longer ones too few would be laid out at a time."""
FEWEST = 4 * ABREAST
"""Queries that fill a block where registers are the smallest: for fewer, nothing is compiled and tried in vain."""
TRIED = (2048, 256, 512)
"""Candidates, queries and numbers of what is tried."""


@dataclass(frozen=True, slots=True)
class Panels:
    """Queries of a float32 filter, laid out: `vectors` [panels, padded d, columns], of which `n` are queries.

    Their `trial` tells whether looks in blocks, which give up where much survives, go on paying.
    """

    vectors: Vectors
    n: int
    trial: Trial = field(default_factory=Trial)

    @staticmethod
    def where_they_pay(chosen: Filter) -> Panels | None:
        """Lay out the queries of `chosen`; None where looks in blocks are slower or cannot be."""
        n, dimension = chosen.queries.shape
        if chosen.precision is not FP32 or dimension > LONGEST or n < FEWEST:
            return None
        if not blocks_pay() or n < best_block().queries:
            return None
        return Panels.of(chosen)

    @staticmethod
    def of(chosen: Filter) -> Panels:
        """Lay out the queries of `chosen`."""
        queries = chosen.queries.numpy()
        n, dimension = queries.shape
        columns = best_block().queries
        rows = np.pad(queries, ((0, -n % columns), (0, -dimension % STEPS)))
        return Panels(np.ascontiguousarray(rows.reshape(-1, columns, rows.shape[1]).transpose(0, 2, 1)), n)

    def limits(self, limits: Floats) -> Vectors:
        """Return the queries' limits [panels, columns], rounded down; nothing reaches those of no query."""
        import torch

        panels, _, columns = self.vectors.shape
        found = np.full(panels * columns, np.inf, dtype=np.float32)
        found[: self.n] = rounded_limits(limits, torch.float32).numpy()
        return found.reshape(panels, columns)


def survivors_of_blocks(tile: Tile, panels: Panels, limits: Floats, most: int, room: Room) -> Survivors | None:
    """Return the products of a float32 `tile` that reach their query's limit.

    None if they are more than `most`, or if the tile has a longer vector than was assumed.
    """
    import torch

    n, dimension = tile.vectors.shape
    block, depth = best_block(), panels.vectors.shape[1]
    blocks = max(1, min(-(-n // block.candidates), LAID_OUT // (block.candidates * depth * 4)))
    laid = room.take("blocks", (blocks, depth, block.candidates), torch.float32)
    laid[:, dimension:] = 0
    products = room.take("block", (block.candidates, block.queries), torch.float32)
    hits = room.take("hits of a block", (block.candidates, ABREAST), torch.int32)
    pairs = room.take("pairs", (2, most), torch.int32).numpy()
    values = room.take("values", (most,), torch.float32).numpy()
    found = large_products(
        tile.vectors.numpy(),
        np.float32(longest_square(tile.norm, dimension)),
        (panels.vectors, panels.limits(limits)),
        (laid.numpy(), products.numpy(), hits.numpy()),
        pairs,
        values,
    )
    if found > most:
        return None
    rows, columns = (one[:found].astype(np.int64) for one in pairs)
    return Survivors(rows, columns, values[:found].astype(np.float64))


@cache
def blocks_pay() -> bool:
    """Tell whether blocks find what looking at a product by torch finds, and in less time."""
    try:
        return _tried(*TRIED)
    except Exception:
        # Another numba may not know what is asked of it: then all goes on as it does without numba.
        return False


def _tried(n: int, n_queries: int, dimension: int) -> bool:
    import torch

    vectors = np.random.default_rng(0).standard_normal((n, dimension), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = Filter.of(vectors[:n_queries], FP32, None, "cpu")
    tile = load_tile(vectors, np.arange(n), FP32, None, "cpu", Room())
    panels, room, out = Panels.of(chosen), Room(), torch.empty((n, n_queries), dtype=torch.float32, device="cpu")
    # The limit, in queries of about this length, of one random candidate in a thousand.
    limits, error = np.full(n_queries, 3.1 / dimension**0.5), float(chosen.error(tile).max())

    def in_blocks() -> Survivors | None:
        return survivors_of_blocks(tile, panels, limits, n * n_queries, room)

    def otherwise() -> Survivors | None:
        return survivors(torch.mm(tile.vectors, chosen.queries.T, out=out), limits, n * n_queries)

    few, _ = in_blocks(), otherwise()
    if few is None or not _right(few, out.double().numpy(), limits, error):
        return False
    return seconds(in_blocks) < seconds(otherwise)


def _right(few: Survivors, products: Floats, limits: Floats, error: float) -> bool:
    """Tell whether `few` are those of `products` that reach the limits, but for what rounding may change."""
    found = np.zeros(products.shape, dtype=bool)
    found[few.candidates, few.queries] = True
    clear = np.abs(products - limits) > error
    close = np.abs(few.values - products[few.candidates, few.queries]) <= error
    return bool((found == (products >= limits))[clear].all() and close.all())
