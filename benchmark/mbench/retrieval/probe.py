"""Which filter suits this machine: processors without bfloat16 units multiply it slower than float32."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from mbench.retrieval.filters import BF16, FP32, Filter, Precision
from mbench.retrieval.tiles import load_tile
from mbench.retrieval.workers import Room

if TYPE_CHECKING:
    from torch import Tensor


@cache
def fastest_precision(device: str) -> Precision:
    """Return bf16 where it is faster than fp32 and keeps to its error bound on this machine, else fp32.

    On another device than the processor small products tell nothing about speed: there bf16 only has to be right.
    """
    vectors = np.random.default_rng(0).standard_normal((512, 256), dtype=np.float32)
    faster = device != "cpu" or _seconds(vectors, BF16, device) < _seconds(vectors, FP32, device)
    return BF16 if faster and _keeps_its_bound(vectors, device) else FP32


def _seconds(vectors: np.ndarray, precision: Precision, device: str) -> float:
    """Return the best time of a few small products."""
    queries = Filter.of(vectors[:128], precision, None, device).queries
    tile = load_tile(vectors, np.arange(len(vectors)), precision, None, device, Room())
    best = np.inf
    for _ in range(4):
        start = time.perf_counter()
        _finished(queries @ tile.vectors.T)
        best = min(best, time.perf_counter() - start)
    return best


def _finished(product: Tensor) -> None:
    """Wait for a device that works in the background."""
    product[0, 0].item()


def _keeps_its_bound(vectors: np.ndarray, device: str) -> bool:
    """Compare a bf16 product with the exact one: a library that also adds up in bf16 breaks the proof."""
    chosen = Filter.of(vectors[:128], BF16, None, device)
    tile = load_tile(vectors, np.arange(len(vectors)), BF16, None, device, Room())
    values = (chosen.queries @ tile.vectors.T).double().cpu().numpy()
    rows = np.arange(len(values))
    lower, upper = chosen.bounds(values.ravel(), chosen.error(tile), rows.repeat(len(vectors)))
    exact = (vectors[:128].astype(np.float64) @ vectors.T.astype(np.float64)).ravel()
    return bool(((lower <= exact) & (exact <= upper)).all())
