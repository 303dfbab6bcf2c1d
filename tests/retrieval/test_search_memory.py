"""What a search holds at once, which its plan only promises: no tile, filter or widened copy longer than it is used."""

from __future__ import annotations

import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest
from tests.retrieval.brute_force import embeddings

from mbench.retrieval.filters import PRECISIONS, Filter
from mbench.retrieval.pairs import TieOrder, canonical_scores
from mbench.retrieval.plan import ENTRY
from mbench.retrieval.pool import CROWDED, Found, Pool
from mbench.retrieval.scan import Scan
from mbench.retrieval.tiles import Tile, Tiles
from mbench.retrieval.workers import SHARED, Room
from mbench.search import top_k


@pytest.mark.parametrize("workers", [1, 2])
def test_the_large_first_tile_is_gone_before_sharper_ones_are_loaded(workers: int, monkeypatch: pytest.MonkeyPatch):
    loaded: list[Any] = []
    alive: list[bool] = []
    load, sharper = Tiles.load, Scan._sharper

    def remembered(tiles: Tiles, *args: Any) -> Tile:
        tile = load(tiles, *args)
        loaded.append(weakref.ref(tile.vectors))
        return tile

    def watched(scan: Scan, *args: Any) -> None:
        alive.append(loaded[0]() is not None)
        sharper(scan, *args)

    monkeypatch.setattr(Tiles, "load", remembered)
    monkeypatch.setattr(Scan, "_sharper", watched)
    queries, corpus = embeddings("clustered", 6, 9000, 16, half=True, seed=1)
    top_k(queries, corpus, 10, precision="bf16", workers=workers)
    assert alive
    assert not any(alive)


@pytest.mark.parametrize("slack", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("ranks", [None, np.random.default_rng(4).permutation(9000)])
def test_a_pool_of_many_results_holds_no_more_than_planned(slack: float, ranks: Any):
    n_queries, k = 250, 400
    pool = Pool(n_queries, k, TieOrder(ranks), lambda queries, candidates: np.ones(len(queries)))
    queries = np.arange(10 * n_queries) % n_queries
    tracemalloc.start()
    for first in range(0, 8 * k, 10):
        scores = np.ones(len(queries))
        pool.add(Found(queries, first + np.arange(len(queries)) // n_queries, scores - slack, scores + slack))
    pool.finish()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 / 4 * ENTRY * (CROWDED + 1) * n_queries * k, "the rest is for sorting, which is not traced"


def test_pairs_of_few_queries_do_not_widen_all_of_them():
    queries, corpus = embeddings("plain", 4000, 9, 256, half=True, seed=2)
    tracemalloc.start()
    canonical_scores(queries, corpus, np.array([1999, 2000]), np.array([3, 8]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < queries.nbytes


@pytest.mark.parametrize("half", [False, True])
def test_all_formats_together_take_no_more_room_beside_their_tiles_than_planned(half: bool):
    queries, corpus = embeddings("plain", 3, 2 * SHARED, 32, half=half, seed=3)
    tiles, room = Tiles(corpus, np.ones(32, dtype=np.float32), "cpu"), Room(2)
    for precision in PRECISIONS:
        tiles.load(np.arange(0, 2 * SHARED, 2), Filter.of(queries, precision, tiles.centre, "cpu"), room)
    beside = [one.nbytes for name, one in room._kept.items() if not name.startswith("tile")]
    assert 0 < sum(beside) <= SHARED * 32 * 12
