"""Reading, measuring and rounding tiles, and scoring pairs, as loops to compile: one pass where torch makes several."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mbench.core.compiled import Part, compiled, compiled_exactly
from mbench.core.types import Floats, Rows, Vectors

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
LANES = 8
"""Sums that numpy makes side by side of numbers that are to be added up."""
PAIRS = LANES // 2
"""Pairs that are scored side by side: the processor begins several additions before one is done."""


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


class Stretches(NamedTuple):
    """How numpy cuts a sum: `starts` and `lengths` of the stretches, and `joins`, how often after each of them the last
    two sums that are left are added.
    """

    starts: Rows
    lengths: Rows
    joins: Rows


@Part
def in_lanes() -> Any:
    """Return a function that writes the sums of `steps` times LANES products from `start` on, one for each of PAIRS.

    Given are tables of float32 (or their bits) and of float64, which rows make the pairs [2, PAIRS], where to write,
    and both. Each lane is summed apart, in vectors of the processor, which the compiler does not make of a loop whose
    order it has to keep; then lanes are added in pairs.
    """
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    singles, doubles = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        arrays = [context.make_array(signature.args[nth])(context, builder, given[nth]) for nth in range(4)]
        start, steps = given[4:]

        def begin(side: int, kind: Any) -> list[Any]:
            first = builder.bitcast(arrays[side].data, kind.element.as_pointer())
            width = builder.extract_value(arrays[side].shape, 1)
            rows = [builder.load(cgutils.gep(builder, arrays[2].data, PAIRS * side + nth)) for nth in range(PAIRS)]
            return [builder.gep(first, [builder.add(builder.mul(row, width), start)]) for row in rows]

        def loaded(first: Any, kind: Any, step: Any) -> Any:
            place = builder.gep(first, [builder.mul(step, step.type(LANES))])
            found = builder.load(builder.bitcast(place, kind.as_pointer()))
            found.align = 4 if kind is singles else 8
            return found

        def neighbours(one: Any, other: Any) -> Any:
            size = one.type.count * (1 if one is other else 2)
            kind = ir.VectorType(ir.IntType(32), size // 2)
            halves = [ir.Constant(kind, list(range(odd, size, 2))) for odd in (0, 1)]
            return builder.fadd(*(builder.shuffle_vector(one, other, half) for half in halves))

        kept = [cgutils.alloca_once_value(builder, ir.Constant(doubles, [0.0] * LANES)) for _ in range(PAIRS)]
        lefts, rights = begin(0, singles), begin(1, doubles)
        with cgutils.for_range(builder, steps) as loop:
            for total, left, right in zip(kept, lefts, rights, strict=True):
                wide = builder.fpext(loaded(left, singles, loop.index), doubles)
                product = builder.fmul(wide, loaded(right, doubles, loop.index))
                builder.store(builder.fadd(builder.load(total), product), total)
        sums = [builder.load(total) for total in kept]
        while len(sums) > 1:
            sums = list(map(neighbours, sums[::2], sums[1::2]))
        whole = neighbours(sums[0], sums[0])
        builder.store(whole, builder.bitcast(arrays[3].data, whole.type.as_pointer()), align=8)
        return context.get_dummy_value()

    def in_lanes(typing: Any, left: Any, right: Any, rows: Any, found: Any, start: Any, steps: Any) -> Any:
        return types.void(left, right, rows, found, types.intp, types.intp), code

    return intrinsic(in_lanes)


@compiled
def opened_once(stored: Bits, rows: Rows, lines: Vectors) -> None:
    """Open `rows` of what is `stored`, neighbours that are equal once, and say instead where in `lines` they are."""
    before = np.int64(-1)
    for nth in range(len(rows)):
        before, same = rows[nth], rows[nth] == before
        if not same:
            opened(stored[before], lines[nth])
        rows[nth] = rows[nth - 1] if same else nth


@compiled_exactly
def joined(sums: Floats, last: int, times: int) -> None:
    """Add the `last` row of `sums` to the one before, and that to the one before it, so many `times`."""
    for row in range(last, last - times, -1):
        for nth in range(PAIRS):
            sums[row - 1, nth] += sums[row, nth]


@compiled_exactly
def scored(
    queries: Floats, stored: Bits, pairs: tuple[Rows, Rows], cuts: Stretches, lines: Vectors, scores: Floats
) -> None:
    """Write to `scores` [m] the products of `pairs`, rows of `queries` [., d] and of what is `stored`, as of `opened`.

    `lines` [PAIRS, d] is room to work in, and `cuts` are those of d.
    """
    starts, lengths, joins = cuts
    sums = np.empty((len(starts), PAIRS))
    rows = np.empty((2, PAIRS), dtype=np.int64)
    in_place = stored.itemsize == 4 and stored.shape[1] % LANES == 0
    for first in range(0, len(scores), PAIRS):
        for nth in range(PAIRS):
            pair = min(first + nth, len(scores) - 1)
            rows[0, nth], rows[1, nth] = pairs[1][pair], pairs[0][pair]
        if not in_place:
            opened_once(stored, rows[0], lines)
        left = 0
        for stretch in range(len(starts)):
            start, steps = starts[stretch], lengths[stretch] // LANES
            if in_place:
                in_lanes(stored, queries, rows, sums[left], start, steps)
            else:
                in_lanes(lines, queries, rows, sums[left], start, steps)
            for place in range(start + steps * LANES, start + lengths[stretch]):
                for nth in range(PAIRS):
                    sums[left, nth] += np.float64(lines[rows[0, nth], place]) * queries[rows[1, nth], place]
            joined(sums, left, joins[stretch])
            left += 1 - joins[stretch]
        for nth in range(min(PAIRS, len(scores) - first)):
            scores[first + nth] = sums[0, nth]
