from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_blip import ITEMS, SIDE, load, save_tiny_blip
from tests.models.tiny_clip import MEAN, STD

from mbench.core.errors import CheckpointError, ModelError, UnsupportedModalityError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models.blip import Blip
from mbench.models.cards import shipped_card
from mbench.models.catalog import load_model
from mbench.models.hub import locate


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip(tmp_path_factory.mktemp("blip") / "tiny-blip")


@pytest.fixture(scope="module")
def blip(tiny: Path) -> Blip:
    return load(tiny)


@pytest.fixture
def damaged(tiny: Path, tmp_path: Path) -> Path:
    """A checkpoint to damage."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def reference(folder: Path) -> Any:
    from transformers import BlipForImageTextRetrieval

    model: Any = BlipForImageTextRetrieval.from_pretrained(folder)
    return model.eval()


def reference_pixels(picture: Image.Image) -> torch.Tensor:
    """What preprocessor_config.json says, in PIL and numpy alone."""
    small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    values = np.asarray(small, dtype=np.float64) / 255
    return torch.from_numpy(((values - MEAN) / STD).transpose(2, 0, 1)).float()


def reference_score(folder: Path, text: str, picture: Image.Image, max_length: int = 35) -> float:
    """The contrastive score as transformers' own forward pass computes it."""
    from transformers import BertTokenizer

    tokenizer: Any = BertTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer(text, truncation=True, max_length=max_length)["input_ids"]])
    with torch.no_grad():
        found = reference(folder)(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=reference_pixels(picture)[None],
            use_itm_head=False,
        )
    return float(found.itm_score)


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("picture", STRANGE.values(), ids=STRANGE)
def test_pixels_are_those_of_pil_and_numpy(blip: Blip, picture: Image.Image) -> None:
    assert torch.allclose(blip.pixels([picture])[0], reference_pixels(picture), atol=1e-5)


@pytest.mark.parametrize("text", ["a red cat", "Dog! find", "", "cat dog " * 40, "☃ é"])
def test_a_score_is_the_contrastive_one_of_transformers(tiny: Path, blip: Blip, text: str) -> None:
    picture = ITEMS[1].image
    assert picture is not None
    words, drawing = unit(blip.encode([Item("t", text=text), Item("i", image=picture)], role="candidate"))
    assert float(words @ drawing) == pytest.approx(reference_score(tiny, text, picture), abs=1e-5)


def test_features_and_their_sum_are_those_of_transformers(tiny: Path, blip: Blip) -> None:
    pair, model = ITEMS[2], reference(tiny)
    assert pair.image is not None
    with torch.no_grad():
        states = model.vision_model(pixel_values=reference_pixels(pair.image)[None]).last_hidden_state
        image = model.vision_proj(states[:, 0])[0].numpy()
        ids = torch.tensor([blip.tokenizer("find dog!")["input_ids"]])
        text = model.text_proj(model.text_encoder(input_ids=ids).last_hidden_state[:, 0])[0].numpy()
    apart = [Item("t", text="find Dog!"), Item("i", image=pair.image)]
    found = blip.encode([*apart, pair], role="query")
    assert np.allclose(found, [unit(text), unit(image), unit(text) + unit(image)], atol=1e-5)
    weighted = load(tiny, image_weight="0.25", text_weight="3").encode([pair], role="query")[0]
    assert np.allclose(weighted, 3 * unit(text) + 0.25 * unit(image), atol=1e-5)
    assert np.allclose(load(tiny, fusion="sum").encode([pair], role="query")[0], text + image, atol=1e-5)


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_vector_does_not_depend_on_the_batch(blip: Blip, role: Any) -> None:
    together = blip.encode(ITEMS, role=role)
    alone = np.concatenate([blip.encode([item], role=role) for item in ITEMS])
    backwards = blip.encode(ITEMS[::-1], role=role)[::-1]
    assert together.dtype == np.float32
    assert np.allclose(together, alone, atol=1e-6)
    assert np.allclose(together, backwards, atol=1e-6)


def test_a_text_is_cut_after_35_tokens_or_as_many_as_are_asked_for(tiny: Path, blip: Blip) -> None:
    texts = [Item("a", text="cat dog " * 40), Item("b", text="cat dog " * 16 + "cat"), Item("c", text="cat dog " * 17)]
    cut = blip.encode(texts, role="candidate")
    assert np.allclose(cut[0], cut[1], atol=1e-6)
    assert np.allclose(cut[0], cut[2], atol=1e-6)
    longer = load(tiny, max_length="48").encode(texts, role="candidate")
    assert not np.allclose(longer[0], longer[1], atol=1e-3)


@pytest.mark.parametrize("length", ["2", "49"])
def test_a_length_that_the_checkpoint_does_not_take_is_refused(tiny: Path, length: str) -> None:
    with pytest.raises(UserError, match=f"max_length={length}: the checkpoint takes 3 to 48 tokens"):
        load(tiny, max_length=length)


def test_an_item_without_anything_is_refused_by_name(blip: Blip) -> None:
    with pytest.raises(UnsupportedModalityError, match="query 'q7' has no picture and no text"):
        blip.encode([Item("q7")], role="query")


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_stays_near_and_enters_the_identity(tiny: Path, blip: Blip, dtype: str) -> None:
    model = load_model("blip", LoadOptions(args={"checkpoint": str(tiny)}, device="cpu", dtype=dtype))
    found, exact = unit(model.encode(ITEMS, role="query")), unit(blip.encode(ITEMS, role="query"))
    assert (found * exact).sum(1).min() > 0.99
    assert getattr(model, "identity", {})["dtype"] == dtype


def test_what_changes_an_embedding_changes_the_identity(tiny: Path, blip: Blip) -> None:
    changes: list[dict[str, str]] = [{"fusion": "sum"}, {"text_weight": "2"}, {"max_length": "40"}]
    models = [blip, *(load(tiny, **change) for change in changes)]
    assert len({json.dumps(dict(model.identity), sort_keys=True) for model in models}) == len(models)
    assert load(tiny, id="my-blip").identity == blip.identity


def test_the_card_tells_the_loaded_checkpoint_and_not_where_it_lies(tiny: Path, blip: Blip) -> None:
    weights = load_file(tiny / "model.safetensors")
    assert (blip.card.id, blip.card.dimension, blip.card.checkpoint) == ("blip", 16, "tiny-blip")
    assert blip.card.parameters == sum(one.numel() for one in weights.values())
    assert (blip.card.license, blip.card.training_datasets) == ("not stated", None)
    assert str(tiny.parent) not in blip.card.model_dump_json() + json.dumps(dict(blip.identity))


def test_the_default_checkpoint_is_pinned_to_the_commit_of_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def remember(checkpoint: str, options: LoadOptions, pinned: str | None = None) -> Any:
        asked.append((checkpoint, pinned))
        return locate("/absent", options)

    monkeypatch.setattr("mbench.models.blip.locate", remember)
    for args in ({}, {"checkpoint": "Salesforce/other"}):
        with pytest.raises(UserError):
            load_model("blip", LoadOptions(args=args))
    assert asked == [(Blip.card.checkpoint, Blip.card.revision), ("Salesforce/other", None)]


@pytest.mark.usefixtures("no_network")
def test_local_and_offline_need_no_network(tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_model("blip", LoadOptions(args={"checkpoint": str(tiny)})).encode(ITEMS, role="query")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="--offline forbids"):
        load_model("blip", LoadOptions(offline=True))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text_proj.weight": None}, "1 missing: text_proj.weight"),
        ({"text_encoder.encoder.layer.1.crossattention.self.key.bias": None}, "crossattention.self.key.bias"),
        ({"text_decoder.extra": torch.ones(2)}, "1 unexpected: text_decoder.extra"),
        ({"vision_proj.bias": torch.ones(17)}, "vision_proj.bias is [17], the model has [16]"),
    ],
)
def test_weights_that_do_not_fit_are_named(damaged: Path, changes: dict[str, torch.Tensor | None], said: str) -> None:
    path = damaged / "model.safetensors"
    weights: dict[str, torch.Tensor | None] = {**load_file(path), **changes}
    save_file({key: one for key, one in weights.items() if one is not None}, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError) as caught:
        load(damaged)
    assert said in str(caught.value)


def test_weights_of_the_older_file_format_with_position_ids_are_loaded(damaged: Path, blip: Blip) -> None:
    weights = load_file(damaged / "model.safetensors")
    stored = {"text_encoder.embeddings.position_ids": torch.arange(48)[None]}
    torch.save(weights | stored, damaged / "pytorch_model.bin")
    (damaged / "model.safetensors").unlink()
    assert np.array_equal(load(damaged).encode(ITEMS, role="query"), blip.encode(ITEMS, role="query"))


@pytest.mark.parametrize("removed", ["vocab.txt", "preprocessor_config.json", "config.json"])
def test_a_file_that_the_checkpoint_lacks_is_named(damaged: Path, removed: str) -> None:
    (damaged / removed).unlink()
    with pytest.raises(CheckpointError, match=removed.replace(".", r"\.")):
        load(damaged)


def test_another_architecture_is_refused(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | {"model_type": "blip-2"}))
    with pytest.raises(CheckpointError, match="of type 'blip-2'; 'blip' loads blip"):
        load(damaged)


def test_the_card_counts_the_weights_of_the_published_architecture() -> None:
    from transformers import BlipConfig, BlipForImageTextRetrieval

    text = {"hidden_size": 768, "encoder_hidden_size": 1024, "num_attention_heads": 12, "vocab_size": 30524}
    vision = {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
        "image_size": 384, "patch_size": 16,
    }  # fmt: skip
    with torch.device("meta"):
        model = BlipForImageTextRetrieval(
            BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=256)
        )
    card = shipped_card("blip")
    assert sum(weights.numel() for weights in model.parameters()) == card.parameters
    assert model.config.image_text_hidden_size == card.dimension


def test_a_model_can_be_sent_to_another_process(blip: Blip) -> None:
    sent = pickle.loads(pickle.dumps(blip))
    assert np.array_equal(sent.encode(ITEMS, role="query"), blip.encode(ITEMS, role="query"))
