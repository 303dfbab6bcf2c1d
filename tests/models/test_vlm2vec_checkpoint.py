"""VLM2Vec's checkpoints: bases with and without an adapter, and what is missing, misshaped or of another family."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.test_vlm2vec import load, save
from tests.models.tiny_phi3 import rewrite
from tests.models.tiny_qwen2vl import ADAPTER, LANGUAGE, WEIGHTS, change, save_tiny_adapter, truncate

from mbench.core.errors import CheckpointError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models import vlm2vec
from mbench.models.hub import Located
from mbench.models.vlm2vec_base import DEFAULT_ADAPTER, DEFAULT_BASE

QUERY = "model__layers__0__self_attn__q_proj"
PAIR = f"base_model__model__{QUERY}"
TEXT = [Item("x", text="a dog")]


@pytest.fixture
def fresh(tmp_path: Path) -> dict[str, str]:
    """A checkpoint to damage."""
    return save(tmp_path)


@pytest.mark.parametrize("part", ["lora_A__weight", "lora_B__weight", "lora_magnitude_vector"])
def test_every_part_of_the_adapter_changes_the_embedding(fresh: dict[str, str], part: str) -> None:
    before = load(fresh).encode(TEXT, role="query")
    shape = {"lora_A__weight": (2, 32), "lora_B__weight": (16, 2)}.get(part, (16,))
    name = f"base_model__model__model__layers__1__mlp__down_proj__{part}"
    change(Path(fresh["adapter"]) / ADAPTER, **{name: torch.full(shape, 0.7)})
    assert abs(load(fresh).encode(TEXT, role="query") - before).max() > 1e-4


def test_a_plain_adapter_is_merged_too(fresh: dict[str, str], tmp_path: Path) -> None:
    plain = save_tiny_adapter(tmp_path / "plain", LANGUAGE, head=False)
    found = load(fresh | {"adapter": str(plain)}).encode(TEXT, role="query")
    assert abs(found - load({"base": fresh["base"]}).encode(TEXT, role="query")).max() > 1e-4


@pytest.mark.parametrize(
    ("part", "name", "tensor", "said"),
    [
        ("base", f"{QUERY}__weight", None, "missing: .*q_proj"),
        ("base", "extra__weight", torch.ones(2), r"unexpected: extra\.weight"),
        ("base", f"{QUERY}__bias", torch.ones(3), r"q_proj\.bias is \[3\]"),
        ("base", "lm_head__weight", None, r"missing: lm_head\.weight"),
        ("adapter", f"{PAIR}__lora_A__weight", None, "missing: .*q_proj.lora_A"),
        ("adapter", f"{PAIR}__lora_magnitude_vector", None, "missing: .*q_proj.lora_magnitude_vector"),
        ("adapter", f"{PAIR}__lora_B__weight", torch.ones(16, 3), "q_proj.lora_B.weight is"),
        ("adapter", "base_model__model__mlp_head__weight", torch.ones(2), r"unexpected: mlp_head\.weight"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    fresh: dict[str, str], part: str, name: str, tensor: Any, said: str
) -> None:
    file = Path(fresh[part]) / (WEIGHTS if part == "base" else ADAPTER)
    change(file, **{name: tensor})
    with pytest.raises(CheckpointError, match=said) as caught:
        load(fresh)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(("part", "file"), [("base", WEIGHTS), ("adapter", ADAPTER)])
def test_a_truncated_file_is_named(fresh: dict[str, str], part: str, file: str) -> None:
    truncate(Path(fresh[part]) / file)
    with pytest.raises(CheckpointError, match=f"{part}/{file}: damaged or truncated"):
        load(fresh)


def test_another_backbone_is_refused_with_those_that_are_followed(fresh: dict[str, str]) -> None:
    rewrite(Path(fresh["base"]) / "config.json", model_type="llava_next")
    with pytest.raises(CheckpointError, match="'llava_next'; 'vlm2vec' loads qwen2_vl or phi3_v"):
        load(fresh)


def test_an_adapter_given_as_the_base_is_told_from_one(fresh: dict[str, str]) -> None:
    with pytest.raises(CheckpointError, match="is an adapter: give it as adapter="):
        load({"base": fresh["adapter"]})


def test_without_tokenizer_settings_the_limit_is_unknown_and_the_file_named(fresh: dict[str, str]) -> None:
    (Path(fresh["base"]) / "tokenizer_config.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json"):
        load(fresh)


def test_tokenizer_and_image_settings_are_the_adapters_where_it_has_them(fresh: dict[str, str]) -> None:
    base, adapter = Path(fresh["base"]), Path(fresh["adapter"])
    for name in ("tokenizer.json", "preprocessor_config.json", "tokenizer_config.json"):
        shutil.copy(base / name, adapter / name)
    rewrite(adapter / "tokenizer_config.json", model_max_length=3)
    assert load(fresh).identity["token_limit"] == 3
    (adapter / "preprocessor_config.json").unlink()
    assert load(fresh).identity["token_limit"] == 4096


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, [(DEFAULT_BASE, None), (DEFAULT_ADAPTER, "abc")]),
        ({"base": "me/base"}, [("me/base", "abc")]),
        ({"adapter": "me/adapter"}, [(DEFAULT_BASE, None), ("me/adapter", "abc")]),
        (
            {"base": "me/base", "adapter": "me/adapter", "base_revision": "def"},
            [("me/base", "def"), ("me/adapter", "abc")],
        ),
    ],
)
def test_what_is_not_named_is_the_published_model(
    fresh: dict[str, str], monkeypatch: pytest.MonkeyPatch, given: dict[str, str], asked: list[Any]
) -> None:
    seen = []

    def local(name: str, options: LoadOptions) -> Located:
        seen.append((name, options.revision))
        return Located(Path(fresh["adapter" if name in ("me/adapter", DEFAULT_ADAPTER) else "base"]), "commit", name)

    monkeypatch.setattr(vlm2vec, "locate", local)
    found = load(given, revision="abc")
    assert seen == asked
    assert found.card.checkpoint == asked[-1][0]
    assert (found.card.license == "Apache-2.0") == (asked[-1][0] == DEFAULT_ADAPTER)
    assert found.card.base_model == (asked[0][0] if len(asked) == 2 else None)


def test_local_checkpoints_need_no_network(fresh: dict[str, str], no_network: list[Any]) -> None:
    assert load(fresh).card.id == "vlm2vec"
    assert no_network == []


def test_precision_settings_and_weights_are_part_of_the_identity(fresh: dict[str, str], tmp_path: Path) -> None:
    other = save(tmp_path / "other")
    change(Path(other["adapter"]) / ADAPTER, **{f"{PAIR}__lora_B__weight": torch.ones(16, 2)})
    models = [load(fresh), load(other), load(fresh, dtype="bf16"), load({"base": fresh["base"]})]
    models.append(load(fresh | {"max_tokens": "9"}))
    assert len({json.dumps(dict(model.identity), sort_keys=True) for model in models}) == 5
    assert models[0].card.revision == models[2].card.revision != models[1].card.revision


def test_a_wrong_argument_is_refused(fresh: dict[str, str]) -> None:
    with pytest.raises(UserError, match="unknown argument 'pretrain'"):
        load(fresh | {"pretrain": "x"})
    with pytest.raises(UserError, match="resolution=huge"):
        load(fresh | {"resolution": "huge"})
    with pytest.raises(UserError, match="no revisions"):
        load(fresh, revision="main")
    with pytest.raises(UserError, match="no folder that exists"):
        load(fresh | {"adapter": fresh["adapter"] + "/absent"})
