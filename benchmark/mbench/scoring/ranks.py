"""Ranks as ranges: which places of a table's column the numbers allow, and which models they cannot tell apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mbench.core.errors import DataError
from mbench.core.types import Floats, Rows
from mbench.scoring.flips import sign_flip_p
from mbench.scoring.paired import holm, unit_sums
from mbench.scoring.stats import DECIMALS, mean

MANY = 14
"""From the weight of so many equal differences on, the test's distribution is taken for normal."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranked:
    """The place of one model among those of a column, counted from 1; models of equal mean share the better `rank`.

    `best` to `worst` are the places that the tests allow: behind all models that are significantly better, before all
    that are significantly worse. `group` numbers ties from the top: a group's first model is the best one that is in no
    group yet, and with it go all that are in none and are not significantly worse. Two members other than the first may
    differ from each other: the ranges tell.
    """

    rank: int
    best: int
    worst: int
    group: int


def rank_ranges(values: Floats, clusters: Rows | None = None, *, level: float = 0.05, seed: int = 0) -> list[Ranked]:
    """Return the rank of each model, with its range, from `values` [n_models, n_q] of one metric for each query.

    Every pair of models is compared by the two-sided sign-flip test; all p-values are adjusted together (Holm), so the
    chance that any range of the column is wrong stays below `level`. With `clusters` [n_q] (-1: alone) whole clusters
    flip. Queries that are judged (not NaN) must be the same for all models, and at least 2: raises DataError.

    Holm multiplies the smallest of 4,950 p-values of 100 models by as much, and random signs cannot give one that is
    small enough. The test's own distribution is therefore taken for normal, with its exact variance and a correction
    for steps (of hit rates, say); such a p-value is never less than 0.31 of the exact one (Bentkus and Dzindzalieta, "A
    tight Gaussian bound for weighted sums of Rademacher random variables", Bernoulli 21, 2015). Where few queries carry
    the difference, it is tested as `flips` does, with `seed`.
    """
    known = _judged(values)
    units = unit_sums(values[:, known].T, None if clusters is None else clusters[known]).T
    means = np.round([mean(one) for one in values], DECIMALS)
    better = _significantly_better(units, means, level, seed)
    return _ranked(means, better)


def _judged(values: Floats) -> Flags:
    """Return [n_q] which queries are judged, after the checks of `rank_ranges`."""
    if values.ndim != 2 or not len(values):
        raise DataError(f"Ranks need values of shape [models, queries]; found {values.shape}.")
    if np.isinf(values).any():
        raise DataError("Ranks need finite values; one is infinite.")
    known = ~np.isnan(values)
    unlike = np.flatnonzero((known != known[0]).any(axis=1))
    if len(unlike):
        raise DataError(f"The models in rows 0 and {unlike[0]} are not judged on the same queries.")
    if np.count_nonzero(known[0]) < 2:
        raise DataError(f"Ranks need at least 2 judged queries; found {np.count_nonzero(known[0])}.")
    return np.asarray(known[0], dtype=np.bool_)


def _significantly_better(units: Floats, means: Floats, level: float, seed: int) -> Flags:
    """Return [n_models, n_models] whether the model of the row is significantly better than that of the column."""
    first, second = np.triu_indices(len(units), k=1)
    adjusted = holm(_p_values(units, first, second, seed))
    apart = np.zeros((len(units), len(units)), dtype=np.bool_)
    apart[first, second] = apart[second, first] = adjusted <= level
    return apart & (means[:, None] > means[None, :])


def _p_values(units: Floats, first: Rows, second: Rows, seed: int) -> Floats:
    """Return the p-value of each pair of rows of `units` [n_models, n].

    The variance of a sum under random signs is the sum of the squared differences; all of them are one matrix product.
    """
    products = units @ units.T
    own = np.diag(products)
    squares = np.maximum(own[first] + own[second] - 2 * products[first, second], 0.0)
    sums = np.abs(units.sum(axis=1)[first] - units.sum(axis=1)[second])
    far = np.maximum(sums - _step(units), 0.0) / np.sqrt(np.maximum(squares, np.finfo(np.float64).tiny))
    found = np.array([math.erfc(one / math.sqrt(2)) for one in far.tolist()])
    widest = np.ptp(units, axis=0).max()
    for pair in np.flatnonzero(squares < MANY * widest**2):
        difference = np.round(units[first[pair]] - units[second[pair]], DECIMALS)
        if np.square(difference).sum() < MANY * np.square(difference).max():
            found[pair] = sign_flip_p(difference[:, None], seed=seed)[0]
    return found


def _step(units: Floats) -> float:
    """Return the smallest step between two values: sums under other signs are at least twice as far apart."""
    steps = np.diff(np.unique(np.round(units, DECIMALS)))
    return float(steps.min()) if len(steps) else 0.0


def _ranked(means: Floats, better: Flags) -> list[Ranked]:
    n = len(means)
    groups = _groups(means, better)
    return [
        Ranked(
            rank=1 + int((means > means[one]).sum()),
            best=1 + int(better[:, one].sum()),
            worst=n - int(better[one].sum()),
            group=int(groups[one]),
        )
        for one in range(n)
    ]


def _groups(means: Floats, better: Flags) -> Rows:
    groups = np.zeros(len(means), dtype=np.int64)
    for leader in np.argsort(-means, kind="stable"):
        if groups[leader] == 0:
            groups[(groups == 0) & ~better[leader]] = groups.max() + 1
    return groups
