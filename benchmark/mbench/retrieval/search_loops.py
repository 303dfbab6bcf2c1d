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
CACHE_LINE = 64
"""Bytes that the memory gives at a time."""
AHEAD = 4
"""Rows from all over the memory that are asked for before they are needed: to get one takes longer than to score it."""
LANES = 8
"""Sums that numpy makes side by side of numbers that are to be added up."""


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
    """Return a function of arrays of float32 and float64: the sum of `steps` times LANES products from `start` on.

    Each lane is summed apart, in vectors of the processor, which the compiler does not make of a loop whose order it
    has to keep; then they are added in pairs.
    """
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    singles, doubles = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
    nothing = ir.Constant(doubles, [0.0] * LANES)

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        left, right = (context.make_array(signature.args[n])(context, builder, given[n]).data for n in (0, 1))
        start, steps = given[2:]
        number = start.type

        def loaded(numbers: Any, kind: Any, place: Any, aligned: int) -> Any:
            found = builder.load(builder.bitcast(builder.gep(numbers, [place]), kind.as_pointer()))
            found.align = aligned
            return found

        before, loop, after = builder.block, builder.append_basic_block("step"), builder.append_basic_block("sum")
        builder.cbranch(builder.icmp_signed(">", steps, number(0)), loop, after)
        builder.position_at_end(loop)
        step, sums = builder.phi(number), builder.phi(doubles)
        place = builder.add(start, builder.mul(step, number(LANES)))
        wide = builder.fpext(loaded(left, singles, place, 4), doubles)
        grown = builder.fadd(sums, builder.fmul(wide, loaded(right, doubles, place, 8)))
        further = builder.add(step, number(1))
        builder.cbranch(builder.icmp_signed("<", further, steps), loop, after)
        for one, first, then in ((step, number(0), further), (sums, nothing, grown)):
            one.add_incoming(first, before)
            one.add_incoming(then, loop)
        builder.position_at_end(after)
        whole = builder.phi(doubles)
        whole.add_incoming(nothing, before)
        whole.add_incoming(grown, loop)
        lanes = [builder.extract_element(whole, ir.IntType(32)(lane)) for lane in range(LANES)]
        while len(lanes) > 1:
            lanes = [builder.fadd(a, b) for a, b in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    def in_lanes(typing: Any, left: Any, right: Any, start: Any, steps: Any) -> Any:
        return types.float64(left, right, types.intp, types.intp), code

    return intrinsic(in_lanes)


@Part
def fetched() -> Any:
    """Return a function that asks the memory for the number at a place of an array, and does not wait for it."""
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        numbers = context.make_array(signature.args[0])(context, builder, given[0]).data
        place = builder.bitcast(builder.gep(numbers, [given[1]]), ir.IntType(8).as_pointer())
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, word, word, word])
        read, keep, data = word(0), word(3), word(1)
        builder.call(builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind), [place, read, keep, data])
        return context.get_dummy_value()

    def fetched(typing: Any, numbers: Any, place: Any) -> Any:
        return types.void(numbers, types.intp), code

    return intrinsic(fetched)


@compiled_exactly
def scored(
    queries: Floats, stored: Bits, pairs: tuple[Rows, Rows], cuts: Stretches, line: Vectors, scores: Floats
) -> None:
    """Write to `scores` [m] the products of `pairs`, rows of `queries` [., d] and of what is `stored` [n, d].

    `stored` is as of `opened`, `line` [d] room to work in, and `cuts` are those of d.
    """
    starts, lengths, joins = cuts
    sums = np.empty(len(starts))
    for nth in range(len(scores)):
        if nth + AHEAD < len(scores):
            later = stored[pairs[1][nth + AHEAD]]
            for place in range(0, len(later), CACHE_LINE // stored.itemsize):
                fetched(later, place)
        query = queries[pairs[0][nth]]
        opened(stored[pairs[1][nth]], line)
        left = 0
        for stretch in range(len(starts)):
            start, steps = starts[stretch], lengths[stretch] // LANES
            total = in_lanes(line, query, start, steps)
            for place in range(start + steps * LANES, start + lengths[stretch]):
                total += np.float64(line[place]) * query[place]
            sums[left] = total
            for _ in range(joins[stretch]):
                sums[left - 1] += sums[left]
                left -= 1
            left += 1
        scores[nth] = sums[0]
