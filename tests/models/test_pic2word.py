from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.tiny_clip import MEAN, STD
from tests.models.tiny_inversion import ITEMS, Reference, im2text, load, openai_names, save_clip, unit

from mbench.core.errors import CheckpointError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models.cards import shipped_card
from mbench.models.catalog import load_model
from mbench.models.inversion import Inversion
from mbench.models.targetpad import normalised, plain_view


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("pic2word") / "tiny-clip")


@pytest.fixture(scope="module")
def saved(folder: Path) -> dict[str, Any]:
    """What the released file holds: both networks as trained on several GPUs, and the optimizer."""
    from transformers import CLIPModel

    model: Any = CLIPModel.from_pretrained(folder)
    parts = {"state_dict": openai_names(model), "state_dict_img2text": im2text().state_dict()}
    saved: dict[str, Any] = {
        key: {f"module.{name}": one for name, one in weights.items()} for key, weights in parts.items()
    }
    return saved | {"epoch": 30, "name": "pic2word", "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}}


@pytest.fixture(scope="module")
def weights(saved: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("released") / "pic2word_model.pt"
    torch.save(saved, path)
    return path


@pytest.fixture(scope="module")
def bare(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of CLIP without weights: sizes, vocabulary and pictures' settings are all that is read."""
    copy = tmp_path_factory.mktemp("bare") / "tiny-clip"
    copy.mkdir()
    for file in folder.iterdir():
        if file.suffix in (".json", ".txt"):
            (copy / file.name).write_bytes(file.read_bytes())
    return copy


@pytest.fixture(scope="module")
def pic2word(bare: Path, weights: Path) -> Inversion:
    return load("pic2word", bare, weights=str(weights))


def pixels(item: Item) -> torch.Tensor:
    assert item.image is not None
    return torch.from_numpy(normalised(plain_view(item.image, 32), MEAN, STD))


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_vectors_are_those_of_transformers_with_the_word_in_the_slot(
    folder: Path, pic2word: Inversion, role: Any
) -> None:
    network = im2text()
    reference = Reference(folder, "*", lambda features: network["fc_out"](network["layers"](features)))
    found = torch.from_numpy(pic2word.encode(ITEMS, role=role))
    for item, vector in zip(ITEMS, found, strict=True):
        text = item.text if item.text and item.text.strip() else None
        if item.image is None:
            wanted = reference.text(item.text or "")
        elif text is None and role == "candidate":
            wanted = reference.image(pixels(item))
        else:
            wanted = reference.prompt("a photo of *" + (f" , {text}" if text else ""), pixels(item))
        assert torch.allclose(vector, wanted, atol=1e-5), item.id


def test_a_vector_does_not_depend_on_the_batch(pic2word: Inversion) -> None:
    together = pic2word.encode(ITEMS, role="query")
    alone = np.concatenate([pic2word.encode([item], role="query") for item in ITEMS])
    assert np.allclose(together, alone, atol=1e-5)


def test_a_file_saved_on_one_gpu_has_no_prefix_and_gives_the_same(
    bare: Path, saved: dict[str, Any], tmp_path: Path, pic2word: Inversion
) -> None:
    plain = {
        key: {name.removeprefix("module."): one for name, one in saved[key].items()}
        for key in ("state_dict", "state_dict_img2text")
    }
    torch.save(plain, tmp_path / "one.pt")
    found = load("pic2word", bare, weights=str(tmp_path / "one.pt")).encode(ITEMS, role="query")
    assert np.array_equal(found, pic2word.encode(ITEMS, role="query"))


def test_half_precision_stays_near(bare: Path, weights: Path, pic2word: Inversion) -> None:
    args = {"checkpoint": str(bare), "weights": str(weights)}
    model = load_model("pic2word", LoadOptions(args=args, device="cpu", dtype="bf16"))
    found, exact = unit(model.encode(ITEMS, role="query")), unit(pic2word.encode(ITEMS, role="query"))
    assert (found * exact).sum(1).min() > 0.99


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        ("state_dict", "visual.proj", None, "1 missing: visual_projection.weight"),
        ("state_dict", "transformer.resblocks.1.attn.in_proj_bias", None, "3 missing: text_model.encoder.layers.1"),
        ("state_dict", "extra_ln_final.weight", torch.ones(2), "1 unexpected: extra_ln_final.weight"),
        ("state_dict", "ln_final.weight", torch.ones(25), "text_model.final_layer_norm.weight is [25]"),
        ("state_dict_img2text", "fc_out.bias", None, "1 missing: fc_out.bias"),
        ("state_dict_img2text", "fc_out.weight", torch.ones(23, 40), "makes words of 23 values"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_named(
    bare: Path, saved: dict[str, Any], tmp_path: Path, part: str, name: str, value: torch.Tensor | None, said: str
) -> None:
    changed = {**saved[part], f"module.{name}": value}
    torch.save(saved | {part: {key: one for key, one in changed.items() if one is not None}}, tmp_path / "p.pt")
    with pytest.raises(CheckpointError) as caught:
        load("pic2word", bare, weights=str(tmp_path / "p.pt"))
    assert said in str(caught.value)


def test_a_file_without_the_network_is_named(bare: Path, saved: dict[str, Any], tmp_path: Path) -> None:
    torch.save({"state_dict": saved["state_dict"]}, tmp_path / "p.pt")
    with pytest.raises(CheckpointError, match=r"p\.pt: has no part 'state_dict_img2text'; found state_dict"):
        load("pic2word", bare, weights=str(tmp_path / "p.pt"))


def test_without_weights_the_argument_is_named(bare: Path) -> None:
    with pytest.raises(UserError, match="weights is missing; give --model-args weights="):
        load("pic2word", bare)


def test_the_card_tells_what_was_loaded_and_not_where_it_lies(bare: Path, weights: Path, pic2word: Inversion) -> None:
    card = pic2word.card
    assert (card.id, card.base_model, card.checkpoint) == ("pic2word", "tiny-clip", "pic2word_model.pt")
    assert str(weights.parent) not in card.model_dump_json() + json.dumps(dict(pic2word.identity))
    assert load("pic2word", bare, weights=str(weights), preprocess="targetpad").identity != pic2word.identity


def test_the_card_counts_the_weights_of_the_published_networks() -> None:
    own = sum(one.numel() for one in im2text(768, 512, 768).parameters())
    assert shipped_card("pic2word").parameters == (shipped_card("clip").parameters or 0) + own
