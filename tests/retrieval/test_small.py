"""Small searches: the same as large ones, without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.retrieval.brute_force import KINDS, assert_same, brute_force, embeddings

from mbench.core.types import Sets
from mbench.retrieval import small
from mbench.search import top_k


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    half=st.booleans(),
    d=st.sampled_from([1, 8, 31, 128, 200]),
    k=st.sampled_from([1, 3, 50, 400]),
    n=st.sampled_from([1, 2, 60, 300]),
    pools=st.sampled_from(["none", "exclude", "galleries", "both"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_small_search_and_a_large_one_agree_to_the_last_bit(kind, half, d, k, n, pools, seed):
    rng = np.random.default_rng(seed)
    queries, corpus = embeddings(kind, 7, n, d, half=half, seed=seed)
    exclude, galleries = (Sets.of([rng.integers(0, n, rng.integers(0, n + 9)) for _ in queries]) for _ in range(2))
    exclude = exclude if pools in {"exclude", "both"} else None
    galleries = galleries if pools in {"galleries", "both"} else None
    ranks = rng.permutation(n)
    found = top_k(queries, corpus, k, exclude=exclude, galleries=galleries, tie_ranks=ranks)
    assert_same(found, brute_force(queries, corpus, k, exclude, galleries, ranks))
    wide = {"exclude": exclude, "galleries": galleries, "tie_ranks": ranks, "precision": "fp32"}
    assert_same(found, top_k(queries, corpus, k, **wide))


def test_blocks_of_queries_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, corpus = embeddings("clustered", 40, 300, 24, half=False, seed=1)
    expected = top_k(queries, corpus, 10)
    monkeypatch.setattr(small, "PAIRS", 700)
    monkeypatch.setattr(small, "AT_ONCE", 13)
    assert_same(top_k(queries, corpus, 10), expected)


def test_differences_far_below_the_rounding_of_a_product_order_the_candidates():
    queries = np.full((1, 64), 1 / 8, dtype=np.float32)
    corpus = np.ones((50, 64), dtype=np.float32)
    corpus[:, 7] += np.float32(2.0**-23) * np.arange(50, dtype=np.float32)
    assert_same(top_k(queries, corpus, 5), brute_force(queries, corpus, 5))
    assert top_k(queries, corpus, 5).ids.tolist() == [[49, 48, 47, 46, 45]]


@pytest.mark.parametrize(
    ("n_queries", "n", "d", "memory", "fits"),
    [
        (100, 1000, 64, None, True),
        (100, 1000, 64, small.MEMORY, True),
        (100, 1000, 64, small.MEMORY - 1, False),
        (9000, 1000, 128, None, False),
        (1, small.PAIRS + 1, 2, None, False),
        (1, 10_000, 768, None, False),
        (0, 10, 4, None, False),
    ],
)
def test_what_takes_long_or_much_memory_is_no_small_search(n_queries, n, d, memory, fits):
    queries, corpus = np.zeros((n_queries, d), dtype=np.float32), np.zeros((n, d), dtype=np.float16)
    assert small.fits(queries, corpus, None, memory) is fits


def test_a_small_search_does_not_load_torch() -> None:
    program = """
import sys
import numpy as np
from mbench.search import top_k
top_k(np.ones((30, 8), np.float32), np.ones((500, 8), np.float32), 10)
print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
