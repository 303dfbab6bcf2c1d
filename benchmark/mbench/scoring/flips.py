"""The sign-flip permutation test: may differences between two systems have come out with either sign?

If two systems are equally good, either of them could have had either of its two values of a query, so each difference
could as well have the other sign. The p-value is the share of all ways to set the signs with a sum that is as far from
zero as the observed one. Source: Fisher, "The Design of Experiments", 1935, section 21; for rankings Smucker, Allan and
Carterette, "A comparison of statistical significance tests for information retrieval evaluation", CIKM 2007.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np

from mbench.core.types import Floats

EXACT = 13
"""Up to so many differences all ways to set the signs are tried: 8,192, fewer than the usual number of resamples."""

KIND_COST = 250
"""Drawing how many differences of one kind keep their sign takes as long as drawing so many single signs."""

ROUNDING = 1e-12
"""Sums that differ by less than this share of the sum of all sizes are equal."""

TOGETHER: Final = 8
"""The signs of so many differences are one byte, and the sums for all 256 bytes are a table."""

GROUPS_AT_ONCE = 64
"""For so many bytes of signs tables are made at a time: few enough to stay in the processor's cache."""


def sign_flip_p(differences: Floats, *, seed: int = 0, resamples: int = 10_000) -> Floats:
    """Return [m] the two-sided p-values of the columns of `differences` [n, m], a row a unit that flips as a whole.

    Exact for a column with at most 13 values other than zero. The others share `resamples` random signs of the rows and
    have (1 + as far) / (1 + resamples): the observed signs are one of the ways, so no p-value is 0 (Phipson and Smyth,
    "Permutation p-values should never be zero", 2010). Without any difference p is 1.
    """
    few = np.count_nonzero(differences, axis=0) <= EXACT
    found = np.empty(differences.shape[1])
    found[few] = [_exact(column[column != 0]) for column in differences.T[few]]
    if not few.all():
        many = differences[:, ~few]
        found[~few] = _sampled(many[many.any(axis=1)], np.random.Generator(np.random.PCG64(seed)), resamples)
    return found


def _exact(values: Floats) -> float:
    signs = np.array(list(product((1.0, -1.0), repeat=len(values))))
    return float((np.abs(signs @ values) >= _far(values)).mean())


def _sampled(rows: Floats, random: np.random.Generator, resamples: int) -> Floats:
    as_far = np.abs(_random_sums(rows, random, resamples)) >= _far(rows)
    return np.asarray((1 + as_far.sum(axis=0)) / (1 + resamples), dtype=np.float64)


def _far(rows: Floats) -> Floats:
    """Return how far from zero a sum must be to count as far as the observed one, along the first axis."""
    return np.asarray(np.abs(rows.sum(axis=0)) - ROUNDING * np.abs(rows).sum(axis=0), dtype=np.float64)


def _random_sums(rows: Floats, random: np.random.Generator, resamples: int) -> Floats:
    """Return [resamples, m] the sums of `rows` [n, m] under random signs."""
    kinds, times = np.unique(_one_sided(rows), axis=0, return_counts=True)
    if len(kinds) * KIND_COST > len(rows):
        return _single_signs(rows, random, resamples)
    kept = random.binomial(times, 0.5, size=(resamples, len(times)))
    return np.asarray((2.0 * kept - times) @ kinds, dtype=np.float64)


def _one_sided(rows: Floats) -> Floats:
    """Return the rows turned so that the first value other than zero is positive: turned ones are of one kind."""
    first = np.take_along_axis(rows, (rows != 0).argmax(axis=1)[:, None], axis=1)
    return np.asarray(rows * np.sign(first), dtype=np.float64)


def _single_signs(rows: Floats, random: np.random.Generator, resamples: int) -> Floats:
    n, m = rows.shape
    filled = np.zeros((-(-n // TOGETHER), TOGETHER, m))
    filled.reshape(-1, m)[:n] = rows
    sums = np.zeros((resamples, m))
    for start in range(0, len(filled), GROUPS_AT_ONCE):
        tables = _signs_of_bytes() @ filled[start : start + GROUPS_AT_ONCE]
        drawn = random.integers(256, size=(len(tables), resamples), dtype=np.uint8)
        for table, byte in zip(tables, drawn, strict=True):
            sums += table.take(byte, axis=0)
    return sums


def _signs_of_bytes() -> Floats:
    """Return [256, 8] the signs that each byte stands for."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return np.where(bits, -1.0, 1.0)
