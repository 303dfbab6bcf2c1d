from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.tiny_siglip import ITEMS, SAVED, load

from mbench.core.errors import CheckpointError, MissingDependencyError, ModelError, UserError
from mbench.core.types import LoadOptions
from mbench.models.cards import shipped_card
from mbench.models.catalog import load_model
from mbench.models.hub import locate
from mbench.models.siglip import Siglip

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
