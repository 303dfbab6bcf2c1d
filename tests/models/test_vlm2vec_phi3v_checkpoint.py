"""VLM2Vec's checkpoints on Phi-3.5-V: every tensor arrives, the adapter's included, or an error names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.models.test_vlm2vec import load
from tests.models.tiny_phi3 import LAYERS, TOWER, WIDTH, rewrite, save_phi3v_adapter, save_tiny_phi3v, small_tower
from tests.models.tiny_qwen2vl import ADAPTER, WEIGHTS, change, truncate

from mbench.core.errors import CheckpointError
from mbench.models.vlm2vec_phi3v_net import renamed

EMBEDDED = "model__embed_tokens__weight"
TWIN = "model__vision_embed_tokens__wte__weight"


@pytest.fixture(autouse=True, scope="module")
def _small_tower() -> Iterator[None]:
    with small_tower():
        yield


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("phi3v")
    return {"base": str(save_tiny_phi3v(folder / "base")), "adapter": str(save_phi3v_adapter(folder / "adapter"))}


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A checkpoint to damage."""
    return save_tiny_phi3v(tmp_path / "base")


def test_every_tensor_of_the_checkpoint_arrives(fresh: Path) -> None:
    state = load({"base": fresh}).backbone.network.state_dict()
    stored = load_file(fresh / WEIGHTS)
    stored.pop("lm_head.weight")
    assert state.keys() == {renamed(name) for name in stored}
    for name, tensor in stored.items():
        torch.testing.assert_close(state[renamed(name)], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("layer", ["model.layers.1.self_attn.qkv_proj", f"{TOWER}.encoder.layers.0.self_attn.k_proj"])
def test_the_adapter_reaches_the_language_model_and_the_vision_tower(arguments: dict[str, str], layer: str) -> None:
    plain, adapted = (load(given).backbone.network for given in ({"base": arguments["base"]}, arguments))
    stored = load_file(Path(arguments["adapter"]) / ADAPTER)
    weight, at = plain.get_parameter(f"{renamed(layer)}.weight"), f"base_model.model.{layer}"
    changed = weight + 2 * stored[f"{at}.lora_B.weight"] @ stored[f"{at}.lora_A.weight"]
    changed *= (stored[f"{at}.lora_magnitude_vector"] / changed.norm(dim=1))[:, None]
    torch.testing.assert_close(adapted.get_parameter(f"{renamed(layer)}.weight"), changed)


def test_the_embedding_that_is_stored_under_two_names_may_stand_under_either(fresh: Path) -> None:
    table = load_file(fresh / WEIGHTS)["model.embed_tokens.weight"]
    for changed in ({TWIN: table}, {TWIN: table, EMBEDDED: None}):
        change(fresh / WEIGHTS, **changed)
        network = load({"base": fresh}).backbone.network
        torch.testing.assert_close(network.language.embed_tokens.weight, table, rtol=0, atol=0)
    change(fresh / WEIGHTS, **{EMBEDDED: table + 1})
    with pytest.raises(CheckpointError, match="did not arrive"):
        load({"base": fresh})


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("model__vision_embed_tokens__glb_GN", None, "missing: glb_GN"),
        ("model__vision_embed_tokens__img_projection__2__bias", None, r"missing: img_projection\.2\.bias"),
        ("model__layers__0__mlp__gate_up_proj__weight", torch.ones(2, 2), r"gate_up_proj\.weight is \[2, 2\]"),
        ("model__layers__9__mlp__down_proj__weight", torch.ones(2), r"unexpected: model\.layers\.9\.mlp\.down_proj"),
        ("lm_head__weight", None, r"missing: lm_head\.weight"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(fresh: Path, name: str, tensor: Any, said: str) -> None:
    change(fresh / WEIGHTS, **{name: tensor})
    with pytest.raises(CheckpointError, match=said) as caught:
        load({"base": fresh})
    assert str(fresh / WEIGHTS) in str(caught.value)


def test_a_truncated_file_is_named(fresh: Path) -> None:
    truncate(fresh / WEIGHTS)
    with pytest.raises(CheckpointError, match=f"{WEIGHTS}: damaged or truncated"):
        load({"base": fresh})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"img_processor": None}, "has no part img_processor"),
        ({"img_processor": {"name": "siglip"}}, "img_processor.name is 'siglip'"),
        ({"embd_layer": {"hd_transform_order": "glb_sub"}}, "embd_layer.hd_transform_order is 'glb_sub'"),
        ({"rope_scaling": {"type": "yarn"}}, "'yarn'"),
        ({"num_attention_heads": 3}, "config.json"),
    ],
)
def test_settings_that_are_not_followed_are_refused(fresh: Path, changed: dict[str, Any], said: str) -> None:
    rewrite(fresh / "config.json", **changed)
    with pytest.raises(CheckpointError, match=said):
        load({"base": fresh})


def test_settings_of_the_official_code_alone_change_nothing(fresh: Path) -> None:
    rewrite(
        fresh / "config.json", _attn_implementation="flash_attention_2", auto_map={"AutoConfig": "x.Y"}, use_cache=True
    )
    network = load({"base": fresh}).backbone.network
    assert network.language.config._attn_implementation == "sdpa"
    assert len(network.language.layers) == LAYERS
    assert network.language.config.hidden_size == WIDTH
