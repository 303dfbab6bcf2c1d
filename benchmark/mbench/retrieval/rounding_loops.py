"""Rounding a tile to int8 as one loop to compile: what takes torch eight passes over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mbench.core.compiled import compiled
from mbench.core.types import Vectors

MAGNITUDE = np.int32(0x7FFFFFFF)
"""All bits of a float32 but its sign. Those of a larger number are a larger whole number, which is compared faster."""


@compiled
def rounded_blocks(
    rows: Vectors, largest: Any, smallest: Any, found: npt.NDArray[np.int8], units: Vectors, residuals: Vectors
) -> None:
    """Write float32 `rows` [n, d], in multiples of a unit, to int8 `found` [n, d or more].

    As many neighbours as there are rows for each of `units` [blocks] share one: their largest number is `largest` of
    it; it is at least `smallest`. `residuals` [blocks] is the largest length that a row of them loses.
    """
    bits = rows.view(np.int32)
    one = np.zeros(1, dtype=np.int32)
    block = len(rows) // len(units)
    for nth in range(len(units)):
        most = np.int32(0)
        for row in range(nth * block, (nth + 1) * block):
            line = bits[row]
            for place in range(len(line)):
                most = max(most, line[place] & MAGNITUDE)
        one[0] = most
        unit = max(one.view(np.float32)[0] / largest, smallest)
        times, worst = np.float32(1) / unit, np.float32(0)
        for row in range(nth * block, (nth + 1) * block):
            values, kept, lost = rows[row], found[row], np.float32(0)
            for place in range(len(values)):
                whole = np.rint(values[place] * times)
                kept[place] = np.int32(whole)
                left = values[place] - whole * unit
                lost += left * left
            worst = max(worst, lost)
        units[nth] = unit
        residuals[nth] = np.sqrt(worst)
