"""Speed of paired comparisons and of ranks, the former as ratios to scipy measured in the same run.

`python benchmark/bench/paired.py [--queries N] [--repeats R]` prints one JSON line a figure: seconds of either side and
how many times faster mbench is. Ours are the median; scipy runs once, since 100,000 queries take it minutes. Both do
10,000 permutations and resamples and must agree within chance, or there is no figure. Ranks of 100 models have no
counterpart; their line is seconds alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import TypeVar

import numpy as np

from mbench.core.types import Floats
from mbench.scoring.flips import sign_flip_p
from mbench.scoring.paired import compare
from mbench.scoring.ranks import rank_ranges

T = TypeVar("T")
RESAMPLES = 10_000
MODELS = 100
TASK_QUERIES = 4_000
BATCH = 50
"""So many permutations scipy holds at a time: at 100,000 queries some 100 MB."""
CHANCE = 0.035
"""Two p-values from 10,000 permutations each differ by less: 5 standard errors at p = 0.5."""


def main() -> None:
    """Measure every figure and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    graded = random.random((2, options.queries))
    for name, (a, b) in (("hit rate", (graded < 0.5).astype(np.float64)), ("all values different", graded)):
        size = {"queries": options.queries, "resamples": RESAMPLES, "repeats": options.repeats}
        tested = partial(test_alone, a, b), partial(scipy_test, a, b)
        against(f"paired/scipy.permutation_test/{name}", size, *tested)
        against(f"paired/scipy, test and interval/{name}", size, partial(whole, a, b), partial(scipy_whole, a, b))
    for name, values in (("hit rates", table(random) < 0.5), ("all values different", table(random))):
        took, _ = timed(partial(rank_ranges, values.astype(np.float64)), options.repeats)
        size = {"models": MODELS, "queries": TASK_QUERIES, "repeats": options.repeats}
        print(json.dumps({"figure": f"ranks/{name}", "ours_seconds": round(took, 4)} | size), flush=True)


def table(random: np.random.Generator) -> Floats:
    """Return the values of models that get better by degrees."""
    return random.random((MODELS, TASK_QUERIES)) + np.linspace(-0.2, 0.2, MODELS)[:, None]


def test_alone(a: Floats, b: Floats) -> float:
    """Return the p-value of the sign-flip test."""
    return float(sign_flip_p((a - b)[:, None], resamples=RESAMPLES)[0])


def scipy_test(a: Floats, b: Floats) -> float:
    """Return scipy's p-value, in batches that fit the memory."""
    from scipy.stats import permutation_test

    found = permutation_test(
        (a, b), gap, permutation_type="samples", n_resamples=RESAMPLES, vectorized=True, batch=BATCH, random_state=0
    )
    return float(found.pvalue)


def whole(a: Floats, b: Floats) -> float:
    """Compare as `mbench compare` does: test, interval, effect, wins and losses."""
    return compare(a, b, resamples=RESAMPLES).p


def scipy_whole(a: Floats, b: Floats) -> float:
    """Return scipy's p-value after its bootstrap interval, too."""
    from scipy.stats import bootstrap

    bootstrap(
        (a, b),
        gap,
        paired=True,
        n_resamples=RESAMPLES,
        method="percentile",
        vectorized=True,
        batch=BATCH,
        random_state=0,
    )
    return scipy_test(a, b)


def gap(x: Floats, y: Floats, axis: int) -> Floats:
    """Return the mean difference."""
    return np.asarray(np.mean(x - y, axis=axis), dtype=np.float64)


def against(figure: str, size: dict[str, int], mine: Callable[[], float], theirs: Callable[[], float]) -> None:
    """Time both sides and print the line. Raises AssertionError where their p-values differ."""
    ours, found = timed(mine, size["repeats"])
    others, expected = timed(theirs)
    np.testing.assert_allclose(found, expected, atol=CHANCE)
    line = {
        "figure": figure,
        "times_faster": round(others / ours, 1),
        "ours_seconds": round(ours, 4),
        "theirs_seconds": round(others, 4),
        "against": f"scipy {version('scipy')}",
    }
    print(json.dumps(line | size), flush=True)


def timed(work: Callable[[], T], repeats: int = 1) -> tuple[float, T]:
    """Return the median seconds that the work took, and what it gave."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), found


if __name__ == "__main__":
    main()
