"""LoRA adapters: every pair arrives, with the scale that its settings tell, or an error names it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file
from tests.models.tiny_qwen2vl import ADAPTER, TOWER, change, save_tiny_adapter, truncate
from torch import nn

from mbench.core.errors import CheckpointError
from mbench.core.types import LoadOptions
from mbench.models.hub import locate
from mbench.models.lora import active, attach, merge, read_adapter
from mbench.models.qwen2vl_load import renamed

LAYER = "blocks.0.attn.qkv"
STORED = f"base_model.model.visual.{LAYER}"
PAIR = STORED.replace(".", "__")


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.ModuleDict({"qkv": nn.Linear(8, 24), "proj": nn.Linear(8, 8)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(8, 16), "fc2": nn.Linear(16, 8)})
        self.norm = nn.LayerNorm(8)


def tower() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({"visual": nn.ModuleDict({"blocks": nn.ModuleList([Block()])})}).requires_grad_(False)


def weight_of(model: nn.Module) -> torch.Tensor:
    return model.get_parameter(f"visual.{LAYER}.weight")


def change_of(folder: Path) -> torch.Tensor:
    stored = load_file(folder / ADAPTER)
    return stored[f"{STORED}.lora_B.weight"] @ stored[f"{STORED}.lora_A.weight"]


@pytest.mark.parametrize(
    ("settings", "scale"), [({}, 2.0), ({"use_rslora": True}, 4 / 2**0.5), ({"lora_alpha": 1}, 0.5)]
)
def test_merging_adds_the_scaled_product(tmp_path: Path, settings: Any, scale: float) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False, **settings)
    model = tower()
    before = weight_of(model).clone()
    merge(model, read_adapter(folder, model, renamed))
    torch.testing.assert_close(weight_of(model), before + scale * change_of(folder))


def test_dora_brings_the_changed_rows_to_the_learned_lengths(tmp_path: Path) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False, use_dora=True)
    model = tower()
    direction = weight_of(model) + 2 * change_of(folder)
    merge(model, read_adapter(folder, model, renamed))
    magnitude = load_file(folder / ADAPTER)[f"{STORED}.lora_magnitude_vector"]
    expected = magnitude[:, None] * direction / direction.norm(dim=1, keepdim=True)
    torch.testing.assert_close(weight_of(model), expected)


def test_an_attached_adapter_gives_what_the_merged_one_gives_and_leaves_no_trace_when_off(tmp_path: Path) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False)
    merged, switched = tower(), tower()
    merge(merged, read_adapter(folder, merged, renamed))
    plain = tower().get_submodule(f"visual.{LAYER}")
    attach(switched, read_adapter(folder, switched, renamed))
    layer = switched.get_submodule(f"visual.{LAYER}")
    x = torch.randn(5, 8)
    with active(switched):
        torch.testing.assert_close(layer(x), merged.get_submodule(f"visual.{LAYER}")(x))
    assert torch.equal(layer(x), plain(x))
    with active(switched, on=False):
        assert torch.equal(layer(x), plain(x))


def test_an_adapter_is_off_again_after_an_error(tmp_path: Path) -> None:
    model = tower()
    attach(model, read_adapter(save_tiny_adapter(tmp_path / "adapter", TOWER, head=False), model, renamed))
    with pytest.raises(RuntimeError), active(model):
        raise RuntimeError
    assert not any(getattr(layer, "on", False) for layer in model.modules())


def test_a_dora_adapter_is_not_switched(tmp_path: Path) -> None:
    model = tower()
    adapter = read_adapter(save_tiny_adapter(tmp_path / "adapter", TOWER, head=False, use_dora=True), model, renamed)
    with pytest.raises(CheckpointError, match="DoRA"):
        attach(model, adapter)


@pytest.mark.parametrize(
    ("part", "tensor", "said"),
    [
        ("lora_B", None, r"1 missing: visual\.blocks\.0\.attn\.qkv\.lora_B"),
        ("lora_A", torch.zeros(2, 9), r"1 of another shape: .*qkv\.lora_A\.weight is \[2, 9\], expected \[2, 8\]"),
    ],
)
def test_a_pair_that_does_not_fit_is_named(tmp_path: Path, part: str, tensor: Any, said: str) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False)
    change(folder / ADAPTER, **{f"{PAIR}__{part}__weight": tensor})
    with pytest.raises(CheckpointError, match=said):
        read_adapter(folder, tower(), renamed)


def test_what_is_no_pair_is_handed_out_to_the_model_that_knows_it(tmp_path: Path) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False)
    change(folder / ADAPTER, base_model__model__head__weight=torch.ones(2))
    saved = read_adapter(folder, tower(), renamed).saved
    assert {name: one.tolist() for name, one in saved.items()} == {"head.weight": [1, 1]}


def test_pairs_beyond_the_targets_are_unexpected(tmp_path: Path) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False)
    settings = json.loads((folder / "adapter_config.json").read_text())
    settings["target_modules"].remove("attn.qkv")
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(CheckpointError, match=r"2 unexpected: .*attn\.qkv\.lora_A"):
        read_adapter(folder, tower(), renamed)


def test_a_layer_stored_under_two_names_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False)
    twin = f"{PAIR}__lora_A__weight".replace("model__visual", "model__model__visual")
    change(folder / ADAPTER, **{twin: torch.ones(2, 8)})
    with pytest.raises(CheckpointError, match="same tensor"):
        read_adapter(folder, tower(), renamed)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"bias": "all"}, "bias = 'all'"),
        ({"rank_pattern": {"qkv": 4}}, "rank_pattern"),
        ({"lora_bias": True}, "lora_bias"),
        ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights = 'pissa_niter_4'"),
        ({"init_lora_weights": "olora"}, "init_lora_weights = 'olora'"),
        ({"target_modules": "all-linear"}, "target_modules is 'all-linear'"),
        ({"r": 0}, "r is 0"),
        ({"r": 4}, "of another shape"),
    ],
)
def test_settings_that_change_the_maths_are_not_ignored(tmp_path: Path, settings: Any, said: str) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    with pytest.raises(CheckpointError, match=said):
        read_adapter(folder, tower(), renamed)


@pytest.mark.parametrize("start", [None, True, False, "gaussian", "eva"])
def test_an_adapter_is_not_refused_for_how_its_pairs_began_training(tmp_path: Path, start: Any) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False, init_lora_weights=start)
    assert read_adapter(folder, tower(), renamed).pairs


def test_a_damaged_or_incomplete_folder_is_named(tmp_path: Path) -> None:
    folder = save_tiny_adapter(tmp_path / "adapter", TOWER, head=False)
    truncate(folder / ADAPTER)
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors: damaged or truncated"):
        read_adapter(folder, tower(), renamed)
    (folder / ADAPTER).unlink()
    with pytest.raises(CheckpointError, match=r"adapter_model\.safetensors: no such file"):
        read_adapter(folder, tower(), renamed)
    (folder / "adapter_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"adapter_config\.json"):
        read_adapter(folder, tower(), renamed)


def test_the_weights_of_an_adapter_on_the_hub_are_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def snapshot_download(name: str, *, allow_patterns: list[str], **_: Any) -> str:
        asked.append(allow_patterns)
        (tmp_path / ADAPTER).touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert locate("org/adapter", LoadOptions()).folder == tmp_path
    assert [ADAPTER in patterns for patterns in asked] == [True]
