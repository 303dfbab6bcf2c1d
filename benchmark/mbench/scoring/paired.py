"""Two systems on the same queries: how far apart they are, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mbench.core.errors import DataError
from mbench.core.types import Floats, Rows
from mbench.scoring.flips import sign_flip_p
from mbench.scoring.hits import own_groups
from mbench.scoring.stats import Interval, Method, intervals, mean

TINY = 1e-12
"""A difference below this is rounding: a tie. So is a spread of differences: all queries differ by the same amount."""


@dataclass(frozen=True, slots=True)
class Paired:
    """System A against system B on `n` queries that both have a value for.

    `difference` is mean A - mean B in the unit of the metric, `low` to `high` its bootstrap interval (None where all
    queries are one cluster), `p` the two-sided p-value of the sign-flip test. `effect` is Cohen's d_z, the mean of the
    queries' differences over their standard deviation, None where they do not vary: 0.2 is called small, 0.5 medium,
    0.8 large. A `wins` on so many queries and `losses` on so many. `note` says what limits the numbers, if anything.
    Source of d_z: Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, section 2.3.5.
    """

    n: int
    difference: float
    low: float | None
    high: float | None
    p: float
    effect: float | None
    wins: int
    ties: int
    losses: int
    note: str = ""


def compare(
    a: Floats,
    b: Floats,
    clusters: Rows | None = None,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
    method: Method = "percentile",
) -> Paired:
    """Compare two systems by one metric, from its value for each query, [n_q] each; NaN is a query not judged.

    The interval comes from `resamples` draws of queries, by `method` (see `stats.intervals`); a query is drawn with
    both its values, since both systems find the same queries hard. With `clusters` [n_q] (-1: alone) whole clusters are
    drawn, and flip their sign together. Raises DataError for fewer than 2 judged queries, for systems that are not
    judged on the same queries, and for infinite values. Source of the paired bootstrap: Efron and Tibshirani, "An
    Introduction to the Bootstrap", 1993, section 8.3; of the test see `flips`.
    """
    found = compare_all(
        {"A - B": a}, {"A - B": b}, clusters, seed=seed, resamples=resamples, level=level, method=method
    )
    return found["A - B"]


def compare_all(
    a: Mapping[str, Floats],
    b: Mapping[str, Floats],
    clusters: Rows | None = None,
    *,
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
    method: Method = "percentile",
) -> dict[str, Paired]:
    """Compare two systems by every metric of `a`, as `compare` does; metrics that judge the same queries share draws.

    Raises what `compare` raises, with the metric's name, and DataError for a metric that `b` lacks.
    """
    differences = {name: _difference(name, values, b, clusters) for name, values in a.items()}
    ends = intervals(differences, clusters, seed=seed, resamples=resamples, level=level, method=method)
    tests = _p_values(differences, clusters, seed, resamples)
    return {name: _paired(differences[name], mean(a[name]) - mean(b[name]), ends[name], tests[name]) for name in a}


def holm(p_values: Sequence[float] | Floats) -> Floats:
    """Return p-values adjusted for their number, in the order given: the chance of any false finding stays below level.

    The smallest of m is multiplied by m, the next by m - 1 and so on, none below the one before and none above 1.
    Raises DataError for what is no p-value. Source: Holm, "A simple sequentially rejective multiple test procedure",
    1979.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise DataError(f"p-values lie between 0 and 1; found {values.tolist()}.")
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted


def unit_sums(values: Floats, clusters: Rows | None) -> Floats:
    """Return [units, m] the sums of `values` [n, m] over each cluster, or the values where there are no clusters."""
    if clusters is None:
        return values
    _, member = np.unique(own_groups(clusters), return_inverse=True)
    return np.stack([np.bincount(member, column) for column in values.T], axis=1)


def _difference(name: str, a: Floats, others: Mapping[str, Floats], clusters: Rows | None) -> Floats:
    """Return [n_q] A - B, 0 where they differ by rounding alone, NaN where neither is judged."""
    if name not in others:
        raise DataError(f"{name}: the second system has no such metric; it has {sorted(others)}.")
    b = others[name]
    if a.ndim != 1 or a.shape != b.shape or (clusters is not None and clusters.shape != a.shape):
        shapes = f"{a.shape} and {b.shape}" + (f", clusters {clusters.shape}" if clusters is not None else "")
        raise DataError(f"{name}: the systems need one value each for the same queries; found shapes {shapes}.")
    if np.isinf(a).any() or np.isinf(b).any():
        raise DataError(f"{name}: a value is infinite.")
    unlike = np.flatnonzero(np.isnan(a) != np.isnan(b))
    if len(unlike):
        which = "second" if np.isnan(b[unlike[0]]) else "first"
        raise DataError(
            f"{name}: {len(unlike)} queries are judged for one system only; the {which} has no value (NaN) in row "
            f"{unlike[0]}."
        )
    judged = int(np.count_nonzero(~np.isnan(a)))
    if judged < 2:
        raise DataError(f"{name}: {judged} judged queries; a comparison needs at least 2.")
    apart = a - b
    return np.where(np.abs(apart) < TINY, 0.0, apart)


def _p_values(differences: Mapping[str, Floats], clusters: Rows | None, seed: int, resamples: int) -> dict[str, float]:
    """Return the p-value of each column; columns known for the same queries are flipped together."""
    together: dict[bytes, list[str]] = {}
    for name, column in differences.items():
        together.setdefault(np.isnan(column).tobytes(), []).append(name)
    found: dict[str, float] = {}
    for names in together.values():
        known = ~np.isnan(differences[names[0]])
        values = np.stack([differences[name][known] for name in names], axis=1)
        units = unit_sums(values, None if clusters is None else clusters[known])
        p_values = sign_flip_p(units, seed=seed, resamples=resamples)
        found |= dict(zip(names, p_values.tolist(), strict=True))
    return found


def _paired(differences: Floats, difference: float, ends: Interval | None, p: float) -> Paired:
    apart = differences[~np.isnan(differences)]
    wins, losses = int(np.count_nonzero(apart > 0)), int(np.count_nonzero(apart < 0))
    spread = float(apart.std(ddof=1))
    return Paired(
        n=len(apart),
        difference=difference,
        low=None if ends is None else ends.low,
        high=None if ends is None else ends.high,
        p=p,
        effect=float(apart.mean()) / spread if spread > TINY else None,
        wins=wins,
        ties=len(apart) - wins - losses,
        losses=losses,
        note=_limits(wins + losses, spread, ends),
    )


def _limits(unlike: int, spread: float, ends: Interval | None) -> str:
    if not unlike:
        return "identical on every query"
    if ends is None:
        return "all queries belong together: no interval, and no test can separate the systems"
    return "every query differs by the same amount: the interval has no width" if spread <= TINY else ""
