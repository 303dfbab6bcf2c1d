from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import ITEMS, noise
from tests.models.tiny_open_clip import (
    ARCH,
    PICTURES,
    PREPARED,
    TIER,
    load,
    own,
    save_tiny_open_clip,
    vectors,
    weights_of,
)

from mbench.core.types import Item
from mbench.models.open_clip import OpenClip

pytestmark = TIER


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_open_clip(tmp_path_factory.mktemp("open-clip") / "tiny-open")


@pytest.fixture(scope="module")
def model(folder: Path) -> OpenClip:
    return load(str(folder))


@pytest.fixture
def tag(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tag of the tiny architecture whose pictures were prepared in a way of its own, and with QuickGELU."""
    import open_clip.pretrained

    told = {**PREPARED, "hf_hub": "some/model/", "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"mine": told})
    return f"{ARCH}/mine"


@pytest.mark.usefixtures("no_network")
def test_a_folder_gives_what_open_clip_makes_of_it(folder: Path, model: OpenClip) -> None:
    for found, expected in zip(vectors(model), own(f"local-dir:{folder}"), strict=True):
        assert np.allclose(found, expected, atol=1e-5)


def test_a_file_of_weights_of_an_own_architecture_gives_what_open_clip_makes_of_it(folder: Path) -> None:
    found = load(ARCH, checkpoint=weights_of(folder), config=str(folder.parent / f"{ARCH}.json"))
    for one, expected in zip(vectors(found), own(ARCH, weights_of(folder)), strict=True):
        assert np.allclose(one, expected, atol=1e-5)
    assert found.card.id == f"open_clip:{ARCH}"


def test_pictures_are_prepared_and_activations_chosen_as_the_tag_was_trained(folder: Path, tag: str) -> None:
    found = vectors(load(tag, checkpoint=weights_of(folder)))
    settings = {f"image_{name}": value for name, value in PREPARED.items()}
    for one, expected in zip(found, own(ARCH, weights_of(folder), force_quick_gelu=True, **settings), strict=True):
        assert np.allclose(one, expected, atol=1e-5)
    assert not np.allclose(found[0], own(ARCH, weights_of(folder))[0], atol=1e-3)


def test_picture_and_text_are_fused_late(model: OpenClip) -> None:
    item = Item("q", text="cat", image=PICTURES[0], instruction="red")
    parts = model.encode([Item("t", text="red cat"), Item("i", image=PICTURES[0])], role="query")
    assert np.allclose(model.encode([item], role="query")[0], parts.sum(axis=0), atol=1e-6)


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_vector_does_not_depend_on_the_batch(model: OpenClip, role: Any) -> None:
    together = model.encode(ITEMS, role=role)
    assert together.dtype == np.float32
    assert np.allclose(together, np.concatenate([model.encode([one], role=role) for one in ITEMS]), atol=1e-5)


def test_strange_pictures_have_finite_vectors(model: OpenClip) -> None:
    found = model.encode([Item(key, image=picture) for key, picture in STRANGE.items()], role="candidate")
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_very_long_picture_is_what_open_clip_makes_of_it(model: OpenClip, folder: Path) -> None:
    import open_clip

    picture = noise(2400, 8)
    network, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    with torch.no_grad():
        expected = network.eval().encode_image(prepare(picture)[None], normalize=True).numpy()
    assert np.allclose(model.encode([Item("long", image=picture)], role="candidate"), expected, atol=2e-3)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_low_precision_is_near_full_precision(folder: Path, model: OpenClip, dtype: str) -> None:
    found = load(str(folder), dtype=dtype)
    assert found.identity["dtype"] == dtype and found.identity != model.identity
    for low, full in zip(vectors(found), vectors(model), strict=True):
        assert low.dtype == np.float32 and np.allclose(low, full, atol=0.05)


def test_the_card_tells_the_loaded_weights_and_not_where_they_lie(folder: Path, model: OpenClip) -> None:
    import open_clip

    card = model.card
    assert (card.id, card.dimension, card.checkpoint) == ("open_clip:tiny-open", 16, "tiny-open")
    assert card.parameters == sum(one.numel() for one in load_file(weights_of(folder)).values())
    assert model.identity["open_clip"] == open_clip.__version__
    assert str(folder.parent) not in card.model_dump_json() + json.dumps(dict(model.identity))
    with_file = load(ARCH, checkpoint=weights_of(folder), config=str(folder.parent / f"{ARCH}.json"))
    assert json.dumps(dict(with_file.identity)) and with_file.card.revision != card.revision


def test_a_model_can_be_sent_to_another_process(model: OpenClip) -> None:
    sent = pickle.loads(pickle.dumps(model))
    assert np.array_equal(sent.encode(ITEMS, role="query"), model.encode(ITEMS, role="query"))
