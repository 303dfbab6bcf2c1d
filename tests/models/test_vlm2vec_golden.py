"""VLM2Vec on Qwen2-VL: the official token ids, pixels and embeddings, item by item, alone and in a batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.models.test_vlm2vec import PLACE, load

from mbench.core.types import Item
from mbench.models.vlm2vec import Vlm2Vec

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "vlm2vec"
TOLERANCE = 1e-4
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the golden embeddings are not at {GOLDEN}")


class Golden:
    """The official embeddings with their inputs."""

    def __init__(self) -> None:
        self.arrays: Mapping[str, Any] = np.load(GOLDEN / "golden.npz")
        self.ids = [str(one) for one in self.arrays["ids"]]
        self.entries = {one["id"]: one for one in json.loads((GOLDEN / "inputs/inputs.json").read_text())["items"]}

    def item(self, key: str, *, marked: bool = False) -> Item:
        """The item; its words are what follows the marker, or with `marked` the whole string."""
        entry = self.entries[key]
        words = entry["text_with_image_token"]
        image = Image.open(GOLDEN / "inputs" / entry["image"]) if entry["image"] else None
        return Item(key, text=words if marked else words.removeprefix(f"{PLACE} "), image=image)

    def items(self) -> list[Item]:
        return [self.item(key) for key in self.ids]


@pytest.fixture(scope="module")
def official() -> Golden:
    return Golden()


@pytest.fixture(scope="module")
def loaded() -> Vlm2Vec:
    return load({"base": GOLDEN / "base", "adapter": GOLDEN / "adapter"})


def test_token_ids_grids_and_pixels_are_the_official_ones(official: Golden, loaded: Vlm2Vec) -> None:
    for item in official.items():
        read = loaded.read(item, "query")
        assert list(read.ids) == official.arrays[f"input_ids/{item.id}"].tolist(), item.id
        assert loaded.read(official.item(item.id, marked=True), "query").ids == read.ids
        if read.patches is not None:
            grid = official.arrays[f"image_grid_thw/{item.id}"][0].tolist()
            assert [1, read.patches.rows, read.patches.columns] == grid
            head = official.arrays[f"pixel_head/{item.id}"]
            np.testing.assert_allclose(read.patches.values[: len(head)], head, atol=1e-6)


@pytest.mark.parametrize("batched", [False, True])
def test_embeddings_are_the_official_ones(official: Golden, loaded: Vlm2Vec, batched: bool) -> None:
    given = official.items()[::-1]
    batches = [given] if batched else [[item] for item in given]
    found = np.concatenate([loaded.encode(batch, role="query") for batch in batches])[::-1]
    np.testing.assert_allclose(found, official.arrays["emb"], atol=TOLERANCE)
    assert np.einsum("nd,nd->n", found, official.arrays["emb"]).min() >= 0.99999


@pytest.mark.parametrize("given", [{"text": None}, {"text": None, "instruction": ""}, {"text": ""}])
def test_a_picture_without_words_is_asked_for_as_in_the_official_examples(
    official: Golden, loaded: Vlm2Vec, given: dict[str, Any]
) -> None:
    image = official.item("i_1").image
    found = loaded.encode([Item("i_1", image=image, **given)], role="candidate")[0]
    np.testing.assert_allclose(found, official.arrays["emb"][official.ids.index("i_1")], atol=TOLERANCE)
