"""Samples of the corpus that mislead about the k-th best score: a search notices, and repeats what they spoiled."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, factorial
from typing import Any

import numpy as np
import pytest
from tests.retrieval.brute_force import OTHER, assert_same, brute_force
from tests.retrieval.loops import looping

from mbench.core.types import Sets
from mbench.retrieval import plan, small
from mbench.retrieval.excluded import Excluded
from mbench.retrieval.path import MORE, RUN, SHORTEST, Path, rows_of, run_length
from mbench.retrieval.scan import Scan
from mbench.search import top_k

N, D, K = 60_000, 8, 30
PRECISIONS = ("bf16", "fp32", "fp64", "auto")


class Seen:
    """What searches did: the rows of their samples, the guesses that they made, and the queries that these spoiled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.samples: list[np.ndarray] = []
        self.guesses: list[np.ndarray] = []
        self.missed: list[list[int]] = []
        samples, first, again = Path.samples, Scan._first, Scan._again

        def sampled(path: Path) -> list[list[range]]:
            found = samples(path)
            self.samples.append(np.sort(np.concatenate([rows_of(one) for one in found if one])))
            return found

        def guessed(scan: Scan, *args: Any) -> None:
            first(scan, *args)
            self.guesses.append(scan.looking.guess.copy())

        def repeated(scan: Scan, best: Any, missed: np.ndarray) -> Any:
            self.missed.append(missed.tolist())
            return again(scan, best, missed)

        monkeypatch.setattr(Path, "samples", sampled)
        monkeypatch.setattr(Scan, "_first", guessed)
        monkeypatch.setattr(Scan, "_again", repeated)

    def sampled_by(self, search: Callable[[], Any]) -> np.ndarray:
        """Return the rows that `search` samples, and forget it."""
        search()
        rows = self.samples[0]
        for one in (self.samples, self.guesses, self.missed):
            one.clear()
        return rows


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    monkeypatch.setattr(small, "PRODUCTS", 0)
    monkeypatch.setattr(plan, "ON_DEVICE", (4096, 1 << 20))
    return Seen(monkeypatch)


def vectors(n_queries: int = 6, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return queries that all like the first axis, and a corpus that knows nothing of it."""
    rng = np.random.default_rng(3)
    queries, corpus = rng.standard_normal((n_queries, D)), rng.standard_normal((n, D))
    queries[:, 0], corpus[:, 0] = 3, 0
    return queries.astype(np.float32), corpus.astype(np.float32)


def one_of_each_run(sample: np.ndarray, k: int = K, run: int = RUN) -> np.ndarray:
    """Return fewer than `k` rows, each of another run of the sample."""
    return np.sort(np.random.default_rng(5).permutation(sample[7::run])[: k - 1])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 3}, {"workers": 2, "device": OTHER}])
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_winners_that_only_the_sample_holds_do_not_hide_the_others(precision, options, spread, seen):
    queries, corpus = vectors()
    options = {**options, "precision": precision}
    winners = one_of_each_run(seen.sampled_by(lambda: top_k(queries, corpus, K, **options)))
    corpus[winners, 0] = 50 + spread * np.arange(len(winners))
    corpus[winners, 1:] *= spread
    assert_same(top_k(queries, corpus, K, **options), brute_force(queries, corpus, K))
    assert seen.missed == [[0, 1, 2, 3, 4, 5]]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("workers", [1, 2])
def test_only_the_misled_queries_are_searched_again_and_all_keep_their_places(precision, workers, seen, monkeypatch):
    monkeypatch.setattr(plan, "LARGEST_BLOCK", 4)
    queries, corpus = vectors(7)
    queries[[0, 2, 3, 6], 0] = 0
    rng = np.random.default_rng(6)
    exclude, ranks = Sets.of([rng.integers(0, N, 50) for _ in queries]), rng.permutation(N)
    options = {"exclude": exclude, "tie_ranks": ranks, "precision": precision, "workers": workers}
    winners = one_of_each_run(seen.sampled_by(lambda: top_k(queries, corpus, K, **options)))
    corpus[winners, 0] = 50
    expected = brute_force(queries, corpus, K, exclude, None, ranks)
    assert_same(top_k(queries, corpus, K, **options), expected)
    assert seen.missed == [[1], [0, 1]]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_query_that_exclusion_leaves_fewer_than_k_gets_all_of_them(precision, seen):
    queries, corpus = vectors(3)
    sample = seen.sampled_by(lambda: top_k(queries, corpus, K, precision=precision))
    left = [one_of_each_run(sample), np.array([8, N - 9]), np.setdiff1d(np.arange(N), sample)]
    exclude = Sets.of([np.setdiff1d(np.arange(N), one) for one in left])
    found = top_k(queries, corpus, K, exclude=exclude, precision=precision)
    assert_same(found, brute_force(queries, corpus, K, exclude))
    assert (found.ids >= 0).sum(axis=1).tolist() == [len(left[0]), 2, K]
    assert 0 in seen.missed[0]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_misled_search_of_many_ties_cuts_them_by_rank(precision, seen):
    queries, corpus = vectors(4)
    corpus[:] = 0
    winners = one_of_each_run(seen.sampled_by(lambda: top_k(queries, corpus, K, precision=precision)))
    corpus[winners] = 1
    ranks = np.random.default_rng(7).permutation(N)
    queries[:] = abs(queries)
    found = top_k(queries, corpus, K, tie_ranks=ranks, precision=precision)
    assert_same(found, brute_force(queries, corpus, K, None, None, ranks))
    assert seen.missed == [[0, 1, 2, 3]]


@pytest.mark.parametrize("n", [N, 59_442, 59_570], ids=["whole runs", "cut in fp32", "cut in bf16"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_sample_that_tells_the_truth_is_enough(n, precision, seen):
    queries, corpus = vectors(n=n)
    assert_same(top_k(queries, corpus, K, precision=precision), brute_force(queries, corpus, K))
    assert len(seen.guesses) == 1
    assert np.isfinite(seen.guesses[0]).all()
    assert seen.missed == []


@pytest.mark.parametrize("k", [200, 1000, 5000])
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("misled", [False, True])
@pytest.mark.parametrize("loops", [False, True])
def test_many_results_are_guessed_from_shorter_runs_and_found_where_that_misleads(k, precision, misled, loops, seen):
    queries, corpus = vectors(3)
    sample = seen.sampled_by(lambda: top_k(queries, corpus, k, precision=precision))
    if misled:
        corpus[one_of_each_run(sample, k, len(sample) // (k - 1)), 0] = 50
    with looping(loops):
        assert_same(top_k(queries, corpus, k, precision=precision), brute_force(queries, corpus, k))
    assert np.isfinite(seen.guesses[0]).all()
    assert seen.missed == ([[0, 1, 2]] if misled else [])


def test_a_guess_that_would_count_nearly_all_that_was_seen_is_not_made(seen):
    queries, corpus = vectors(3)
    assert_same(top_k(queries, corpus, N // 3, precision="bf16"), brute_force(queries, corpus, N // 3))
    assert np.isinf(seen.guesses[0]).all()


@pytest.mark.parametrize("seen", [1, 100, 1000, 3584, 4096, 16_384, 200_000])
def test_runs_are_as_long_as_there_are_enough_of_them(seen):
    for rank in (1, 7, 37, 219, 1804, 9000):
        length = run_length(rank, seen)
        assert length in (0, *(RUN >> halved for halved in range(RUN.bit_length() - 1)))
        assert seen // length >= MORE * rank if length else SHORTEST * MORE * rank > seen
        assert length in (0, RUN) or 2 * length * MORE * rank > seen
    assert run_length(0, seen) == 0, "no guess is asked for"


@pytest.mark.parametrize("k", [1, 50, 200, 1000])
def test_hardly_any_guess_is_too_high(k):
    path = Path(100_000, 4096)
    sampled = len(rows_of(path.samples()[0]))
    expected = k * sampled / path.n
    likely = sum(exp(-expected) * expected**i / factorial(i) for i in range(path.guess_rank(k, sampled)))
    assert 1 - 1e-4 < likely < 1


def test_the_excluded_pairs_of_some_queries_are_found_under_their_new_numbers():
    sets = Sets.of([[5, 1], [2], [], [1, 9, 5]])
    some = Excluded.among(sets, slice(0, 4), 10).of(np.array([0, 2, 3]))
    assert list(zip(some.candidates.tolist(), some.queries.tolist(), strict=True)) == [
        (1, 0),
        (1, 2),
        (5, 0),
        (5, 2),
        (9, 2),
    ]
