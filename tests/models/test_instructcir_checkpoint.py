"""InstructCIR's checkpoint: what is missing, superfluous, misshaped or contradictory is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.models.test_instructcir import load
from tests.models.tiny_phi3 import IDS, TEXT, rewrite, save_tiny_instructcir
from tests.models.tiny_qwen2vl import WEIGHTS, change, truncate

from mbench.core.errors import CheckpointError, UserError
from mbench.core.types import LoadOptions
from mbench.models.instructcir import InstructCir
from mbench.models.instructcir_net import renamed

LAYER = "language_model__model__layers__1__mlp__up_proj__weight"
TOWER = "vision_tower__vision_model"


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A checkpoint to damage."""
    return save_tiny_instructcir(tmp_path / "tiny")


def test_every_tensor_of_the_checkpoint_arrives(fresh: Path) -> None:
    state = load(fresh).network.state_dict()
    stored = load_file(fresh / WEIGHTS)
    stored.pop("language_model.lm_head.weight")
    assert state.keys() == {renamed(name) for name in stored}
    for name, tensor in stored.items():
        torch.testing.assert_close(state[renamed(name)], tensor, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        (LAYER, None, r"missing: language\.layers\.1\.mlp\.up_proj\.weight"),
        (f"{TOWER}__post_layernorm__bias", None, r"missing: vision\.post_layernorm\.bias"),
        ("multi_modal_projector__linear_2__bias", None, r"missing: projector\.linear_2\.bias"),
        ("language_model__lm_head__weight", None, r"missing: language_model\.lm_head\.weight"),
        ("language_model__lm_head__weight", torch.ones(3, 16), r"lm_head\.weight is \[3, 16\]"),
        (LAYER, torch.ones(3, 3), r"up_proj\.weight is \[3, 3\]"),
        ("ret_proj__weight", torch.ones(2), r"unexpected: ret_proj\.weight"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(fresh: Path, name: str, tensor: Any, said: str) -> None:
    change(fresh / WEIGHTS, **{name: tensor})
    with pytest.raises(CheckpointError, match=said) as caught:
        load(fresh)
    assert str(fresh / WEIGHTS) in str(caught.value)


def test_positions_that_old_checkpoints_store_are_no_error(fresh: Path) -> None:
    change(fresh / WEIGHTS, **{f"{TOWER}__embeddings__position_ids": torch.arange(5)[None]})
    assert load(fresh).network.vision.embeddings.position_ids.tolist() == [[0, 1, 2, 3, 4]]


def test_a_truncated_file_is_named(fresh: Path) -> None:
    truncate(fresh / WEIGHTS)
    with pytest.raises(CheckpointError, match=f"{WEIGHTS}: damaged or truncated"):
        load(fresh)


@pytest.mark.parametrize(
    ("file", "changed", "said"),
    [
        ("config", {"model_type": "llava"}, "type 'llava'.*loads instructcir_llava_phi35"),
        ("config", {"vision_config": None}, "has no part vision_config"),
        ("config", {"vision_feature_select_strategy": "cls"}, "no network can be built"),
        ("config", {"text_config": TEXT | {"rope_scaling": {"type": "yarn"}}}, "rope_scaling is of the type 'yarn'"),
        ("config", {"text_config": TEXT | {"rope_scaling": {"type": "longrope"}}}, "KeyError: 'short_factor'"),
        ("config", {"image_token_index": 3}, f"<image> is token {IDS['<image>']}, but image_token_index .* is 3"),
        ("config", {"text_config": TEXT | {"vocab_size": 8}}, "embed_tokens.weight is|lm_head.weight is"),
        ("tokenizer_config", {"chat_template": None}, "holds no chat_template"),
        ("tokenizer_config", {"chat_template": "{% for %}"}, "the chat template cannot be rendered"),
        ("tokenizer_config", {"chat_template": "{{ messages.append(1) }}"}, "the chat template cannot be rendered"),
        ("tokenizer_config", {"chat_template": "{{ ''.__class__.__mro__ }}"}, "the chat template cannot be rendered"),
        ("tokenizer_config", {"tokenizer_class": "GPT2Tokenizer"}, "tokenizer_class is 'GPT2Tokenizer'"),
        ("tokenizer_config", {"bos_token": None}, "add_bos_token is set, but there is no bos_token"),
        ("tokenizer_config", {"added_tokens_decoder": {"5": {"content": "<image>"}}}, "<image> is not token 5"),
        ("tokenizer", {"model": None}, "tokenizer.json: not a tokenizer"),
        ("preprocessor_config", {"crop_size": {"height": 14, "width": 14}}, "takes 28 x 28 pixels"),
    ],
)
def test_a_file_that_contradicts_the_model_is_named(fresh: Path, file: str, changed: Any, said: str) -> None:
    rewrite(fresh / f"{file}.json", **changed)
    with pytest.raises(CheckpointError, match=said) as caught:
        load(fresh)
    assert str(fresh) in str(caught.value)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"])
def test_a_file_that_is_not_there_is_named(fresh: Path, file: str) -> None:
    (fresh / file).unlink()
    with pytest.raises(CheckpointError, match=file):
        load(fresh)


def test_settings_that_the_official_code_leaves_out_have_its_defaults(fresh: Path) -> None:
    config = json.loads((fresh / "config.json").read_text())
    text = {key: value for key, value in config["text_config"].items() if key != "num_key_value_heads"}
    before = load(fresh).identity
    rewrite(fresh / "config.json", text_config=text)
    found = load(fresh)
    assert found.network.language.config.num_key_value_heads == TEXT["num_attention_heads"]
    assert found.identity != before


def test_the_template_may_stand_in_a_file_of_its_own(fresh: Path) -> None:
    path = fresh / "tokenizer_config.json"
    template = json.loads(path.read_text())["chat_template"]
    rewrite(path, chat_template=None)
    (fresh / "chat_template.jinja").write_text(template)
    assert load(fresh).template.source == template


def test_a_local_checkpoint_needs_no_network(fresh: Path, no_network: list[Any]) -> None:
    assert load(fresh).card.id == "instructcir"
    assert no_network == []


def test_precision_and_weights_are_part_of_the_identity(fresh: Path, tmp_path: Path) -> None:
    other = save_tiny_instructcir(tmp_path / "other", seed=3)
    models = [load(fresh), load(other), load(fresh, dtype="bf16")]
    assert len({json.dumps(dict(model.identity), sort_keys=True) for model in models}) == 3
    assert models[0].card.revision == models[2].card.revision != models[1].card.revision


def test_a_wrong_argument_is_refused(fresh: Path) -> None:
    with pytest.raises(UserError, match="unknown argument 'base'"):
        InstructCir.load(LoadOptions(args={"base": str(fresh)}))
    with pytest.raises(UserError, match="no revisions"):
        load(fresh, revision="main")
    with pytest.raises(UserError, match="no folder that exists"):
        load(fresh / "absent")
