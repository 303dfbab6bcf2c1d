"""The order in which a scan visits the corpus: a sample from all over it first, then the rest, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from mbench.core.types import Rows
from mbench.retrieval.survivors import BLOCK

RUN = 128
"""Neighbouring candidates of the first tile: enough to read a file in order."""


@dataclass(frozen=True, slots=True)
class Path:
    """The order in which the `n` rows are visited: first `sampled`, in runs from all over the corpus, then the rest.

    The limits that a sample teaches are good for a corpus in any order, sorted or grouped by source.
    """

    n: int
    wanted: int

    @property
    def period(self) -> int:
        """Return the distance between the starts of two runs."""
        return RUN * max(1, -(-self.n // self.wanted))

    @property
    def sampled(self) -> int:
        """Return how many rows are in runs."""
        return self.n // self.period * RUN + min(self.n % self.period, RUN)

    def sample(self) -> Rows:
        """Return the ascending rows of all runs."""
        place = np.arange(self.sampled)
        return place // RUN * self.period + place % RUN

    def guess_rank(self, k: int) -> int:
        """Return a rank in the sample that the k-th best of all rows is hardly ever above.

        How many of the k best are sampled is about Poisson distributed: four deviations more than expected, and four
        for small numbers. Counting only the best of each run keeps this true of a corpus that is grouped.
        """
        expected = k * self.sampled / self.n
        return ceil(expected + 4 * sqrt(expected) + 4)

    def tiles(self, width: int) -> Iterator[list[range]]:
        """Yield the rows between the runs, about `width` at a time: a piece of one gap, or several whole gaps.

        A piece is contiguous, so it is read in order, or in place.
        """
        gap = self.period - RUN
        gaps = [range(start + RUN, min(start + self.period, self.n)) for start in range(0, self.n - RUN, self.period)]
        if gap > width:
            pieces = -(-gap // width)
            size = -(-gap // (pieces * BLOCK)) * BLOCK
            yield from ([one[start : start + size]] for one in gaps for start in range(0, len(one), size))
        elif gap:
            together = width // gap
            yield from (gaps[first : first + together] for first in range(0, len(gaps), together))
