"""Pillow's resampling of 8-bit pictures as loops to compile: sums of bytes times whole numbers of 2 ** -22."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mbench.core.compiled import compiled

BITS = 22
"""Weights are whole numbers of 2 ** -BITS."""
HALF = 1 << (BITS - 1)
BYTES = 4
"""Of a pixel in RGB, as Pillow has it."""
TILE = 16
"""Pixels on a side of what is transposed at once, a few lines of the cache."""

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int32]
Pixels = npt.NDArray[np.uint32]


class Weights(NamedTuple):
    """One direction of a resize: output i is the sum of `values[i]` (taps) times the inputs from `first[i]` on."""

    first: Integers
    values: Integers


class Room(NamedTuple):
    """What a resize to [h, w] works in: `turned` [inputs across, strip], `narrow` [w, strip], `lines` [inputs down, w]
    and `sums` [4 times the larger of strip and w].
    """

    turned: Pixels
    narrow: Pixels
    lines: Pixels
    sums: Integers


@compiled
def weighted(lines: Bytes, weights: Weights, sums: Integers, found: Bytes) -> None:
    """Write to `found` [m, n] the weighted sums of `lines` [inputs, n], rounded as by Pillow: halves up, to a byte.

    `sums` [n] is room to work in.
    """
    first, values = weights
    for out in range(len(first)):
        sums[:] = HALF
        for tap in range(values.shape[1]):
            weight, line = values[out, tap], lines[first[out] + tap]
            for place in range(len(sums)):
                sums[place] = np.int32(sums[place] + weight * np.int32(line[place]))
        kept = found[out]
        for place in range(len(sums)):
            kept[place] = min(max(sums[place] >> BITS, 0), 255)


@compiled
def transposed(pixels: Pixels, found: Pixels) -> None:
    """Write `pixels` [h, w] to `found` [w, h]."""
    height, width = pixels.shape
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            for x in range(left, min(left + TILE, width)):
                for y in range(top, min(top + TILE, height)):
                    found[x, y] = pixels[y, x]


@compiled
def resampled(pixels: Pixels, across: Weights, down: Weights, room: Room, found: Pixels) -> None:
    """Write to `found` [h, w] the sums of `pixels` [inputs, inputs] across and then down."""
    turned, narrow, lines, sums = room
    strip = turned.shape[1]
    for start in range(0, len(pixels), strip):
        part = pixels[start : start + strip]
        transposed(part, turned)
        weighted(turned.view(np.uint8), across, sums[: BYTES * strip], narrow.view(np.uint8))
        transposed(narrow[:, : len(part)], lines[start : start + strip])
    weighted(lines.view(np.uint8), down, sums[: BYTES * lines.shape[1]], found.view(np.uint8))


@compiled
def looked_up(picture: Bytes, table: Any, found: Any) -> None:
    """Write to `found` [3, h, w] what `table` [3, 256] has for the bytes of `picture` [h, w, 3 or 4]."""
    height, width, _ = picture.shape
    for channel in range(len(table)):
        values = table[channel]
        for y in range(height):
            line, kept = picture[y], found[channel, y]
            for x in range(width):
                kept[x] = values[line[x, channel]]
