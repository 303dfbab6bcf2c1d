from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.tiny_clip import ITEMS, load

from mbench.core.errors import CheckpointError, ModelError, UserError
from mbench.core.types import LoadOptions
from mbench.models.catalog import load_model
from mbench.models.clip import Clip
from mbench.models.hub import locate


def test_the_card_tells_the_loaded_checkpoint_and_not_where_it_lies(clip: Clip, folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    card = clip.card
    assert (card.id, card.dimension, card.checkpoint) == ("clip", 16, "tiny-clip")
    assert card.parameters == sum(one.numel() for one in weights.values())
    assert (card.license, card.training_datasets) == ("not stated", None)
    assert str(folder.parent) not in card.model_dump_json() + json.dumps(dict(clip.identity))
    assert load(folder, id="my-clip").card.id == "my-clip"


def test_what_changes_an_embedding_changes_the_identity(folder: Path, copied: Path, clip: Clip) -> None:
    processor = json.loads((copied / "preprocessor_config.json").read_text())
    (copied / "preprocessor_config.json").write_text(json.dumps(processor | {"resample": 2}))
    changes = [{"fusion": "sum"}, {"text_weight": "2"}, {"use_instruction": "0"}]
    models = [clip, load(copied), *(load(folder, **change) for change in changes)]
    assert len({json.dumps(dict(model.identity), sort_keys=True) for model in models}) == len(models)
    assert load(folder, id="my-clip").identity == clip.identity


@pytest.mark.usefixtures("no_network")
def test_a_local_checkpoint_needs_no_network(folder: Path) -> None:
    vectors = load_model("clip", LoadOptions(args={"checkpoint": str(folder)})).encode(ITEMS, role="query")
    assert len(vectors) == len(ITEMS)


@pytest.mark.usefixtures("no_network")
def test_offline_never_reaches_for_the_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="--offline forbids"):
        load_model("clip", LoadOptions(offline=True))


def test_the_default_checkpoint_is_pinned_to_the_commit_of_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def remember(name: str, options: LoadOptions, pinned: str | None = None) -> Any:
        asked.append((name, pinned))
        return locate("/absent", options)

    monkeypatch.setattr("mbench.models.clip.locate", remember)
    for args in ({}, {"checkpoint": "laion/other"}):
        with pytest.raises(UserError):
            load_model("clip", LoadOptions(args=args))
    assert asked == [("openai/clip-vit-large-patch14", Clip.card.revision), ("laion/other", None)]


def change_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    weights: dict[str, torch.Tensor | None] = {**load_file(folder / "model.safetensors"), **changes}
    kept = {name: one for name, one in weights.items() if one is not None}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"visual_projection.weight": None}, "1 missing: visual_projection.weight"),
        ({"text_model.encoder.layers.1.mlp.fc1.bias": None}, "missing: text_model.encoder.layers.1.mlp.fc1.bias"),
        ({"text_model.extra": torch.ones(2)}, "1 unexpected: text_model.extra"),
        ({"text_projection.weight": torch.ones(16, 25)}, "text_projection.weight is [16, 25], the model has [16, 24]"),
    ],
)
def test_weights_that_do_not_fit_are_named(copied: Path, changes: dict[str, Any], said: str) -> None:
    change_weights(copied, **changes)
    with pytest.raises(CheckpointError) as caught:
        load(copied)
    assert said in str(caught.value)
    assert str(copied) in str(caught.value)


def test_position_ids_of_older_checkpoints_do_no_harm(copied: Path, clip: Clip) -> None:
    change_weights(copied, **{"text_model.embeddings.position_ids": torch.arange(20)[None]})
    assert np.array_equal(load(copied).encode(ITEMS, role="query"), clip.encode(ITEMS, role="query"))


def test_weights_of_the_older_file_format_are_loaded(copied: Path, clip: Clip) -> None:
    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    assert np.array_equal(load(copied).encode(ITEMS, role="query"), clip.encode(ITEMS, role="query"))


def test_a_truncated_file_of_weights_is_named(copied: Path) -> None:
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: damaged or truncated"):
        load(copied)


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        ("config.json", "config.json"),
        ("preprocessor_config.json", "no usable preprocessor_config.json"),
        ("model.safetensors", "holds no weights"),
    ],
)
def test_a_file_that_the_checkpoint_lacks_is_named(copied: Path, removed: str, said: str) -> None:
    (copied / removed).unlink()
    with pytest.raises(CheckpointError, match=said):
        load(copied)


def test_a_checkpoint_without_vocabulary_is_refused_not_given_a_made_up_one(copied: Path) -> None:
    (copied / "merges.txt").unlink()
    with pytest.raises(CheckpointError, match=r"holds no vocabulary .* expected tokenizer\.json or vocab\.json with"):
        load(copied)


def test_a_vocabulary_beyond_the_models_is_refused_before_it_indexes_out_of_range(copied: Path) -> None:
    vocab = json.loads((copied / "vocab.json").read_text())
    (copied / "vocab.json").write_text(json.dumps(vocab | {"surplus</w>": len(vocab)}))
    with pytest.raises(CheckpointError, match="the tokenizer has 521 tokens, but the model embeds 520"):
        load(copied)


def test_another_architecture_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"model_type": "siglip"}))
    with pytest.raises(CheckpointError, match="of type 'siglip'; 'clip' loads clip"):
        load(copied)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"checkpoint": "/no/such/folder"}, "no folder that exists"),
        ({"chekpoint": "x"}, "Did you mean 'checkpoint'"),
        ({"fusion": "product"}, "fusion=product"),
        ({"image_weight": "0", "text_weight": "0"}, "image_weight and text_weight are both 0"),
    ],
)
def test_wrong_arguments_are_the_users_mistake(args: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_model("clip", LoadOptions(args=args))


def test_without_transformers_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'mbench-eval\[clip\]'"):
        load(folder)
