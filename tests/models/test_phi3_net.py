"""What the models on Phi-3.5 share: positions of two lengths, last states, vision layers that are not run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.models.tiny_phi3 import ROPE, SMALL_VISION
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaModel, Phi3Config
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

from mbench.core.errors import CheckpointError
from mbench.models.phi3_net import LongRope, RopeSettings, last_states, patch_states

SHORT = 32
SIZES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 9}
PATH = Path("config.json")


def settings(kind: str = "longrope") -> RopeSettings:
    config = {"rope_scaling": {"type": kind, **ROPE}, "original_max_position_embeddings": SHORT}
    return RopeSettings.of(config, LlamaConfig(**SIZES, max_position_embeddings=1024), PATH)


@pytest.mark.parametrize("length", [1, SHORT, SHORT + 1, 500])
def test_positions_are_those_of_transformers_for_an_input_of_that_length(length: int) -> None:
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, **ROPE, "original_max_position_embeddings": SHORT}
    config = Phi3Config(
        **SIZES, max_position_embeddings=1024, original_max_position_embeddings=SHORT, rope_parameters=rope,
        pad_token_id=None,
    )  # fmt: skip
    x, positions = torch.zeros(1, length, 16), torch.arange(length)[None]
    for found, expected in zip(
        LongRope(settings())(x, positions), Phi3RotaryEmbedding(config)(x, positions), strict=True
    ):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_long_input_leaves_no_trace_on_the_next_short_one() -> None:
    rope, x = LongRope(settings()), torch.zeros(1, 1, 16)
    before = rope(x, torch.arange(5)[None])
    rope(x, torch.arange(500)[None])
    for one, other in zip(before, rope(x, torch.arange(5)[None]), strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_positions_keep_their_precision_and_give_that_of_the_network() -> None:
    cosines, _ = LongRope(settings())(torch.zeros(1, 1, 16, dtype=torch.bfloat16), torch.tensor([[31]]))
    exact, _ = LongRope(settings())(torch.zeros(1, 1, 16), torch.tensor([[31]]))
    assert cosines.dtype == torch.bfloat16
    torch.testing.assert_close(cosines, exact.to(torch.bfloat16), atol=0, rtol=0)


def test_the_first_name_of_the_rule_is_understood_and_another_rule_is_not() -> None:
    assert settings("su") == settings()
    with pytest.raises(CheckpointError, match=r"config\.json.*'yarn'"):
        settings("yarn")


def test_wrong_numbers_of_factors_are_refused() -> None:
    config = {"rope_scaling": {"type": "su", "short_factor": [1.0], "long_factor": [1.0]}}
    with pytest.raises(CheckpointError, match="original_max_position_embeddings"):
        RopeSettings.of(config, LlamaConfig(**SIZES), PATH)
    with pytest.raises(CheckpointError, match="short_factor has 1 factors for heads of 4 pairs"):
        RopeSettings.of(config | {"original_max_position_embeddings": 8}, LlamaConfig(**SIZES), PATH)


def test_last_states_are_those_of_each_row_alone() -> None:
    torch.manual_seed(0)
    model = LlamaModel(LlamaConfig(**SIZES, max_position_embeddings=1024, initializer_range=0.5)).eval()
    model.rotary_emb = LongRope(settings())
    rows = [torch.randn(length, 16) for length in (3, 70, 1, SHORT, SHORT + 1)]
    with torch.inference_mode():
        found = last_states(model, rows, SHORT)
        for row, state in zip(rows, found, strict=True):
            alone = model(inputs_embeds=row[None], use_cache=False).last_hidden_state[0, -1]
            torch.testing.assert_close(state, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layer", [0, 1, 2, -1, -2, -3])
def test_patch_states_are_the_hidden_states_of_that_layer(layer: int) -> None:
    torch.manual_seed(0)
    tower = CLIPVisionModel(CLIPVisionConfig(**SMALL_VISION, image_size=28)).eval()
    pixels = torch.randn(2, 3, 28, 28)
    with torch.inference_mode():
        expected = tower(pixel_values=pixels, output_hidden_states=True).hidden_states[layer]
        inner = getattr(tower, "vision_model", tower)
        torch.testing.assert_close(patch_states(inner, pixels, layer), expected)
    assert len(inner.encoder.layers) == 2
