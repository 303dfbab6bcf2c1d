from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.tiny_clip import ITEMS, MEAN, SIDE, STD, load, noise, save_tiny_clip

from mbench.core.errors import UnsupportedModalityError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.clip import Clip


def reference_pixels(picture: Image.Image) -> torch.Tensor:
    """What preprocessor_config.json says, in PIL and numpy alone."""
    picture = picture.convert("RGB")
    width, height = picture.size
    short, long = min(width, height), max(width, height)
    other = int(SIDE * long / short)
    picture = picture.resize((SIDE, other) if width <= height else (other, SIDE), Image.Resampling.BICUBIC)
    left, top = (picture.width - SIDE) // 2, (picture.height - SIDE) // 2
    values = np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)), dtype=np.float64) / 255
    return torch.from_numpy(((values - MEAN) / STD).transpose(2, 0, 1)).float()


def reference_text(folder: Path, text: str) -> torch.Tensor:
    from transformers import CLIPModel, CLIPTokenizer

    tokenizer: Any = CLIPTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer(text, truncation=True, max_length=20)["input_ids"]])
    with torch.no_grad():
        model: Any = CLIPModel.from_pretrained(folder)
        return unwrapped(model.eval().get_text_features(input_ids=ids))


def reference_image(folder: Path, picture: Image.Image) -> torch.Tensor:
    from transformers import CLIPModel

    with torch.no_grad():
        model: Any = CLIPModel.from_pretrained(folder)
        return unwrapped(model.eval().get_image_features(pixel_values=reference_pixels(picture)[None]))


def unwrapped(found: Any) -> torch.Tensor:
    features: torch.Tensor = found if torch.is_tensor(found) else found.pooler_output
    return features.squeeze(0)


def unit(vector: torch.Tensor) -> torch.Tensor:
    return vector / vector.norm()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "LA", "1"])
@pytest.mark.parametrize("size", [(50, 40), (31, 90), (1, 1), (32, 32), (700, 20)])
def test_pixels_are_those_of_pil_and_numpy(clip: Clip, mode: str, size: tuple[int, int]) -> None:
    picture = noise(*size, mode)
    assert torch.allclose(clip.pixels([picture])[0], reference_pixels(picture), atol=1e-5)


def test_each_tower_is_that_of_transformers(folder: Path, clip: Clip) -> None:
    vectors = torch.from_numpy(clip.encode(ITEMS[:2], role="candidate"))
    assert torch.allclose(vectors[0], unit(reference_text(folder, "a red cat")), atol=1e-5)
    picture = ITEMS[1].image
    assert picture is not None
    assert torch.allclose(vectors[1], unit(reference_image(folder, picture)), atol=1e-5)


@pytest.mark.parametrize(
    ("args", "weights", "normalised"),
    [
        ({}, (1.0, 1.0), True),
        ({"image_weight": "0.25", "text_weight": "3"}, (0.25, 3.0), True),
        ({"fusion": "sum"}, (1.0, 1.0), False),
        ({"fusion": "sum", "text_weight": "0"}, (1.0, 0.0), False),
    ],
)
def test_a_pair_is_the_weighted_sum_of_its_parts(
    folder: Path, args: dict[str, str], weights: tuple[float, float], normalised: bool
) -> None:
    pair = ITEMS[2]
    assert pair.image is not None
    parts = reference_image(folder, pair.image), reference_text(folder, "find Dog!")
    image, text = (unit(part) if normalised else part for part in parts)
    found = torch.from_numpy(load(folder, **args).encode([pair], role="query"))[0]
    assert torch.allclose(found, weights[0] * image + weights[1] * text, atol=1e-5)


def test_a_weight_of_zero_does_not_blank_an_item_of_one_part(folder: Path) -> None:
    vectors = load(folder, image_weight="0").encode(ITEMS[:2], role="query")
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_the_instruction_is_put_before_the_text_of_queries_only(clip: Clip, folder: Path) -> None:
    pair, told = ITEMS[2], ITEMS[4]
    assert clip.text_of(pair, "query") == "find Dog!"
    assert clip.text_of(pair, "candidate") == "Dog!"
    assert clip.text_of(told, "query") == "the red one"
    assert clip.text_of(told, "candidate") is None
    assert load(folder, use_instruction="no").text_of(pair, "query") == "Dog!"


def test_a_blank_text_beside_a_picture_counts_as_none(clip: Clip) -> None:
    picture = noise(20, 20)
    blank = clip.encode([Item("a", text=" ", image=picture), Item("b", image=picture)], role="candidate")
    assert np.array_equal(blank[0], blank[1])


def test_an_item_without_anything_is_refused_by_name(clip: Clip) -> None:
    with pytest.raises(UnsupportedModalityError, match="query 'q7' has no picture and no text"):
        clip.encode([ITEMS[0], Item("q7")], role="query")


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_vector_does_not_depend_on_the_batch(clip: Clip, role: Any) -> None:
    together = clip.encode(ITEMS, role=role)
    backwards = clip.encode(ITEMS[::-1], role=role)[::-1]
    alone = np.concatenate([clip.encode([item], role=role) for item in ITEMS])
    assert together.dtype == np.float32
    assert np.allclose(together, alone, atol=1e-6)
    assert np.allclose(together, backwards, atol=1e-6)


def test_a_text_beyond_the_limit_is_cut_and_keeps_its_end_token(clip: Clip) -> None:
    cut = clip.encode([Item("a", text="cat dog " * 40), Item("b", text="cat dog " * 9)], role="candidate")
    assert np.allclose(cut[0], cut[1], atol=1e-6)


def test_a_pad_token_with_another_id_does_not_move_the_pooled_place(copied: Path, clip: Clip) -> None:
    settings = json.loads((copied / "tokenizer_config.json").read_text())
    (copied / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": "@"}))
    assert np.allclose(load(copied).encode(ITEMS, role="query"), clip.encode(ITEMS, role="query"), atol=1e-6)


def test_the_older_pooling_by_highest_token_id_is_batch_invariant_too(tmp_path: Path) -> None:
    model = load(save_tiny_clip(tmp_path / "old", eos_token_id=2))
    alone = np.concatenate([model.encode([item], role="query") for item in ITEMS])
    assert np.allclose(model.encode(ITEMS, role="query"), alone, atol=1e-6)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_stays_near_and_enters_the_identity(folder: Path, clip: Clip, dtype: str) -> None:
    options = LoadOptions(args={"checkpoint": str(folder)}, device="cpu", dtype=dtype)
    model = load_model("clip", options)
    found, exact = model.encode(ITEMS, role="query"), clip.encode(ITEMS, role="query")
    assert found.dtype == np.float32
    cosines = (found * exact).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosines.min() > 0.99
    assert getattr(model, "identity", {})["dtype"] == dtype
