from __future__ import annotations

import json
import pickle
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import noise
from tests.models.tiny_uniir import ARCHS, NAMES, QUERIES, SIDE, folder, load, model, official_weights, unit

from mbench.core.errors import UnsupportedModalityError
from mbench.core.types import Item, LoadOptions
from mbench.models.cards import shipped_card
from mbench.models.catalog import load_model
from mbench.models.uniir_sizes import BLIP, CLIP_FEATURE, CLIP_SCORE

SCORE, FEATURE = NAMES[::2], NAMES[1::2]


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_does_not_depend_on_what_it_is_batched_with(name: str) -> None:
    together = model(name).encode(QUERIES, role="query")
    alone = np.concatenate([model(name).encode([item], role="query") for item in QUERIES])
    backwards = model(name).encode(QUERIES[::-1], role="query")[::-1]
    assert together.dtype == np.float32
    assert together.shape == (len(QUERIES), model(name).card.dimension)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, backwards, atol=1e-5)
    assert model(name).encode([], role="query").shape == (0, model(name).card.dimension)


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_an_item_matters_and_a_candidates_instruction_does_not(name: str) -> None:
    item = Item("x", "a red square", noise(40, 30), "it?")
    variants = [
        item, replace(item, text="a"), replace(item, text=None), replace(item, image=noise(40, 30, seed=9)),
        replace(item, image=None), replace(item, instruction=None), replace(item, instruction="new york"),
    ]  # fmt: skip
    found = model(name).encode(variants, role="query")
    distances = np.linalg.norm(unit(found)[:, None] - unit(found), axis=-1)
    assert distances[~np.eye(len(variants), dtype=bool)].min() > 1e-4
    candidates = model(name).encode([item, replace(item, instruction=None)], role="candidate")
    np.testing.assert_array_equal(candidates[0], candidates[1])
    plain = model(name).encode([replace(item, instruction=None)], role="query")
    np.testing.assert_allclose(candidates[:1], plain, atol=1e-6)


@pytest.mark.parametrize("name", SCORE)
def test_score_fusion_adds_the_features_of_what_is_there(name: str) -> None:
    picture = noise(40, 30)
    both, text, image, blank, beside = model(name).encode(
        [Item("b", "a red", picture), Item("t", "a red"), Item("i", None, picture), Item("n", "  "),
         Item("s", " ", picture)], role="candidate",
    )  # fmt: skip
    np.testing.assert_allclose(both, text + image, atol=1e-5)
    np.testing.assert_array_equal(blank, 0)
    np.testing.assert_allclose(beside, image, atol=1e-6)


@pytest.mark.parametrize("name", FEATURE)
def test_feature_fusion_reads_the_empty_text_and_the_grey_picture(name: str) -> None:
    """The grey has zeros where the normalised pixels would be: the mean of the training pictures, not black."""
    mean = tuple(round(255 * one) for one in (0.48145466, 0.4578275, 0.40821073))
    grey, black = (Image.new("RGB", (SIDE, SIDE), colour) for colour in (mean, (0, 0, 0)))
    text, with_grey, with_black, blank, grey_alone = model(name).encode(
        [Item("t", "a red"), Item("g", "a red", grey), Item("k", "a red", black), Item("n", " "),
         Item("a", None, grey)], role="candidate",
    )  # fmt: skip
    near = np.linalg.norm(unit(text) - unit(with_grey))
    assert near < 0.05
    assert np.linalg.norm(unit(text) - unit(with_black)) > 2 * near
    assert np.linalg.norm(blank) > 0
    assert np.linalg.norm(unit(blank) - unit(grey_alone)) < 0.05


@pytest.mark.parametrize("name", NAMES)
def test_an_item_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedModalityError, match=f"{name}.*'empty'"):
        model(name).encode([Item("full", "a"), Item("empty")], role="candidate")


@pytest.mark.parametrize("name", NAMES)
def test_pictures_of_every_mode_and_shape_are_embedded(name: str) -> None:
    items = [Item(one, image=picture) for one, picture in STRANGE.items()]
    vectors = model(name).encode(items, role="candidate")
    assert np.isfinite(vectors).all()
    assert (np.linalg.norm(vectors, axis=1) > 0).all()


@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_near_and_is_another_model(name: str, dtype: str) -> None:
    half = load(name, folder(name), dtype=dtype)
    assert {one.dtype for one in half.network.parameters()} == {half.where.torch_dtype}
    cosines = (unit(half.encode(QUERIES, role="query")) * unit(model(name).encode(QUERIES, role="query"))).sum(1)
    assert cosines.min() > (0.999 if dtype == "fp16" else 0.98)
    assert half.identity != model(name).identity


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_gets_the_same_model(name: str) -> None:
    copy = pickle.loads(pickle.dumps(model(name)))
    np.testing.assert_array_equal(copy.encode(QUERIES, role="query"), model(name).encode(QUERIES, role="query"))
    assert (copy.card, copy.identity) == (model(name).card, model(name).identity)


@pytest.mark.parametrize("name", NAMES)
def test_the_card_tells_the_loaded_checkpoint(name: str) -> None:
    card = model(name).card
    arch = ARCHS[name]
    assert card.dimension == (arch["clip"]["embed_dim"] if "clip" in name else arch["embed_dim"])
    assert (card.id, card.checkpoint) == (name, name)
    without = model(name).without_effect
    counted = [
        one for key, one in official_weights(name).items() if not any(fnmatchcase(key, glob) for glob in without)
    ]
    assert card.parameters == sum(one.numel() for one in counted)
    assert str(folder(name).parent) not in card.model_dump_json() + json.dumps(dict(model(name).identity))
    assert load(name, folder(name), id="mine").card.id == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_card_counts_the_official_large_model(name: str) -> None:
    from mbench.models import uniir_blip_net, uniir_clip_net

    card = shipped_card(name)
    with torch.device("meta"):
        network: torch.nn.Module = {
            "uniir-clip-sf": lambda: uniir_clip_net.ClipScore(CLIP_SCORE[1024].clip),
            "uniir-clip-ff": lambda: uniir_clip_net.ClipFeature(CLIP_FEATURE[1024].clip, CLIP_FEATURE[1024].t5),
            "uniir-blip-sf": lambda: uniir_blip_net.BlipScore(BLIP[1024]),
            "uniir-blip-ff": lambda: uniir_blip_net.BlipFeature(BLIP[1024]),
        }[name]()
    assert card.parameters == sum(one.numel() for one in network.parameters())
    assert card.dimension == 768


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("no_network")
def test_a_local_checkpoint_needs_no_network(name: str) -> None:
    options = LoadOptions(args={"checkpoint": str(folder(name))}, device="cpu")
    assert len(load_model(name, options).encode(QUERIES, role="query")) == len(QUERIES)
