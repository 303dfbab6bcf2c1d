"""How far a mean over queries can be trusted: bootstrap intervals, for all metrics of a task at once.

Every resample is a row of counts, how often each query was drawn, so the resampled means of all metrics are one matrix
product. Queries with the same values under all metrics are drawn together: hit rates have few such kinds, and drawing
how many queries of each kind there are costs next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from mbench.core.errors import DataError
from mbench.core.types import Floats, Rows
from mbench.scoring.hits import own_groups

Method = Literal["percentile", "bca"]

DRAWS_AT_ONCE = 100_000
"""How many draws are held at a time: few enough to stay in the processor's cache, which doubles the speed."""

KIND_COST = 10
"""Drawing the number of queries of one kind takes about as long as drawing this many single queries."""

CUT = 1 << 40
"""The first whole numbers that values are cut into are multiples of 1 / CUT."""
WORTH_CUTTING, MOST_CUT = 1000, 1 << 22
"""Values that are summed as whole numbers: enough to be worth it, and not so many that 64 bits could overflow."""

ROWS_AT_ONCE, CELLS_AT_ONCE = 16, 4_000_000
"""The counts of so many resamples are multiplied together, where they fit: the values are read once for all of them."""

DECIMALS = 12
"""Ends are rounded here, so that another order of summation in the matrix product does not show in a result."""

TINY = 1e-30
"""A cubed spread below this is rounding: nothing varies."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The ends of a confidence interval, in the unit of the metric."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Units:
    """What is drawn, by kind: `sums` [kinds, m] of the values in one unit, `sizes` [kinds] queries in it, `times`
    [kinds] how many units of the kind there are. A unit is a query, or a cluster of queries.
    """

    sums: Floats
    sizes: Floats
    times: Rows

    def means(self, counts: Floats) -> Floats:
        """Return [..., m] the means over queries when each kind is there as often as `counts` [..., kinds] says."""
        return np.asarray((counts @ self.sums) / (counts @ self.sizes)[..., None], dtype=np.float64)


def mean(values: Floats) -> float:
    """Return the mean of the values that are not NaN, from the exactly rounded sum: the same on every machine.

    Raises DataError when there is none.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        raise DataError("There is no judged query to take a mean over.")
    return exact_sum(known) / len(known)


def exact_sum(values: Floats) -> float:
    """Return the sum of `values` [n], rounded once, as math.fsum does; several times as fast where all are in [0, 1].

    A value is cut into two whole numbers, of 2^-40 and of 2^-80; what has still smaller bits is left to math.fsum.
    """
    if not (WORTH_CUTTING <= len(values) <= MOST_CUT and values.min() >= 0 and values.max() <= 1):
        return math.fsum(values.tolist())
    scaled = values * CUT
    high = np.floor(scaled)
    scaled -= high
    scaled *= CUT
    low = np.floor(scaled)
    if not np.array_equal(low, scaled):
        return math.fsum(values.tolist())
    return (int(high.astype(np.int64).sum()) * CUT + int(low.astype(np.int64).sum())) / CUT**2


def intervals(
    per_query: Mapping[str, Floats],
    clusters: Rows | None = None,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
    method: Method = "percentile",
) -> dict[str, Interval | None]:
    """Return a bootstrap interval of the mean of each column [n_q]; None where a single query or cluster is judged.

    A column's NaN rows are left out. Columns that are known for the same queries share their resamples. With
    `clusters` [n_q] (-1: a cluster of its own) whole clusters are drawn, while the mean stays one over queries: queries
    about one picture succeed together, and single draws would make the interval too narrow. `percentile` takes the
    quantiles of the resampled means; `bca` corrects them for bias and skew. Both give a width of zero where all queries
    agree (every one a miss), which says nothing about new queries. A seed gives the same ends on every machine as far
    as numpy keeps the streams of its Generator. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
    chapters 13 and 14; for clusters Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8.
    """
    found: dict[str, Interval | None] = dict.fromkeys(per_query)
    for names in _known_together(per_query):
        known = ~np.isnan(per_query[names[0]])
        values = np.stack([per_query[name][known] for name in names], axis=1)
        units = _units(values, None if clusters is None else clusters[known])
        if units.times.sum() < 2:
            continue
        drawn = np.concatenate([units.means(counts) for counts in _draws(units.times, resamples, seed)])
        ends = _ends(np.round(drawn, DECIMALS), units, level, method)
        found |= {name: Interval(float(low), float(high)) for name, (low, high) in zip(names, ends, strict=True)}
    return found


def _known_together(per_query: Mapping[str, Floats]) -> list[list[str]]:
    """Return the names of the columns, grouped by the queries that they have a value for."""
    groups: dict[bytes, list[str]] = {}
    for name, values in per_query.items():
        known = ~np.isnan(values)
        if known.any():
            groups.setdefault(known.tobytes(), []).append(name)
    return list(groups.values())


def _units(values: Floats, clusters: Rows | None) -> Units:
    """Return the units of `values` [n, m] by kind, in ascending order: the order of the queries does not matter."""
    sized = np.column_stack([np.ones(len(values)), values])
    if clusters is not None:
        _, member = np.unique(own_groups(clusters), return_inverse=True)
        sized = np.column_stack([np.bincount(member, column) for column in sized.T])
    kinds, times = np.unique(sized, axis=0, return_counts=True)
    return Units(kinds[:, 1:], kinds[:, 0], times)


def _draws(times: Rows, resamples: int, seed: int) -> Iterator[Floats]:
    """Yield [some, kinds] how often each kind comes up in as many draws with replacement as there are units."""
    random = np.random.Generator(np.random.PCG64(seed))
    n, kinds = int(times.sum()), len(times)
    by_kind = kinds * KIND_COST <= n
    step = max(1, DRAWS_AT_ONCE // (kinds if by_kind else n))
    if not by_kind:
        step = max(step, min(ROWS_AT_ONCE, CELLS_AT_ONCE // n))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        if by_kind:
            yield random.multinomial(n, times / n, size=size).astype(np.float64)
        else:
            yield _singly(random, times, size)


def _singly(random: np.random.Generator, times: Rows, size: int) -> Floats:
    """Return [size, kinds] how often each kind comes up when units are drawn one by one."""
    n, kinds = int(times.sum()), len(times)
    kind_of = np.repeat(np.arange(kinds), times) if kinds < n else None
    counts = np.empty((size, kinds))
    some = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, size, some):
        for row, drawn in enumerate(random.integers(n, size=(min(some, size - start), n)), start):
            counts[row] = np.bincount(drawn if kind_of is None else kind_of[drawn], minlength=kinds)
    return counts


def _ends(drawn: Floats, units: Units, level: float, method: Method) -> Sequence[Floats]:
    """Return the two ends for each of the m columns of `drawn` [resamples, m]."""
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method == "percentile":
        return list(np.quantile(drawn, tails, axis=0).T)
    estimates = np.round(units.means(units.times.astype(np.float64)), DECIMALS)
    skews = _accelerations(units)
    return [
        np.quantile(column, _corrected(column, estimate, skew, tails))
        for column, estimate, skew in zip(drawn.T, estimates, skews, strict=True)
    ]


def _corrected(drawn: Floats, estimate: float, acceleration: float, tails: Floats) -> Floats:
    """Return the quantiles that BCa takes instead of `tails`."""
    normal = NormalDist()
    below = (np.mean(drawn < estimate) + np.mean(drawn <= estimate)) / 2
    margin = 0.5 / len(drawn)
    bias = normal.inv_cdf(float(np.clip(below, margin, 1 - margin)))
    shifted = [bias + normal.inv_cdf(float(tail)) for tail in tails]
    return np.array([normal.cdf(bias + z / (1 - acceleration * z)) for z in shifted])


def _accelerations(units: Units) -> Floats:
    """Return [m] the acceleration of BCa from leaving each unit out in turn; 0 where nothing varies."""
    times = units.times[:, None]
    sums, sizes = (units.sums * times).sum(axis=0), float(units.sizes @ units.times)
    without = (sums - units.sums) / (sizes - units.sizes)[:, None]
    off = (without * times).sum(axis=0) / times.sum() - without
    spread = (off**2 * times).sum(axis=0) ** 1.5
    skew = (off**3 * times).sum(axis=0)
    return np.asarray(np.where(spread > TINY, skew / np.maximum(6 * spread, TINY), 0.0), dtype=np.float64)
