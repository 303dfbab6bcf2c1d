from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_siglip import ITEMS, LENGTH, SAVED, SIDE, load

from mbench.core.errors import UnsupportedModalityError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.siglip import Siglip

RESAMPLE = {"siglip": Image.Resampling.BICUBIC, "siglip2": Image.Resampling.BILINEAR}
NAMES = pytest.mark.parametrize("name", SAVED)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save(tmp_path_factory.mktemp("siglip") / f"tiny-{name}") for name, save in SAVED.items()}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, Siglip]:
    return {name: load(name, folder) for name, folder in folders.items()}


def official_ids(name: str, folder: Path, texts: list[str]) -> torch.Tensor:
    """SigLIP as transformers documents it; SigLIP 2 as its tokenizer.json fills up, after lower-casing."""
    if name == "siglip":
        from transformers import SiglipTokenizer

        slow: Any = SiglipTokenizer.from_pretrained(folder)
        found = slow(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
        ids: torch.Tensor = found["input_ids"]
        return ids
    from tokenizers import Tokenizer

    fast = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return torch.tensor([fast.encode(text.lower()).ids for text in texts])


def reference(folder: Path) -> Any:
    from transformers import SiglipModel

    model: Any = SiglipModel.from_pretrained(folder)
    return model.eval()


def reference_text(name: str, folder: Path, text: str) -> torch.Tensor:
    with torch.no_grad():
        return unwrapped(reference(folder).get_text_features(input_ids=official_ids(name, folder, [text])))


def reference_pixels(name: str, picture: Image.Image) -> torch.Tensor:
    """What preprocessor_config.json says, in PIL and numpy alone."""
    small = picture.convert("RGB").resize((SIDE, SIDE), RESAMPLE[name])
    values = np.asarray(small, dtype=np.float64) / 255
    return torch.from_numpy(((values - 0.5) / 0.5).transpose(2, 0, 1)).float()


def reference_image(name: str, folder: Path, picture: Image.Image) -> torch.Tensor:
    pixels = reference_pixels(name, picture)[None]
    with torch.no_grad():
        return unwrapped(reference(folder).get_image_features(pixel_values=pixels))


def unwrapped(found: Any) -> torch.Tensor:
    features: torch.Tensor = found if torch.is_tensor(found) else found.pooler_output
    return features.squeeze(0)


def unit(vector: torch.Tensor) -> torch.Tensor:
    return vector / vector.norm()


@NAMES
def test_tokens_are_the_official_ones_filled_up_with_the_end_kept(
    name: str, folders: dict[str, Path], models: dict[str, Siglip]
) -> None:
    texts = ["a red cat", "A RED Cat!", "?!", "", "  two  birds ", "cat dog " * 40, "☃ é 狗", "what is this?"]
    found = models[name].tokens(texts)
    assert found.shape == (len(texts), LENGTH)
    assert torch.equal(found, official_ids(name, folders[name], texts))
    assert (found == models[name].words.end).any(dim=1).all()


@NAMES
def test_a_text_is_lower_cased(name: str, models: dict[str, Siglip]) -> None:
    lower, upper = models[name].tokens(["a red cat", "A RED CAT"])
    assert torch.equal(lower, upper)


@NAMES
@pytest.mark.parametrize("picture", STRANGE.values(), ids=STRANGE)
def test_pixels_are_those_of_pil_and_numpy(name: str, models: dict[str, Siglip], picture: Image.Image) -> None:
    assert torch.allclose(models[name].pixels([picture])[0], reference_pixels(name, picture), atol=1e-5)


@NAMES
def test_features_and_their_sum_are_those_of_transformers(
    name: str, folders: dict[str, Path], models: dict[str, Siglip]
) -> None:
    folder, pair = folders[name], ITEMS[2]
    assert pair.image is not None
    text = unit(reference_text(name, folder, "find Dog!"))
    image = unit(reference_image(name, folder, pair.image))
    apart = [Item("t", text="find Dog!"), Item("i", image=pair.image)]
    found = torch.from_numpy(models[name].encode([*apart, pair], role="query"))
    assert torch.allclose(found, torch.stack([text, image, text + image]), atol=1e-5)
    weighted = load(name, folder, image_weight="0.25", text_weight="3").encode([pair], role="query")[0]
    assert torch.allclose(torch.from_numpy(weighted), 3 * text + 0.25 * image, atol=1e-5)
    plain = load(name, folder, fusion="sum").encode([pair], role="query")[0]
    raw = reference_text(name, folder, "find Dog!") + reference_image(name, folder, pair.image)
    assert torch.allclose(torch.from_numpy(plain), raw, atol=1e-5)


@NAMES
@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_vector_does_not_depend_on_the_batch(name: str, role: Any, models: dict[str, Siglip]) -> None:
    model = models[name]
    together = model.encode(ITEMS, role=role)
    alone = np.concatenate([model.encode([item], role=role) for item in ITEMS])
    backwards = model.encode(ITEMS[::-1], role=role)[::-1]
    assert together.dtype == np.float32
    assert np.allclose(together, alone, atol=1e-6)
    assert np.allclose(together, backwards, atol=1e-6)


@NAMES
def test_an_item_without_anything_is_refused_by_name(name: str, models: dict[str, Siglip]) -> None:
    with pytest.raises(UnsupportedModalityError, match="candidate 'c7' has no picture and no text"):
        models[name].encode([Item("c7")], role="candidate")


@NAMES
@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_stays_near_and_enters_the_identity(
    name: str, dtype: str, folders: dict[str, Path], models: dict[str, Siglip]
) -> None:
    options = LoadOptions(args={"checkpoint": str(folders[name])}, device="cpu", dtype=dtype)
    model = load_model(name, options)
    found, exact = model.encode(ITEMS, role="query"), models[name].encode(ITEMS, role="query")
    cosines = (found * exact).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(exact, axis=1)
    assert cosines.min() > 0.99
    assert getattr(model, "identity", {})["dtype"] == dtype


@NAMES
def test_a_model_can_be_sent_to_another_process(name: str, models: dict[str, Siglip]) -> None:
    sent = pickle.loads(pickle.dumps(models[name]))
    assert np.array_equal(sent.encode(ITEMS, role="query"), models[name].encode(ITEMS, role="query"))
