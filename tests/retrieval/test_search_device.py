"""The way of a GPU, gone on the processor: tiles are converted and kept on another device, and no bit changes."""

from __future__ import annotations

import numpy as np
import pytest
from tests.retrieval.brute_force import KINDS, OTHER, assert_same, brute_force, embeddings, some_sets

from mbench.retrieval import plan, search, tiles
from mbench.retrieval.tiles import load_tile
from mbench.search import top_k


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spare", [0, 40_000, 10**9])
def test_tiles_that_stay_on_a_device_are_loaded_once_and_change_nothing(kind, spare, monkeypatch):
    monkeypatch.setattr(plan, "LARGEST_BLOCK", 5)
    monkeypatch.setattr(plan, "ON_DEVICE", (64, 1024))
    monkeypatch.setattr(search, "spare_bytes", lambda device: spare)
    loaded = []
    monkeypatch.setattr(tiles, "load_tile", lambda *args: loaded.append(args) or load_tile(*args))
    queries, corpus = embeddings(kind, 12, 1500, 24, half=True, seed=5)
    exclude = some_sets(np.random.default_rng(1), 12, 1500, 90)
    found = top_k(queries, corpus, 20, exclude=exclude, precision="fp32", device=OTHER)
    assert_same(found, brute_force(queries, corpus, 20, exclude))
    asked = [(one[2].name, *one[1][[0, -1]], len(one[1])) for one in loaded]
    assert (len(set(asked)) == len(asked)) == (spare == 10**9)
