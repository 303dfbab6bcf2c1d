"""ABC's checkpoints: what is missing, superfluous, misshaped or swapped is named, and what changes is told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.tiny_qwen2vl import ADAPTER, WEIGHTS, change, load_abc, save_tiny_abc, truncate

from mbench.core.errors import CheckpointError, UserError
from mbench.models.abc import PROMPTS

HEAD = "base_model__model__mlp_head"
QUERY = "model__layers__0__self_attn__q_proj"


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return save_tiny_abc(tmp_path_factory.mktemp("abc"))


@pytest.fixture
def fresh(tmp_path: Path) -> dict[str, str]:
    """A checkpoint to damage."""
    return save_tiny_abc(tmp_path)


@pytest.mark.parametrize(
    ("part", "name", "tensor", "said"),
    [
        ("base", f"{QUERY}__weight", None, "missing: .*q_proj"),
        ("base", "extra__weight", torch.ones(2), r"unexpected: extra\.weight"),
        ("pretrain", f"base_model__model__{QUERY}__lora_A__weight", None, "missing: .*q_proj.lora_A"),
        ("pretrain", f"{HEAD}__linear_layer1__weight", None, r"missing: mlp_head\.linear_layer1\.weight"),
        ("pretrain", f"{HEAD}__linear_layer2__bias", torch.ones(3), r"mlp_head\.linear_layer2\.bias is \[3\]"),
        ("pretrain", "base_model__model__temperature__temp", None, r"missing: temperature\.temp"),
        ("pretrain", f"{HEAD}__norm__weight", torch.ones(3), r"unexpected: mlp_head\.norm\.weight"),
        ("instruct", f"base_model__model__{QUERY}__lora_B__weight", torch.ones(16, 3), "q_proj.lora_B.weight is"),
        ("instruct", f"{HEAD}__linear_layer2__bias", torch.ones(16), r"unexpected: mlp_head\.linear_layer2\.bias"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    fresh: dict[str, str], part: str, name: str, tensor: Any, said: str
) -> None:
    file = Path(fresh[part]) / (WEIGHTS if part == "base" else ADAPTER)
    change(file, **{name: tensor})
    with pytest.raises(CheckpointError, match=said) as caught:
        load_abc(fresh)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(("part", "file"), [("base", WEIGHTS), ("pretrain", ADAPTER), ("instruct", ADAPTER)])
def test_a_truncated_file_is_named(fresh: dict[str, str], part: str, file: str) -> None:
    truncate(Path(fresh[part]) / file)
    with pytest.raises(CheckpointError, match=f"{part}/{file}: damaged or truncated"):
        load_abc(fresh)


def test_swapped_adapters_are_refused(arguments: dict[str, str]) -> None:
    swapped = arguments | {"pretrain": arguments["instruct"], "instruct": arguments["pretrain"]}
    with pytest.raises(CheckpointError, match="unexpected: mlp_head"):
        load_abc(swapped)


def test_local_checkpoints_need_no_network(arguments: dict[str, str], no_network: list[Any]) -> None:
    assert load_abc(arguments).card.id == "abc"
    assert no_network == []


def test_positions_precision_and_weights_are_part_of_the_identity(arguments: dict[str, str], tmp_path: Path) -> None:
    other = save_tiny_abc(tmp_path)
    change(Path(other["instruct"]) / ADAPTER, **{f"base_model__model__{QUERY}__lora_B__weight": torch.ones(16, 2)})
    models = [load_abc(arguments), load_abc(arguments | {"positions": "mrope"}), load_abc(other)]
    models.append(load_abc(arguments, dtype="bf16"))
    assert len({json.dumps(dict(model.identity), sort_keys=True) for model in models}) == 4
    assert models[0].card.revision == models[1].card.revision != models[2].card.revision
    assert models[0].identity["prompts"] == PROMPTS


def test_a_wrong_argument_is_refused(arguments: dict[str, str]) -> None:
    with pytest.raises(UserError, match="positions=1d"):
        load_abc(arguments | {"positions": "1d"})
    with pytest.raises(UserError, match="no revisions"):
        load_abc(arguments, revision="main")
    with pytest.raises(UserError, match="no folder that exists"):
        load_abc(arguments | {"pretrain": arguments["pretrain"] + "/absent"})


def test_a_base_of_another_architecture_is_told_before_its_image_settings(fresh: dict[str, str]) -> None:
    base = Path(fresh["base"])
    (base / "config.json").write_text('{"model_type": "llava"}')
    (base / "preprocessor_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="describes a model of type 'llava'"):
        load_abc(fresh)
