"""Searches with and without compiled loops."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.retrieval.loops import looping

from mbench.core.compiled import available
from mbench.retrieval import small


@pytest.fixture
def loops() -> Iterator[None]:
    """Loops are worth it from the first number on."""
    if not available():
        pytest.skip("numba is not installed, or switched off: nothing is compiled")
    with looping(True):
        yield


@pytest.fixture(params=["small", "large", "loops"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Search as small pools are, then as large ones are, without loops and in them."""
    if request.param == "loops":
        request.getfixturevalue("loops")
    if request.param != "small":
        monkeypatch.setattr(small, "PRODUCTS", 0)
    with looping(request.param == "loops"):
        yield
