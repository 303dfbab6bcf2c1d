"""Products of a few candidates with a few queries, as many as registers hold, and those of them that reach a limit.

A matrix product writes all that it finds to memory, to be read again for the few that are wanted. Here a block is
compared while it is in the processor's registers, and most blocks are never written.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mbench.core.compiled import Part, compiled
from mbench.core.types import Vectors
from mbench.retrieval.registers import Registers, arrays_of

Counts = npt.NDArray[np.int32]

ABREAST = 2
"""Registers that a number of all queries of a block fills; the sums of each of its candidates fill as many."""
STEPS = 2
"""Numbers of each vector that are multiplied in one round."""


class Block(NamedTuple):
    """How many candidates are multiplied with how many queries at a time; `lanes` numbers fill a register.

    There are fewer candidates than lanes, or a multiple of them.
    """

    candidates: int
    queries: int
    lanes: int


@functools.cache
def best_block() -> Block:
    """Return what fits the registers of the processor that numba compiles for: sums, queries and one candidate."""
    from numba.core.registry import cpu_target

    machine, _, features = cpu_target.target_context.codegen().magic_tuple()
    named = features.split(",")
    lanes = 16 if "+avx512f" in named else 8 if "+avx" in named else 4
    many = machine.startswith(("aarch64", "arm64"))
    return Block({16: 14, 8: 6}.get(lanes, 12 if many else 4), ABREAST * lanes, lanes)


@Part
def reaching() -> Any:
    """Return a function of float32 `candidates` [., d, rows], `queries` [., d, columns], `limits` [., columns].

    `block` is which of the first is meant, `panel` which of the others.
    It tells whether any product is as large as the limit of its query; if so, all are in `products` [rows, columns],
    and for each register of them there are bits in int32 `hits` [rows, ABREAST], the lowest for its first number.
    All arrays are contiguous, and d is a multiple of STEPS.
    """
    from llvmlite import ir
    from numba.core import types
    from numba.extending import intrinsic

    block = best_block()
    sums_of = [(row, part) for row in range(block.candidates) for part in range(ABREAST)]
    fused = ("contract",)

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        arrays = arrays_of(context, builder, signature, given)
        candidates, queries, limits, products, hits = (one.data for one in arrays)
        length = builder.extract_value(arrays[0].shape, 1)
        number, on = length.type, Registers(builder, block.lanes)
        for_block, for_panel = (builder.mul(length, one) for one in given[5:])
        candidates = builder.gep(candidates, [builder.mul(for_block, number(block.candidates))])
        queries = builder.gep(queries, [builder.mul(for_panel, number(block.queries))])
        limits = builder.gep(limits, [builder.mul(given[6], number(block.queries))])

        def several(numbers: Any, first: Any) -> list[Any]:
            return [on.load(numbers, builder.add(first, number(part * block.lanes))) for part in range(ABREAST)]

        def grown(sums: list[Any], step: Any) -> list[Any]:
            theirs = several(queries, builder.mul(step, number(block.queries)))
            first = builder.mul(step, number(block.candidates))
            ours = [on.filled(candidates, builder.add(first, number(row))) for row in range(block.candidates)]
            new = [builder.fmul(ours[row], theirs[part], flags=fused) for row, part in sums_of]
            return [builder.fadd(*pair, flags=fused) for pair in zip(sums, new, strict=True)]

        before, loop, after = builder.block, builder.append_basic_block("step"), builder.append_basic_block("compare")
        builder.branch(loop)
        builder.position_at_end(loop)
        step, begun = builder.phi(number), [builder.phi(on.kind) for _ in sums_of]
        sums = begun
        for nth in range(STEPS):
            sums = grown(sums, builder.add(step, number(nth)))
        further = builder.add(step, number(STEPS))
        builder.cbranch(builder.icmp_signed("<", further, length), loop, after)
        starts = [number(0), *[on.nothing] * len(sums)]
        for one, first, then in zip([step, *begun], starts, [further, *sums], strict=True):
            one.add_incoming(first, before)
            one.add_incoming(then, loop)

        builder.position_at_end(after)
        needed = several(limits, number(0))
        reached = [builder.fcmp_ordered(">=", one, needed[part]) for (_, part), one in zip(sums_of, sums, strict=True)]
        bits = [builder.bitcast(one, ir.IntType(block.lanes)) for one in reached]
        any_bit = functools.reduce(builder.or_, bits)
        found = builder.icmp_unsigned("!=", any_bit, any_bit.type(0))
        with builder.if_then(found, likely=False):
            for (row, part), one, some in zip(sums_of, sums, bits, strict=True):
                on.store(one, products, number(row * block.queries + part * block.lanes))
                builder.store(builder.zext(some, ir.IntType(32)), builder.gep(hits, [number(row * ABREAST + part)]))
        return found

    def reaching(  # noqa: PLR0913, PLR0917 - numba wants each of them by name
        typing: Any, candidates: Any, queries: Any, limits: Any, products: Any, hits: Any, block: Any, panel: Any
    ) -> Any:
        return types.boolean(candidates, queries, limits, products, hits, types.intp, types.intp), code

    return intrinsic(reaching)


@Part
def turned() -> Any:
    """Return a function of contiguous arrays of float32: `candidates` [n, d] and `block` [d or more, rows].

    It writes as many numbers as there are lanes, from `place` on, of as many candidates, from `first` on, side by side
    from `column` on; also where a block has fewer, then to the next row.
    """
    from numba.core import types
    from numba.extending import intrinsic

    shape = best_block()

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        arrays = arrays_of(context, builder, signature, given)
        candidates, block = (one.data for one in arrays)
        first, column, place = given[2:]
        number, on = place.type, Registers(builder, shape.lanes)
        length = builder.extract_value(arrays[0].shape, 1)
        numbers = [builder.mul(builder.add(first, number(row)), length) for row in range(shape.lanes)]
        found = on.turned([on.load(candidates, builder.add(one, place)) for one in numbers])
        for nth, one in enumerate(found):
            row = builder.mul(builder.add(place, number(nth)), number(shape.candidates))
            on.store(one, block, builder.add(row, column))
        return context.get_dummy_value()

    def turned(typing: Any, candidates: Any, block: Any, first: Any, column: Any, place: Any) -> Any:
        return types.void(candidates, block, types.intp, types.intp, types.intp), code

    return intrinsic(turned)


@compiled
def laid_out(candidates: Vectors, blocks: Vectors, height: int, lanes: int) -> Any:
    """Write `candidates` [n, d] to `blocks` [m, d or more, height]: a number of each side by side; n <= m * height.

    Returns the largest of their squared lengths, infinity where one is no number.
    """
    n, dimension = candidates.shape
    most = np.float32(0)
    for row in range(n):
        line, square = candidates[row], np.float32(0)
        for place in range(dimension):
            square += line[place] * line[place]
        most = max(most, square) if square >= 0 else np.float32(np.inf)
    for nth in range(-(-n // height)):
        block, first = blocks[nth], nth * height
        # The last numbers are written one by one, since a register may be longer than the row.
        whole = (dimension - 1) // lanes * lanes if first + max(height, lanes) <= n else 0
        for place in range(0, whole, lanes):
            for column in range(0, height, lanes):
                turned(candidates, block, first + column, column, place)
        for row in range(min(height, n - first)):
            for place in range(whole, dimension):
                block[place, row] = candidates[first + row, place]
    return most


@compiled
def noted(block: tuple[Vectors, Counts], first: int, column: int, pairs: Counts, values: Vectors, n: int) -> int:
    """Write those products [rows, columns] of a block that are hit to `pairs` and `values`, behind the `n` in them.

    `first` and `column` are the first candidate and query of the block. Returns how many there are then, at most one
    more than there is room for.
    """
    products, hits = block
    lanes = products.shape[1] // ABREAST
    for row in range(len(hits)):
        for part in range(ABREAST):
            bits, place = hits[row, part], part * lanes
            while bits:
                if n == len(values):
                    return n + 1
                if bits & 1:
                    pairs[0, n], pairs[1, n], values[n] = first + row, column + place, products[row, place]
                    n += 1
                bits, place = bits >> 1, place + 1
    return n


@compiled
def large_products(
    candidates: Vectors,
    longest: Any,
    queries: tuple[Vectors, Vectors],
    room: tuple[Vectors, Vectors, Counts],
    pairs: Counts,
    values: Vectors,
) -> int:
    """Find products of `candidates` [n, d] and queries, laid out [panels, d or more, columns] beside [panels, columns]
    the limits that they must reach: `pairs` [2, m] are rows of candidates and queries, `values` [m] the products.

    Returns how many there are; m + 1 if they are more than m, or if a candidate's squared length is above `longest`.
    The `room` is for candidates laid out [blocks, d or more, rows], of 0 beyond d, the products of a block
    [rows, columns] and its hits [rows, ABREAST].
    """
    blocks, products, hits = room
    height, width = products.shape
    n = 0
    for first in range(0, len(candidates), len(blocks) * height):
        some = candidates[first : first + len(blocks) * height]
        if laid_out(some, blocks, height, width // ABREAST) > longest:
            return len(values) + 1
        for panel in range(len(queries[0])):
            for block in range(-(-len(some) // height)):
                if reaching(blocks, queries[0], queries[1], products, hits, block, panel):
                    found = (products, hits[: len(some) - block * height])
                    n = noted(found, first + block * height, panel * width, pairs, values, n)
                    if n > len(values):
                        return n
    return n
