"""Reading, measuring and rounding a tile as loops to compile: what takes torch five to eight passes over it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mbench.core.compiled import compiled
from mbench.core.types import Rows, Vectors

Bits = npt.NDArray[np.int16] | npt.NDArray[np.int32]
MAGNITUDE = np.int32(0x7FFFFFFF)
"""All bits of a float32 but its sign. Those of a larger number are a larger whole number, which is compared faster."""
SIGN = np.int32(-0x80000000)
UPPER = np.int32(-0x10000)
"""The bits of a float32 that bfloat16 has,"""
NEARLY_HALF = np.int32(0x7FFF)
"""and a little less than half of the last of them."""
HALF_MAGNITUDE = np.int32(0x7FFF)
"""All bits of a float16 but its sign;"""
HALF_INFINITY = 0x7C00
"""those of infinity, with NaN above it,"""
HALF_NORMAL = np.int32(0x400)
"""and those of the least number that is not denormal, which is"""
LEAST_NORMAL = np.float32(2.0**-14)
SHIFT = np.int32(1 << 13)
"""What moves a fraction from its place in float16 to that in float32."""
BIAS = np.int32((127 - 15) << 23)
"""What the exponent of a float32 has more than that of a float16,"""
EXPONENT = np.int32(1 << 23)
"""and one more."""


@compiled
def opened(stored: Bits, line: Vectors) -> None:
    """Write the numbers whose bits are `stored`, int16 of float16 or int32 of float32, to float32 `line`.

    Of float16, infinity and NaN make the first number NaN.
    """
    bits = line.view(np.int32)
    if stored.itemsize == 4:
        for place in range(len(line)):
            bits[place] = np.int32(stored[place])
        return
    most = np.int32(0)
    for place in range(len(line)):
        magnitude = np.int32(stored[place] & HALF_MAGNITUDE)
        most = max(most, magnitude)
        # A denormal number gets the least exponent, and the one before the point that it does not have.
        denormal = np.int32(magnitude < HALF_NORMAL)
        bits[place] = np.int32(np.int32(magnitude * SHIFT) + np.int32(np.int32(denormal * EXPONENT) + BIAS))
    for place in range(len(line)):
        denormal = np.int32(np.int32(stored[place] & HALF_MAGNITUDE) < HALF_NORMAL)
        line[place] = line[place] - np.float32(denormal) * LEAST_NORMAL
    for place in range(len(line)):
        bits[place] = np.int32(bits[place] | np.int32(np.int32(stored[place]) & SIGN))
    if most >= HALF_INFINITY:
        line[0] = np.nan


@compiled
def converted(
    stored: Bits, rows: Rows, centre: Vectors, room: Vectors, found: Bits, norms: Vectors, residuals: Vectors
) -> None:
    """Write `rows` of what is `stored` [n, d] (as of `opened`) less `centre`, if it is not empty, to `found` [m, d].

    That is int32, the bits of float32, or int16, those of bfloat16, rounded to the nearest, halves to even. `norms` [m]
    are lengths, `residuals` [m] those of what rounding loses; `room` [2, d] is room to work in.
    """
    line, back = room[0], room[1]
    bits, kept = line.view(np.int32), back.view(np.int32)
    for nth in range(len(rows)):
        opened(stored[rows[nth]], line)
        for place in range(len(centre)):
            line[place] -= centre[place]
        made, norm, lost = found[nth], np.float32(0), np.float32(0)
        for place in range(len(line)):
            norm += line[place] * line[place]
        norms[nth] = np.sqrt(norm)
        if found.itemsize == 4:
            for place in range(len(line)):
                made[place] = bits[place]
            continue
        for place in range(len(line)):
            odd = np.int32(np.int32(bits[place] >> 16) & 1)
            kept[place] = np.int32(np.int32(np.int32(bits[place] + NEARLY_HALF) + odd) & UPPER)
        for place in range(len(line)):
            made[place] = kept[place] >> 16
        for place in range(len(line)):
            left = line[place] - back[place]
            lost += left * left
        residuals[nth] = np.sqrt(lost)


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
