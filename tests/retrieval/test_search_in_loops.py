"""Whole searches in compiled loops: what they refuse, and that loops are what they use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.retrieval.brute_force import OTHER, assert_same, brute_force, embeddings
from tests.retrieval.loops import looping

from mbench.core.errors import EncodingError
from mbench.core.types import Sets
from mbench.retrieval import blocks, looking, pairs, plan, rounded, tiles
from mbench.retrieval.blocks import survivors_of_blocks
from mbench.retrieval.int8 import most_of_pair
from mbench.retrieval.plan import make_plan
from mbench.search import top_k

pytestmark = pytest.mark.usefixtures("loops")
CALLED = {"converted": tiles, "rounded_blocks": rounded, "scored": pairs}
"""The loops, and the modules that call them."""
WAYS: dict[str, dict[str, Any]] = {one: {"precision": one} for one in ("int8", "bf16", "fp32", "fp64")} | {
    "galleries": {"galleries": Sets.of([np.arange(0, 9000, 3)] * 16), "precision": "fp32"}
}

USED = {"int8": {"converted", "rounded_blocks"}, "bf16": {"converted"}, "fp32": {"converted"}}
"""Loops of each way besides the one that scores."""


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Which loops were called."""
    names: set[str] = set()

    def watched(name: str, loop: Callable[..., None]) -> Callable[..., None]:
        return lambda *args: names.add(name) or loop(*args)

    for name, module in CALLED.items():
        monkeypatch.setattr(module, name, watched(name, getattr(module, name)))
    return names


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A way to search, where this processor knows it, in tiles so small that int8 is worth it."""
    monkeypatch.setattr(plan, "SHAPES", ((512, 256 * 20),))
    if request.param == "int8" and not most_of_pair(12):
        pytest.skip("this torch or processor does not multiply int8 rightly")
    return str(request.param)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("column", [0, 11])
@pytest.mark.parametrize("kind", ["plain", "anisotropic"])
def test_nan_and_infinity_are_named_by_their_row(way: str, bad: float, half: bool, column: int, kind: str) -> None:
    queries, corpus = embeddings(kind, 16, 9000, 12, half=half, seed=0)
    queries[:, column] = 0
    corpus[8991, column] = bad
    with pytest.raises(EncodingError, match="Row 8991 of the corpus"):
        top_k(queries, corpus, 5, **WAYS[way])


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_each_way_to_search_uses_the_loops_that_are_there_for_it(way: str, half: bool, called: set[str]) -> None:
    queries, corpus = embeddings("anisotropic", 16, 9000, 12, half=half, seed=1)
    top_k(queries, corpus, 5, **WAYS[way])
    assert called == USED.get(way, set()) | {"scored"}


def test_another_device_and_little_work_are_left_without_loops(called: set[str]) -> None:
    queries, corpus = embeddings("plain", 16, 9000, 12, half=True, seed=2)
    expected = brute_force(queries, corpus, 5)
    assert_same(top_k(queries, corpus, 5, precision="bf16", device=OTHER), expected)
    assert called <= {"scored"}
    called.clear()
    with looping(False):
        assert_same(top_k(queries, corpus, 5, precision="bf16"), expected)
    assert not called


def test_the_tiles_of_a_second_block_of_queries_are_found_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "LARGEST_BLOCK", 5)
    for kind, half in (("anisotropic", False), ("mixed norms", True)):
        queries, corpus = embeddings(kind, 13, 9000, 12, half=half, seed=3)
        expected = brute_force(queries, corpus, 5)
        for precision in ("bf16", "fp32"):
            assert_same(top_k(queries, corpus, 5, precision=precision), expected, kind, precision)


@pytest.fixture
def in_blocks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Of each look in blocks, which are taken wherever they can be: how many pairs it may find, and whether it did."""
    looks: list[tuple[int, bool]] = []

    def watched(*args: Any) -> Any:
        few = survivors_of_blocks(*args)
        looks.append((args[3], few is not None))
        return few

    monkeypatch.setattr(blocks, "blocks_pay", lambda: True)
    monkeypatch.setattr(looking, "survivors_of_blocks", watched)
    return looks


@pytest.mark.parametrize("stored", [np.ascontiguousarray, np.asfortranarray], ids=["in place", "converted"])
@pytest.mark.parametrize("k", [5, 130], ids=["few may survive", "all may survive"])
def test_tiles_that_float32_cannot_hold_do_not_end_looks_in_blocks_at_others(
    stored: Callable[[np.ndarray], np.ndarray], k: int, in_blocks: list[tuple[int, bool]], monkeypatch: Any
) -> None:
    monkeypatch.setattr(plan, "SHAPES", ((512, 256 * 64),))
    queries, corpus = embeddings("plain", 40, 6000, 12, half=False, seed=4)
    corpus[2100:2120] = 3e38 * np.sign(corpus[2100:2120])
    found = top_k(queries, stored(corpus), k, precision="fp32", workers=1)
    assert_same(found, brute_force(queries, corpus, k), k)
    if k == 5:
        assert [few for _, few in in_blocks].count(True) > 10


def test_a_look_in_blocks_holds_no_more_pairs_than_planned(
    in_blocks: list[tuple[int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SHAPES", ((512, 256 * 4),))
    queries, corpus = embeddings("plain", 40, 6000, 12, half=False, seed=5)
    top_k(queries, corpus, 5, precision="fp32", workers=1)
    most = make_plan(40, 6000, 12, 5, None, 1).survivors(5)
    assert 0 < max(allowed for allowed, _ in in_blocks) <= most < 40 * 16


def test_what_the_last_query_must_not_get_is_left_to_the_others(
    in_blocks: list[tuple[int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SHAPES", ((512, 256 * 64),))
    queries, corpus = embeddings("plain", 40, 6000, 12, half=False, seed=6)
    for query in (0, 39):
        exclude = Sets.of([np.arange(0, 6000, 2) if nth == query else np.arange(0) for nth in range(40)])
        assert_same(
            top_k(queries, corpus, 5, precision="fp32", exclude=exclude), brute_force(queries, corpus, 5, exclude)
        )
    assert [few for _, few in in_blocks].count(True) > 10


def test_nothing_is_tried_for_queries_that_fill_no_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "blocks_pay", lambda: pytest.fail("that takes a second, in vain"))
    queries, corpus = embeddings("plain", 7, 6000, 12, half=False, seed=7)
    assert_same(top_k(queries, corpus, 5, precision="fp32"), brute_force(queries, corpus, 5))
