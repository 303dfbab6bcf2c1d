"""The order in which a scan visits the corpus: samples from all over it first, then the rest, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from mbench.core.types import Rows
from mbench.retrieval.survivors import BLOCK

RUN = 128
"""Neighbouring candidates of the first tile: enough to read a file in order."""
MORE = 4
"""How many times as many runs there must be as the guess counts: of fewer, several good rows share one too often."""
SHORTEST = 2
"""Neighbours of which at least only the best is counted."""


@dataclass(frozen=True, slots=True)
class Path:
    """The order in which the `n` rows are visited: first samples, in runs from all over the corpus, then the rest.

    The limits that a sample teaches are good for a corpus in any order, sorted or grouped by source. Each of several
    `rounds` has a sample of its own. `together` is how many runs are sampled in one place.
    """

    n: int
    wanted: int
    rounds: int = 1
    together: int = 1

    @property
    def stretch(self) -> int:
        """Return the length of what is sampled in one place."""
        return RUN * self.together

    @property
    def period(self) -> int:
        """Return the distance between the starts of two stretches."""
        return self.stretch * max(1, -(-self.n // self.wanted))

    def samples(self) -> list[list[range]]:
        """Return the stretches of each sample."""
        starts = range(0, self.n, self.period)
        stretches = [range(start, min(start + self.stretch, self.n)) for start in starts]
        return [stretches[nth :: self.rounds] for nth in range(self.rounds)]

    def guess_rank(self, k: int, seen: int) -> int:
        """Return a rank among `seen` rows of samples that the k-th best of all rows is hardly ever above.

        How many of the k best are sampled is about Poisson distributed: four deviations more than expected, and four
        for small numbers. Counting only the best of each run keeps this true of a corpus that is grouped.
        """
        expected = k * seen / self.n
        return ceil(expected + 4 * sqrt(expected) + 4)

    def tiles(self, width: int) -> Iterator[list[range]]:
        """Yield the rows between the stretches, about `width` at a time: one gap, a piece of it, or several whole gaps.

        A gap and its pieces are contiguous, so they are read in order, or in place.
        """
        gap = self.period - self.stretch
        starts = range(self.stretch, self.n, self.period)
        gaps = [range(start, min(start + gap, self.n)) for start in starts if gap]
        if 2 * gap > width:
            pieces = -(-gap // width)
            size = -(-gap // (pieces * BLOCK)) * BLOCK
            yield from ([one[start : start + size]] for one in gaps for start in range(0, len(one), size))
        elif gap:
            yield from tiled(gaps, width)


def rows_of(pieces: list[range]) -> Rows:
    """Return the rows of all pieces."""
    return np.concatenate([np.arange(one.start, one.stop) for one in pieces])


def tiled(pieces: list[range], width: int) -> Iterator[list[range]]:
    """Yield at least one piece and as many as `width` rows hold; none is longer than the first."""
    together = max(1, width // max(map(len, pieces[:1]), default=1))
    yield from (pieces[first : first + together] for first in range(0, len(pieces), together))


def run_length(rank: int, seen: int) -> int:
    """Return how long the runs of `seen` rows may be that the guess of this `rank` counts only the best of.

    As long as such runs are enough: a power of 2, and RUN at most. It is 0 where they would be shorter than SHORTEST.
    """
    length = RUN
    while length * MORE * rank > seen:
        length //= 2
    return length if rank and length >= SHORTEST else 0
