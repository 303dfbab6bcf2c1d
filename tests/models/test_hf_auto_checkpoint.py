from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.tiny_blip import save_tiny_blip
from tests.models.tiny_clip import ITEMS

from mbench.core.errors import CheckpointError, ModelError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.clip import Clip
from mbench.models.hf_auto import HfAuto

OWN_CODE = """
from transformers import CLIPModel, CLIPConfig

class ToyConfig(CLIPConfig):
    model_type = "toy"

class ToyModel(CLIPModel):
    config_class = ToyConfig

    def get_text_features(self, input_ids=None, attention_mask=None):
        found = super().get_text_features(input_ids=input_ids, attention_mask=attention_mask)
        return -getattr(found, "pooler_output", found)
"""


def load(folder: Path, trust: bool = False) -> HfAuto:
    options = LoadOptions(device="cpu", offline=True, trust_remote_code=trust)
    model = load_model(f"hf:{folder}", options)
    assert isinstance(model, HfAuto)
    return model


@pytest.mark.usefixtures("no_network")
def test_local_and_offline_need_no_network(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_model(f"hf:{folder}", LoadOptions(device="cpu")).encode(ITEMS, role="query")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for trust in (False, True):
        with pytest.raises(ModelError, match="--offline forbids"):
            load_model("hf:some/model", LoadOptions(offline=True, trust_remote_code=trust))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"visual_projection.weight": None}, "1 missing: visual_projection.weight"),
        ({"text_model.extra": torch.ones(2)}, "1 unexpected: text_model.extra"),
        ({"text_projection.weight": torch.ones(16, 25)}, "text_projection.weight is [16, 25], the model has [16, 24]"),
    ],
)
def test_weights_that_do_not_fit_are_named(copied: Path, changes: dict[str, torch.Tensor | None], said: str) -> None:
    path = copied / "model.safetensors"
    weights: dict[str, torch.Tensor | None] = {**load_file(path), **changes}
    save_file({key: one for key, one in weights.items() if one is not None}, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError) as caught:
        load(copied)
    assert said in str(caught.value)


def test_weights_saved_under_the_prefix_of_the_model_are_loaded(copied: Path, clip: Clip) -> None:
    path = copied / "model.safetensors"
    save_file({f"clip.{key}": one for key, one in load_file(path).items()}, path, metadata={"format": "pt"})
    assert np.array_equal(load(copied).encode(ITEMS, role="query"), clip.encode(ITEMS, role="query"))


def test_a_head_that_the_towers_do_not_use_makes_the_checkpoint_another_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"missing: .*text_model"):
        load(save_tiny_blip(tmp_path / "retrieval-blip"))


def test_a_model_without_towers_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTModel

    folder = tmp_path / "vit"
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    ViTModel(ViTConfig(**sizes, image_size=16, patch_size=8)).save_pretrained(folder)
    with pytest.raises(CheckpointError, match="ViTModel has no get_image_features and no get_text_features"):
        load(folder)


@pytest.mark.parametrize(("file", "said"), [("config.json", r"config\.json"), ("merges.txt", "holds no vocabulary")])
def test_a_file_that_the_checkpoint_lacks_is_named(copied: Path, file: str, said: str) -> None:
    (copied / file).unlink()
    with pytest.raises(CheckpointError, match=said):
        load(copied)


def test_a_type_that_transformers_does_not_know_is_named(copied: Path) -> None:
    (copied / "config.json").write_text(json.dumps({"model_type": "no-such"}))
    with pytest.raises(CheckpointError, match="no-such"):
        load(copied)


@pytest.fixture
def own_code(copied: Path, tmp_path: Path) -> Path:
    """A checkpoint whose code, which comes with it, negates the features of texts."""
    config = json.loads((copied / "config.json").read_text())
    code = {"AutoConfig": "modeling_toy.ToyConfig", "AutoModel": "modeling_toy.ToyModel"}
    (copied / "config.json").write_text(json.dumps(config | {"model_type": "toy", "auto_map": code}))
    (copied / "modeling_toy.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n{OWN_CODE}"
    )
    return copied


def test_code_of_a_checkpoint_does_not_run_unless_it_is_trusted(own_code: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"code of its own \(modeling_toy.ToyConfig, .*only with --trust-remote-code"):
        load(own_code)
    assert not (tmp_path / "ran").exists()


def test_trusted_code_runs_and_enters_the_identity(
    own_code: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    text = [Item("t", text="a red cat")]
    trusted = load(own_code, trust=True)
    assert np.array_equal(trusted.encode(text, role="query"), -clip.encode(text, role="query"))
    before = trusted.identity["code"]
    (own_code / "more.py").write_text("MORE = 1\n")
    assert load(own_code, trust=True).identity["code"] != before
