"""Speed of metrics and intervals, as ratios to pytrec_eval, ranx and scipy measured in the same run.

`python benchmark/bench/metrics.py [--queries N] [--depth K] [--repeats R]` prints one JSON line a figure: the median
seconds of either side and how many times faster mbench is. The others' times include turning arrays into the
dictionaries that they take; ranx is compiled beforehand. Both sides must give the same numbers, or there is no figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version

import numpy as np

from mbench.core.types import MAIN_POOL, Floats, Judgments, Rankings, Sets
from mbench.metrics import MetricSpec, evaluate_all, intervals, mean

CUTS = (1, 5, 10, 50, 100)
TREC = {"hit": "success", "recall": "recall", "map_trec": "map_cut", "ndcg": "ndcg_cut"}
RANX = {"hit": "hit_rate", "recall": "recall", "map_trec": "map", "ndcg": "ndcg", "mrr": "mrr"}
N_CANDIDATES = 1_000_000
RESAMPLES = 10_000
CHANCE = 0.1
"""Two bootstraps may differ by chance by this over the root of the number of queries: 5 standard errors and more."""
PACKAGES = {"pytrec_eval": "pytrec-eval-terrier", "ranx": "ranx", "scipy": "scipy"}
Work = Callable[[], dict[str, float]]


def main() -> None:
    """Measure every figure and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--drawn", type=int, default=10_000, help="queries that the bootstrap draws from")
    options = parser.parse_args()
    rankings, relevant = made(options.queries, options.depth)
    size = {"queries": options.queries, "depth": options.depth, "repeats": options.repeats}
    compare("metrics/pytrec_eval", size, partial(ours, TREC, rankings, relevant), partial(trec, rankings, relevant))
    in_ranx(*made(10, 10))
    compare("metrics/ranx", size, partial(ours, RANX, rankings, relevant), partial(in_ranx, rankings, relevant))
    rankings, relevant = made(options.drawn, options.depth)
    size = {"queries": options.drawn, "resamples": RESAMPLES, "repeats": options.repeats}
    one = {"hit@10": np.random.default_rng(0).integers(0, 2, size=options.drawn).astype(np.float64)}
    ten = {f"column {i}": np.random.default_rng(i).random(options.drawn) for i in range(10)}
    task = columns(("hit", "recall", "map", "ndcg", "mrr"), (5, 10), rankings, relevant)
    chance = CHANCE / options.drawn**0.5
    for name, data in (("one hit rate", one), ("ten metrics of a task", task), ("ten, all values different", ten)):
        compare(f"intervals/scipy/{name}", size, partial(ends, data), partial(in_scipy, data), tolerance=chance)


def made(n_queries: int, depth: int) -> tuple[Rankings, Sets]:
    """Make rankings with ties and one to five relevant candidates a query, half of them ranked."""
    random = np.random.default_rng(0)
    offsets = random.integers(N_CANDIDATES, size=(n_queries, 1))
    ids = (offsets + np.argsort(random.random((n_queries, depth)), axis=1) * 7919) % N_CANDIDATES
    scores = -np.sort(-random.integers(0, 500, size=(n_queries, depth)) / 500, axis=1)
    ids = np.take_along_axis(ids, np.lexsort((-ids, -scores), axis=1), axis=1)
    sizes = random.integers(1, 6, size=n_queries)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
    near = offsets[:, 0].repeat(sizes) + (random.integers(0, 2 * depth // 5, size=len(place)) * 5 + place) * 7919
    return Rankings(ids, scores), Sets(starts, near % N_CANDIDATES)


def columns(names: tuple[str, ...], cuts: tuple[int, ...], rankings: Rankings, relevant: Sets) -> dict[str, Floats]:
    """Return the values per query of each metric at each cut."""
    specs = [MetricSpec.model_validate(f"{name}@{k}") for name in names for k in cuts]
    return evaluate_all(specs, {MAIN_POOL: rankings}, Judgments({"relevant": relevant}))


def ours(names: Mapping[str, str], rankings: Rankings, relevant: Sets) -> dict[str, float]:
    """Return the mean of each metric under the name that the other library gives it."""
    found = columns(tuple(names), CUTS, rankings, relevant)
    return {f"{names[(parts := key.split('@'))[0]]} {parts[1]}": mean(values) for key, values in found.items()}


def dictionaries(rankings: Rankings, relevant: Sets) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, float]]]:
    """Return judgments and run as both libraries take them; ids of equal length sort as their numbers."""
    qrels, run = {}, {}
    for query, (ids, scores) in enumerate(zip(rankings.ids.tolist(), rankings.scores.tolist(), strict=True)):
        run[f"{query:06}"] = {f"{one:07}": score for one, score in zip(ids, scores, strict=True)}
        qrels[f"{query:06}"] = {f"{one:07}": 1 for one in relevant[query].tolist()}
    return qrels, run


def trec(rankings: Rankings, relevant: Sets) -> dict[str, float]:
    """Evaluate with pytrec_eval."""
    import pytrec_eval

    qrels, run = dictionaries(rankings, relevant)
    asked = {f"{name}.{','.join(map(str, CUTS))}" for name in TREC.values()}
    found = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(run)
    keys = [(name, k) for name in TREC.values() for k in CUTS]
    return {f"{name} {k}": float(np.mean([row[f"{name}_{k}"] for row in found.values()])) for name, k in keys}


def in_ranx(rankings: Rankings, relevant: Sets) -> dict[str, float]:
    """Evaluate with ranx, with the ties broken beforehand: their order is open there."""
    import ranx

    strict = np.broadcast_to(-np.arange(rankings.ids.shape[1], dtype=np.float64), rankings.ids.shape)
    qrels, run = dictionaries(Rankings(rankings.ids, strict), relevant)
    asked = [f"{name}@{k}" for name in RANX.values() for k in CUTS]
    found = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), asked)
    return {name.replace("@", " "): float(value) for name, value in found.items()}


def ends(data: Mapping[str, Floats]) -> dict[str, float]:
    """Return both ends of the interval of each column."""
    found = intervals(data, resamples=RESAMPLES)
    return {f"{name} {end}": getattr(one, end) for name, one in found.items() for end in ("low", "high")}


def in_scipy(data: Mapping[str, Floats]) -> dict[str, float]:
    """Bootstrap each column with scipy, in batches that fit the memory."""
    from scipy.stats import bootstrap

    found: dict[str, float] = {}
    for name, values in data.items():
        one = bootstrap(
            (values,), np.mean, n_resamples=RESAMPLES, method="percentile", vectorized=True, batch=100, random_state=0
        )
        found |= {f"{name} {end}": getattr(one.confidence_interval, end) for end in ("low", "high")}
    return found


def compare(figure: str, size: Mapping[str, int], mine: Work, theirs: Work, tolerance: float = 1e-9) -> None:
    """Time both sides in turn and print the line. Raises AssertionError where their numbers differ."""
    seconds: list[tuple[float, float]] = []
    for _ in range(size["repeats"]):
        (mine_took, found), (theirs_took, expected) = timed(mine), timed(theirs)
        np.testing.assert_allclose([found[name] for name in expected], list(expected.values()), atol=tolerance)
        seconds.append((mine_took, theirs_took))
    ours_seconds, theirs_seconds = (statistics.median(side) for side in zip(*seconds, strict=True))
    package = PACKAGES[figure.split("/")[1]]
    line = {
        "figure": figure,
        "times_faster": round(theirs_seconds / ours_seconds, 1),
        "ours_seconds": round(ours_seconds, 4),
        "theirs_seconds": round(theirs_seconds, 4),
        "against": f"{package} {version(package)}",
    }
    print(json.dumps(line | dict(size)), flush=True)


def timed(work: Work) -> tuple[float, dict[str, float]]:
    """Return how long the work took and what it gave."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


if __name__ == "__main__":
    main()
