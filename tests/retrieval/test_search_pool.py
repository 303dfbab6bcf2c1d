"""The pool of candidates: what it drops cannot win, and a crowd does not make it grow."""

from __future__ import annotations

import numpy as np
import pytest
from tests.retrieval.brute_force import canonical, embeddings

from mbench.core.errors import UserError
from mbench.core.types import Sets
from mbench.retrieval.exact import batches, listed_pairs
from mbench.retrieval.pairs import Scored, TieOrder, canonical_scores, first_k
from mbench.retrieval.path import RUN, Path, rows_of
from mbench.retrieval.plan import DEVICE_WORKERS, LARGEST_BLOCK, MEMORY, bearable, make_plan, of_block
from mbench.retrieval.pool import SMALLEST, Found, Pool
from mbench.retrieval.survivors import BLOCK


class Backwards(TieOrder):
    """The first row wins."""

    def of(self, candidates: np.ndarray) -> np.ndarray:
        return -candidates.astype(np.int64)


def fill(pool: Pool, truth: np.ndarray, slack: float, parts: int) -> None:
    """Add all pairs, in parts, with bounds `slack` around their true scores."""
    queries, candidates = np.divmod(np.random.default_rng(0).permutation(truth.size), truth.shape[1])
    for rows, columns in zip(np.array_split(queries, parts), np.array_split(candidates, parts), strict=True):
        scores = truth[rows, columns]
        pool.add(Found(rows, columns, scores - slack, scores + slack))


@pytest.mark.parametrize("slack", [0.0, 0.01, 10.0])
def test_the_best_of_all_that_was_added_come_out(slack):
    truth = np.random.default_rng(1).integers(0, 50, (7, 9000)) / 50
    pool = Pool(7, 20, TieOrder(), lambda rows, columns: truth[rows, columns])
    fill(pool, truth, slack, 40)
    best = pool.finish()
    order = np.argsort(-truth[:, ::-1], axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(best.candidates.reshape(7, 20), 8999 - order)
    np.testing.assert_array_equal(best.scores, truth[best.queries, best.candidates])


def test_a_crowd_of_ties_does_not_grow_the_pool_nor_is_it_scored_again_and_again():
    scored = []
    pool = Pool(3, 10, TieOrder(), lambda rows, columns: scored.append(len(rows)) or np.ones(len(rows)))
    fill(pool, np.ones((3, 100_000)), 0.5, 200)
    assert sum(len(part.queries) for part in pool._parts) <= 6 * SMALLEST
    assert pool.finish().candidates.tolist() == [*range(99_999, 99_989, -1)] * 3
    assert sum(scored) <= 300_000


@pytest.mark.parametrize("most", [300, 60_000, 70_000, 2**32 - 1, 2**32, 2**40])
@pytest.mark.parametrize("ranked", [False, True])
def test_rows_of_any_number_keep_it_and_their_order_among_ties(most, ranked):
    rows = np.array([0, 1, 255, most - 1, most])
    ties = Backwards() if ranked else TieOrder()
    pool = Pool(2, 3, ties, lambda queries, candidates: (candidates == 1).astype(float))
    for candidate in rows:
        pool.add(Found(np.array([0, 1]), candidate.repeat(2), np.zeros(2), np.ones(2)))
    best = pool.finish()
    assert best.queries.tolist() == [0, 0, 0, 1, 1, 1]
    assert best.candidates.tolist() == ([1, 0, 255] if ranked else [1, most, most - 1]) * 2
    assert best.candidates.dtype == best.queries.dtype == np.int64


def test_row_numbers_are_held_in_as_few_bytes_as_they_need():
    scores = np.zeros(2)
    for most, size in ((0, 1), (255, 1), (256, 2), (65_536, 4), (2**32 - 1, 4), (2**32, 8)):
        held = Found(np.array([0, 1]), np.array([0, most]), scores, scores).narrow()
        assert (held.queries.itemsize, held.candidates.itemsize) == (1, size)
        assert held.candidates.tolist() == [0, most]


@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 127, 128, 129, 200, 768, 1000, 4097, 20_000])
def test_the_order_of_additions_follows_from_the_dimension_alone(d):
    queries, corpus = embeddings("plain", 3, 150, d, half=False, seed=d)
    every = np.arange(150)
    for size in (1, 2, 130, 150):
        for query in range(3):
            found = canonical_scores(queries, corpus, np.full(size, query), every[:size])
            np.testing.assert_array_equal(found, canonical(queries[query], corpus[:size]))


def test_first_k_orders_by_score_and_then_by_tie_rank():
    pairs = Scored(np.array([1, 0, 0, 0, 1]), np.array([2, 0, 1, 2, 0]), np.array([1.0, 3.0, 3.0, 4.0, 1.0]))
    best = first_k(pairs, 2, TieOrder(np.array([9, 5, 7])))
    assert best.queries.tolist() == [0, 0, 1, 1]
    assert best.candidates.tolist() == [2, 0, 0, 2]


def test_listed_pairs_are_distinct_and_without_the_excluded():
    galleries, exclude = Sets.of([[1], [4, 2, 4], [3, 0]]), Sets.of([[1], [0], [0, 0, 1]])
    assert listed_pairs(galleries, exclude, slice(1, 3), 5).tolist() == [2, 4, 5 + 3]
    assert listed_pairs(None, exclude, slice(1, 3), 3).tolist() == [1, 2, 3 + 2]


def test_batches_hold_every_query_once_and_only_a_giant_exceeds_the_limit():
    sizes = np.array([3, 3, 0, 9, 1, 1, 5])
    cut = batches(sizes, 6)
    assert [q for part in cut for q in range(part.start, part.stop)] == list(range(7))
    assert [int(sizes[part].sum()) for part in cut] == [6, 9, 2, 5]


@pytest.mark.parametrize("memory", [40_000_000, 100_000_000, 10**12, None])
@pytest.mark.parametrize("dimension", [1, 768, 2048])
@pytest.mark.parametrize("k", [1, 100, 1000])
@pytest.mark.parametrize("workers", [1, 2, 64])
def test_plans_stay_within_memory_and_use_what_they_may(memory, dimension, k, workers):
    limit = min(memory or MEMORY, MEMORY)
    plan = make_plan(100_000, 10**7, dimension, k, memory, workers)
    assert plan.bytes(dimension, k) <= limit
    assert plan.block == LARGEST_BLOCK or of_block(2 * plan.block, dimension, k) > limit / 2
    assert plan.workers in range(1, workers + 1)


@pytest.mark.parametrize("memory", [80_000_000, None])
@pytest.mark.parametrize("n", [10, 10**5, 10**7])
@pytest.mark.parametrize("k", [1, 100, 1000])
def test_plans_for_a_device_leave_it_large_products_and_stay_within_memory_here(memory, n, k):
    plan = make_plan(100_000, n, 768, k, memory, 64, "cuda:0")
    survivors = plan.block * min(bearable(k, plan.tile), 2 * n)
    assert of_block(plan.block, 768, k) + plan.workers * survivors * 150 <= (memory or MEMORY)
    assert plan.tile >= min(n, 1 << 16)
    assert 1 <= plan.workers <= DEVICE_WORKERS


def test_a_plan_for_a_device_that_memory_here_cannot_feed_is_that_of_the_processor():
    sizes = (100_000, 10**7, 768, 100, 16_000_000, 2)
    assert make_plan(*sizes, "cuda:0") == make_plan(*sizes)


def test_memory_that_cannot_do_is_refused_with_what_could():
    with pytest.raises(UserError, match=r"5,000,000 bytes are too few .* best 100: about \d,\d{3},\d{3} are needed"):
        make_plan(10, 1000, 64, 100, 5_000_000, 2)


@pytest.mark.parametrize("n", [1, 127, 128, 129, 1000, 4096, 99_999])
@pytest.mark.parametrize("wanted", [1, 128, 300, 5000])
@pytest.mark.parametrize("width", [16, 250, 704, 4096])
@pytest.mark.parametrize(("rounds", "together"), [(1, 1), (3, 4)])
def test_every_row_is_visited_once_and_the_first_come_from_all_over(n, wanted, width, rounds, together):
    path = Path(n, wanted, rounds, together)
    samples = [rows_of(sample) if sample else np.arange(0) for sample in path.samples()]
    first = np.sort(np.concatenate(samples))
    tiles = list(path.tiles(width))
    assert all(len(tile) == 1 or sum(map(len, tile)) <= width for tile in tiles)
    assert max((sum(map(len, tile)) for tile in tiles), default=0) <= -(-width // BLOCK) * BLOCK
    rest = [np.concatenate([np.array(piece) for piece in tile]) for tile in tiles]
    assert sorted(np.concatenate([first, *rest]).tolist()) == list(range(n))
    assert all((np.diff(part) > 0).all() for part in [*samples, *rest])
    assert len(first) < wanted + RUN * together
    assert len(samples) == rounds
    assert max(map(len, samples)) - min(map(len, samples)) <= RUN * together
    assert np.diff(first, prepend=-1, append=n).max() <= path.period
