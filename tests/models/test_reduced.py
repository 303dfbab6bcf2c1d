"""Models that reduce pictures as soon as they are decoded embed them as whole ones, to the last bit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models import tiny_blip, tiny_clip, tiny_siglip
from tests.models.strange_pictures import STRANGE

from mbench.core.compiled import available
from mbench.core.staged import reducer
from mbench.core.types import Item
from mbench.models import resampling

ITEMS = [
    *(Item(name, image=picture) for name, picture in STRANGE.items()),
    Item("words", text="a red cat"),
    *(
        Item(f"both {size}", "a dog", tiny_clip.noise(*size), "find")
        for size in ((50, 40), (32, 32), (5, 90), (640, 480))
    ),
]
FAMILIES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any]]] = {
    "clip": (tiny_clip.save_tiny_clip, tiny_clip.load),
    "siglip": (tiny_siglip.save_tiny_siglip, partial(tiny_siglip.load, "siglip")),
    "siglip2": (tiny_siglip.save_tiny_siglip2, partial(tiny_siglip.load, "siglip2")),
    "blip": (tiny_blip.save_tiny_blip, tiny_blip.load),
}


@pytest.mark.parametrize("loops", [True, False], ids=["loops", "no loops"])
@pytest.mark.parametrize("family", FAMILIES)
def test_reduced_pictures_are_embedded_as_whole_ones(
    family: str, loops: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if loops and not available():
        pytest.skip("numba is not installed, or switched off")
    monkeypatch.setattr(resampling.PICTURES, "enough", -1 if loops else sys.maxsize)
    save, load = FAMILIES[family]
    model = load(save(tmp_path))
    reduce = reducer(model)
    assert reduce is not None
    small = [replace(item, image=item.image and reduce(item.image)) for item in ITEMS]
    assert {one.image.size for one in small if one.image is not None} == {(tiny_clip.SIDE, tiny_clip.SIDE)}
    monkeypatch.setattr(resampling.PICTURES, "enough", sys.maxsize)
    for role in ("query", "candidate"):
        whole = model.encode(ITEMS, role=role)
        assert np.array_equal(model.encode(small, role=role), whole)
        assert len(np.unique(whole, axis=0)) > len(ITEMS) / 2
