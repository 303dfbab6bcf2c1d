"""Which filter suits this machine: without bfloat16 units float32 is faster to multiply, and int8 still more so."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mbench.core.types import Vectors
from mbench.retrieval.filters import BF16, FP32, Filter, Precision
from mbench.retrieval.int8 import INT8, most_of_pair, products
from mbench.retrieval.rounded import RoundedQueries, RoundedTile
from mbench.retrieval.tiles import load_tile
from mbench.retrieval.workers import Room

if TYPE_CHECKING:
    from torch import Tensor

QUERIES = 256
"""Vectors that are queries in what is tried."""
CAREFUL = 0.4
"""What looking in int8 costs beside its products, for it is done with more care, in float32 products."""


@cache
def fastest_precision(device: str) -> str:
    """Return the name of the format that is the fastest on this machine, of those that keep to their error bounds.

    On another device than the processor small products tell nothing about speed: there bf16 only has to be right.
    """
    vectors = np.random.default_rng(0).standard_normal((1024, 512), dtype=np.float32)
    if device != "cpu":
        return BF16.name if _keeps_its_bound(vectors, device) else FP32.name
    times = {one.name: seconds(_product(vectors, one)) for one in (BF16, FP32)}
    careful = CAREFUL * times[FP32.name]
    if careful < times[BF16.name] and most_of_pair(vectors.shape[1]):
        times[INT8] = seconds(_product_in_int8(vectors)) + careful
    by_speed = sorted(times, key=lambda name: times[name])
    return next(name for name in by_speed if name != BF16.name or _keeps_its_bound(vectors, device))


def _product(vectors: Vectors, precision: Precision) -> Callable[[], Tensor]:
    queries = Filter.of(vectors[:QUERIES], precision, None, "cpu").queries
    tile = load_tile(vectors, np.arange(len(vectors)), precision, None, "cpu", Room())
    return lambda: queries @ tile.vectors.T


def _product_in_int8(vectors: Vectors) -> Callable[[], Tensor]:
    import torch

    tile = load_tile(vectors, np.arange(len(vectors)), FP32, None, "cpu", Room())
    candidates = RoundedTile.of(tile, Room()).vectors
    queries = RoundedQueries.of(Filter.of(vectors[:QUERIES], FP32, None, "cpu")).vectors
    out = torch.empty((len(vectors), QUERIES), dtype=torch.int32, device="cpu")
    return lambda: products(candidates, queries, out)


def seconds(product: Callable[[], object]) -> float:
    """Return the best time of a few small products."""
    best = np.inf
    for _ in range(4):
        start = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - start)
    return best


def _keeps_its_bound(vectors: np.ndarray, device: str) -> bool:
    """Compare a bf16 product with the exact one: a library that also adds up in bf16 breaks the proof."""
    chosen = Filter.of(vectors[:QUERIES], BF16, None, device)
    tile = load_tile(vectors, np.arange(len(vectors)), BF16, None, device, Room())
    values = (chosen.queries @ tile.vectors.T).double().cpu().numpy()
    rows = np.arange(len(values))
    lower, upper = chosen.bounds(values.ravel(), chosen.error(tile), rows.repeat(len(vectors)))
    exact = (vectors[:QUERIES].astype(np.float64) @ vectors.T.astype(np.float64)).ravel()
    return bool(((lower <= exact) & (exact <= upper)).all())
