"""What a search holds at once, which its plan only promises: no tile, filter or widened copy longer than it is used."""

from __future__ import annotations

import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest
from tests.retrieval.brute_force import embeddings

from mbench.retrieval.filters import PRECISIONS, Filter
from mbench.retrieval.pairs import canonical_scores
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
