"""VLM2Vec on Qwen2-VL: an embedding depends on its item alone, and pictures and texts are prepared as officially."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import noise
from tests.models.tiny_phi3 import rewrite
from tests.models.tiny_qwen2vl import LANGUAGE, MLP, save_tiny_adapter, save_tiny_base

from mbench.core.errors import DataError, UnsupportedModalityError
from mbench.core.types import Item, LoadOptions
from mbench.models.vlm2vec import Vlm2Vec
from mbench.models.vlm2vec_qwen2vl import fitted

PLACE = "<|image_pad|>"


def load(arguments: Mapping[str, object], **options: Any) -> Vlm2Vec:
    args = {key: str(value) for key, value in arguments.items()}
    return Vlm2Vec.load(LoadOptions(args=args, **{"device": "cpu", "dtype": "fp32", **options}))


def save(folder: Path) -> dict[str, str]:
    """Save a base and a DoRA adapter below `folder` and return them as the model's arguments."""
    base = save_tiny_base(folder / "base")
    (base / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 4096}))
    adapter = save_tiny_adapter(folder / "adapter", (*LANGUAGE, *MLP), head=False, use_dora=True)
    return {"base": str(base), "adapter": str(adapter)}


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return save(tmp_path_factory.mktemp("vlm2vec"))


@pytest.fixture(scope="module")
def model(arguments: dict[str, str]) -> Vlm2Vec:
    return load(arguments)


def items() -> list[Item]:
    """All kinds of input, in no order, of very different lengths."""
    return [
        Item("text", text="a dog"),
        Item("picture", image=noise(40, 30)),
        Item("both", image=noise(90, 30), instruction="what is left?"),
        Item("empty", text=""),
        Item("long", text="the quick brown fox! " * 20),
        Item("one token", text="!"),
        Item("tiny", image=noise(1, 1), text="x"),
        Item("unicode", text="naïve 日本語 🐱"),
        Item("wide", image=noise(400, 3), text="and", instruction="Find it:"),
    ]


def test_embeddings_do_not_depend_on_the_batch_its_order_or_the_role(model: Vlm2Vec) -> None:
    given = items()
    alone = np.concatenate([model.encode([item], role="query") for item in given])
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(model.encode(given, role="candidate"), alone, atol=1e-5)
    np.testing.assert_allclose(model.encode(given[::-1], role="query")[::-1], alone, atol=1e-5)
    np.testing.assert_allclose(model.encode(given[2:7], role="query"), alone[2:7], atol=1e-5)
    assert model.encode([], role="query").shape == (0, model.card.dimension)


def test_the_embedding_is_the_last_tokens_state(model: Vlm2Vec) -> None:
    backbone: Any = model.backbone
    state = backbone.backbone.hidden([model.read(Item("x", text="a dog"), "query")])[0][-1]
    expected = (state / state.norm()).numpy()
    np.testing.assert_allclose(model.encode([Item("x", text="a dog")], role="query")[0], expected, atol=1e-6)


def test_a_token_does_not_see_those_behind_it(model: Vlm2Vec) -> None:
    backbone: Any = model.backbone
    first, second = backbone.backbone.hidden([model.read(Item("x", text=text), "query") for text in ("ab", "abc")])
    torch.testing.assert_close(first, second[:2])


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((224, 224), (224, 224)),
        ((640, 360), (644, 364)),
        ((28, 28), (56, 56)),
        ((27, 900), (56, 56)),
        ((1, 1), (56, 56)),
        ((8000, 1), (56, 56)),
        ((5600, 28), (5600, 28)),
        ((5628, 28), (980, 980)),
        ((28, 6000), (980, 980)),
        ((4000, 3000), (1148, 840)),
    ],
)
def test_pictures_get_the_sizes_of_the_official_image_processor(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fitted(Image.new("RGB", size)).size == expected


def test_a_small_picture_is_resized_in_its_own_mode() -> None:
    # Pillow blends no palette colours: a palette picture converted first would get others between the two.
    picture = Image.new("P", (20, 40))
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.paste(1, (0, 0, 10, 40))
    assert set(np.unique(np.asarray(fitted(picture)))) == {0, 255}


@pytest.mark.parametrize("name", sorted(STRANGE))
def test_every_kind_of_picture_has_an_embedding(model: Vlm2Vec, name: str) -> None:
    found = model.encode([Item(name, image=STRANGE[name])], role="candidate")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("item", "error", "said"),
    [
        (Item("q1"), UnsupportedModalityError, "query 'q1' has no picture and no text"),
        (Item("q1", image=noise(9, 9), text=PLACE + PLACE), DataError, "'q1': there are 2 places"),
    ],
)
def test_an_item_that_cannot_be_embedded_is_named(model: Vlm2Vec, item: Item, error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        model.encode([Item("fine", text="a"), item], role="query")


def test_texts_are_cut_where_the_tokenizer_says_and_pictures_keep_theirs(arguments: dict[str, str]) -> None:
    base = Path(arguments["base"])
    short = load(arguments | {"max_tokens": "5"})
    assert len(short.read(Item("x", text="abcdefgh"), "query").ids) == 5
    assert len(short.read(Item("x", text="abcdefgh", image=noise(56, 56)), "query").ids) == 4 + 9
    rewrite(base / "tokenizer_config.json", model_max_length=6)
    try:
        assert len(load(arguments).read(Item("x", text="abcdefgh"), "query").ids) == 6
        assert len(load(arguments | {"max_tokens": "7"}).read(Item("x", text="abcdefgh"), "query").ids) == 6
    finally:
        rewrite(base / "tokenizer_config.json", model_max_length=4096)


def test_a_resolution_squashes_pictures_before_all_else(arguments: dict[str, str], model: Vlm2Vec) -> None:
    squashed = load(arguments | {"resolution": "low"})
    item = Item("x", image=noise(300, 90))
    grids = [
        (one.patches.rows, one.patches.columns) for one in (model.read(item, "query"), squashed.read(item, "query"))
    ]
    assert grids == [(6, 22), (10, 10)]
    assert squashed.identity != model.identity


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_low_precision_stays_close(arguments: dict[str, str], model: Vlm2Vec, dtype: str) -> None:
    low = load(arguments, dtype=dtype)
    kinds = {str(one.dtype) for one in low.backbone.network.parameters()}
    assert kinds == {{"bf16": "torch.bfloat16", "fp16": "torch.float16"}[dtype]}
    found = low.encode(items(), role="query")
    assert found.dtype == np.float32
    assert np.einsum("nd,nd->n", found, model.encode(items(), role="query")).min() > 0.98


def test_a_worker_can_be_sent_the_model(model: Vlm2Vec) -> None:
    sent = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(sent.encode(items(), role="query"), model.encode(items(), role="query"))


def test_the_card_tells_what_was_loaded_and_claims_nothing_of_other_weights(model: Vlm2Vec) -> None:
    assert (model.card.checkpoint, model.card.base_model, model.card.dimension) == ("adapter", "base", 16)
    assert (model.card.license, model.card.training_datasets) == ("not stated", None)
    assert model.card.parameters == sum(one.numel() for one in model.backbone.network.parameters())
    assert not any("lm_head" in name for name, _ in model.backbone.network.named_parameters())


def test_the_card_counts_the_weights_of_the_published_architecture() -> None:
    from transformers import AutoConfig, AutoModel

    text = {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064,
    }  # fmt: skip
    vision = {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "mlp_ratio": 4, "num_heads": 16}
    with torch.device("meta"):
        network = AutoModel.from_config(AutoConfig.for_model("qwen2_vl", **text, vision_config=vision))
    assert sum(one.numel() for one in network.parameters()) == Vlm2Vec.card.parameters
