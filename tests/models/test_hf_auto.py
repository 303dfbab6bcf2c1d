from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import ITEMS, save_tiny_clip
from tests.models.tiny_inversion import unwrapped
from tests.models.tiny_siglip import LENGTH, save_tiny_siglip, save_tiny_siglip2

from mbench.core.errors import UnsupportedModalityError, UserError
from mbench.core.types import Item, LoadOptions, Vectors
from mbench.models.catalog import load_model
from mbench.models.hf_auto import HfAuto


def save_naflex(folder: Path) -> Path:
    """Save a random SigLIP 2 whose pictures keep their proportions into `folder` and return it."""
    from transformers import Siglip2Config, Siglip2Model

    save_tiny_siglip2(folder)
    words = len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])
    tower = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    text: dict[str, Any] = tower | {
        "vocab_size": words, "max_position_embeddings": LENGTH, "projection_size": 24, "bos_token_id": None,
        "eos_token_id": 1, "pad_token_id": 0,
    }  # fmt: skip
    torch.manual_seed(0)
    model = Siglip2Model(Siglip2Config(text_config=text, vision_config=tower | {"num_patches": 16, "patch_size": 8}))
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.2)
    model.save_pretrained(folder)
    processor = {
        "image_processor_type": "Siglip2ImageProcessor", "do_resize": True, "do_rescale": True, "do_normalize": True,
        "rescale_factor": 1 / 255, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2, "patch_size": 8,
        "max_num_patches": 16,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


SAVED: dict[str, Callable[[Path], Path]] = {
    "clip": save_tiny_clip,
    "siglip": save_tiny_siglip,
    "siglip2": save_tiny_siglip2,
    "naflex": save_naflex,
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save(tmp_path_factory.mktemp("hf") / f"tiny-{name}") for name, save in SAVED.items()}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, HfAuto]:
    return {name: load(folder) for name, folder in folders.items()}


def load(folder: Path, **args: str) -> HfAuto:
    model = load_model(f"hf:{folder}", LoadOptions(args=args, device="cpu", offline=True))
    assert isinstance(model, HfAuto)
    return model


@pytest.mark.parametrize("name", ["clip", "siglip", "siglip2"])
def test_a_checkpoint_with_its_own_adapter_gives_the_same(
    name: str, folders: dict[str, Path], models: dict[str, HfAuto]
) -> None:
    own = load_model(name, LoadOptions(args={"checkpoint": str(folders[name])}, device="cpu", offline=True))
    assert np.array_equal(models[name].encode(ITEMS, role="query"), own.encode(ITEMS, role="query"))


def test_pictures_that_keep_their_proportions_are_those_of_transformers(
    folders: dict[str, Path], models: dict[str, HfAuto]
) -> None:
    from tokenizers import Tokenizer
    from transformers import Siglip2Model

    folder = folders["naflex"]
    model: Any = Siglip2Model.from_pretrained(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = torch.tensor([tokenizer.encode("find dog!").ids])
    pair = ITEMS[2]
    with torch.no_grad():
        image = unwrapped(
            model.eval().get_image_features(**models["naflex"].processor([pair.image], return_tensors="pt"))
        )
        text = unwrapped(model.get_text_features(input_ids=ids))
    found = models["naflex"].encode([Item("i", image=pair.image), Item("t", text="find Dog!"), pair], role="query")
    image, text = (part / part.norm() for part in (image, text))
    assert np.allclose(found, torch.stack([image, text, image + text]), atol=1e-5)


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_vector_does_not_depend_on_the_batch(name: str, role: Any, models: dict[str, HfAuto]) -> None:
    together = models[name].encode(ITEMS, role=role)
    alone = np.concatenate([models[name].encode([item], role=role) for item in ITEMS])
    assert together.dtype == np.float32
    assert np.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("name", SAVED)
def test_strange_pictures_have_finite_vectors(name: str, models: dict[str, HfAuto]) -> None:
    vectors = models[name].encode([Item(key, image=picture) for key, picture in STRANGE.items()], role="candidate")
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_weights_and_fusion_can_be_set(folders: dict[str, Path], models: dict[str, HfAuto]) -> None:
    pair = ITEMS[2]
    parts = models["clip"].encode([Item("t", text="find Dog!"), Item("i", image=pair.image)], role="query")
    found = load(folders["clip"], image_weight="0.25", text_weight="3").encode([pair], role="query")
    assert np.allclose(found[0], 3 * parts[0] + 0.25 * parts[1], atol=1e-6)


def test_the_length_of_texts_can_be_set_where_the_model_has_a_choice(folders: dict[str, Path]) -> None:
    short = load(folders["clip"], max_length="4")
    cut: Vectors = short.encode([Item("a", text="cat dog red"), Item("b", text="cat dog")], role="query")
    assert np.allclose(cut[0], cut[1], atol=1e-6)
    with pytest.raises(UserError, match="reads texts of 16 tokens, no more and no fewer"):
        load(folders["siglip"], max_length="4")


def test_an_item_without_anything_is_refused_by_name(models: dict[str, HfAuto]) -> None:
    with pytest.raises(UnsupportedModalityError, match="Model 'hf:tiny-clip': query 'q7' has no picture and no text"):
        models["clip"].encode([Item("q7")], role="query")


def test_the_card_tells_the_loaded_checkpoint_and_not_where_it_lies(
    folders: dict[str, Path], models: dict[str, HfAuto]
) -> None:
    model, weights = models["clip"], load_file(folders["clip"] / "model.safetensors")
    card = model.card
    assert (card.id, card.title, card.dimension, card.checkpoint) == ("hf:tiny-clip", "tiny-clip", 16, "tiny-clip")
    assert card.parameters == sum(one.numel() for one in weights.values())
    assert str(folders["clip"].parent) not in card.model_dump_json() + json.dumps(dict(model.identity))
    assert load(folders["clip"], id="mine").card.id == "mine"
    assert load(folders["clip"], max_length="9").identity != model.identity


@pytest.mark.parametrize("name", SAVED)
def test_a_model_can_be_sent_to_another_process(name: str, models: dict[str, HfAuto]) -> None:
    sent = pickle.loads(pickle.dumps(models[name]))
    assert np.array_equal(sent.encode(ITEMS, role="query"), models[name].encode(ITEMS, role="query"))
