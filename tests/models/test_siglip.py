from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_siglip import ITEMS, LENGTH, SIDE, load, save_tiny_siglip, save_tiny_siglip2

from mbench.core.errors import CheckpointError, MissingDependencyError, ModelError, UnsupportedModalityError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models.cards import shipped_card
from mbench.models.catalog import load_model
from mbench.models.hub import locate
from mbench.models.siglip import Siglip

SAVED = {"siglip": save_tiny_siglip, "siglip2": save_tiny_siglip2}
RESAMPLE = {"siglip": Image.Resampling.BICUBIC, "siglip2": Image.Resampling.BILINEAR}
NAMES = pytest.mark.parametrize("name", SAVED)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: save(tmp_path_factory.mktemp("siglip") / f"tiny-{name}") for name, save in SAVED.items()}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, Siglip]:
    return {name: load(name, folder) for name, folder in folders.items()}


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Checkpoints to damage."""
    return {name: Path(shutil.copytree(folder, tmp_path / name)) for name, folder in folders.items()}


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
def test_the_card_tells_the_loaded_checkpoint_and_not_where_it_lies(
    name: str, folders: dict[str, Path], models: dict[str, Siglip]
) -> None:
    card, weights = models[name].card, load_file(folders[name] / "model.safetensors")
    assert (card.id, card.dimension, card.checkpoint) == (name, 24, f"tiny-{name}")
    assert card.parameters == sum(one.numel() for one in weights.values())
    assert (card.license, card.training_datasets) == ("not stated", None)
    assert str(folders[name].parent) not in card.model_dump_json() + json.dumps(dict(models[name].identity))


@NAMES
def test_the_default_checkpoint_is_pinned_to_the_commit_of_the_card(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def remember(checkpoint: str, options: LoadOptions, pinned: str | None = None) -> Any:
        asked.append((checkpoint, pinned))
        return locate("/absent", options)

    monkeypatch.setattr("mbench.models.siglip.locate", remember)
    for args in ({}, {"checkpoint": "google/other"}):
        with pytest.raises(UserError):
            load_model(name, LoadOptions(args=args))
    card = shipped_card(name)
    assert asked == [(card.checkpoint, card.revision), ("google/other", None)]


@pytest.mark.usefixtures("no_network")
@NAMES
def test_local_and_offline_need_no_network(
    name: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    load_model(name, LoadOptions(args={"checkpoint": str(folders[name])})).encode(ITEMS, role="query")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="--offline forbids"):
        load_model(name, LoadOptions(offline=True))


@NAMES
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text_model.head.bias": None}, "1 missing: text_model.head.bias"),
        ({"vision_model.head.probe": None}, "1 missing: vision_model.head.probe"),
        ({"text_model.extra": torch.ones(2)}, "1 unexpected: text_model.extra"),
        ({"vision_model.head.probe": torch.ones(1, 1, 25)}, "vision_model.head.probe is [1, 1, 25]"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    name: str, copied: dict[str, Path], changes: dict[str, torch.Tensor | None], said: str
) -> None:
    path = copied[name] / "model.safetensors"
    weights: dict[str, torch.Tensor | None] = {**load_file(path), **changes}
    save_file({key: one for key, one in weights.items() if one is not None}, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError) as caught:
        load(name, copied[name])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "removed", "said"),
    [
        ("siglip", "spiece.model", r"holds no vocabulary .* expected spiece\.model"),
        ("siglip2", "tokenizer.json", r"holds no vocabulary .* expected tokenizer\.json"),
        ("siglip", "preprocessor_config.json", r"no usable preprocessor_config\.json"),
        ("siglip2", "config.json", r"config\.json"),
    ],
)
def test_a_file_that_the_checkpoint_lacks_is_named(name: str, removed: str, said: str, copied: dict[str, Path]) -> None:
    (copied[name] / removed).unlink()
    with pytest.raises(CheckpointError, match=said):
        load(name, copied[name])


def test_a_damaged_vocabulary_is_named(copied: dict[str, Path]) -> None:
    (copied["siglip2"] / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: not a tokenizer"):
        load("siglip2", copied["siglip2"])


def test_another_vocabulary_is_refused_before_it_indexes_out_of_range(copied: dict[str, Path]) -> None:
    path = copied["siglip2"] / "tokenizer.json"
    settings = json.loads(path.read_text())
    vocab = settings["model"]["vocab"]
    vocab["surplus"] = len(vocab)
    path.write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=f"has {len(vocab)} tokens, but the model embeds {len(vocab) - 1}"):
        load("siglip2", copied["siglip2"])


def test_the_vocabulary_of_another_model_is_refused(copied: dict[str, Path]) -> None:
    path = copied["siglip2"] / "tokenizer.json"
    path.write_text(path.read_text().replace("<eos>", "<end>"))
    with pytest.raises(CheckpointError, match="lacks <eos> or <pad>"):
        load("siglip2", copied["siglip2"])


@NAMES
@pytest.mark.parametrize(
    ("model_type", "said"), [("siglip2", r"NaFlex .* Try --model hf:siglip"), ("clip", "of type 'clip'")]
)
def test_another_architecture_is_refused(name: str, model_type: str, said: str, copied: dict[str, Path]) -> None:
    path = copied[name] / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": model_type}))
    with pytest.raises(CheckpointError, match=said):
        load(name, copied[name])


def test_without_sentencepiece_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, folders: dict[str, Path]) -> None:
    monkeypatch.setattr("mbench.models.siglip_text.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mbench-eval\[siglip\]'"):
        load("siglip", folders["siglip"])


@pytest.mark.parametrize(("name", "words"), [("siglip", 32000), ("siglip2", 256000)])
def test_the_card_counts_the_weights_of_the_published_architecture(name: str, words: int) -> None:
    from transformers import SiglipConfig, SiglipModel

    tower = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}
    config = SiglipConfig(
        text_config=tower | {"vocab_size": words}, vision_config=tower | {"image_size": 384, "patch_size": 14}
    )
    with torch.device("meta"):
        model = SiglipModel(config)
    card = shipped_card(name)
    assert sum(weights.numel() for weights in model.parameters()) == card.parameters
    assert config.vision_config.hidden_size == card.dimension
