"""UniIR's networks against the same ones in transformers, with random weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.models.tiny_uniir import CLIP, MED, SIDE, T5, VIT, network

from mbench.models.uniir_sizes import T5Sizes
from mbench.models.uniir_t5_net import FusionStack, relative_buckets

PIXELS = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def part(weights: dict[str, Any], prefix: str, *renames: tuple[str, str]) -> dict[str, Any]:
    """The weights below `prefix`, renamed."""
    found = {}
    for name, weight in weights.items():
        if name.startswith(prefix):
            short = name.removeprefix(prefix)
            for old, new in renames:
                short = short.replace(old, new)
            found[short] = weight
    return found


def split(weights: dict[str, Any]) -> dict[str, Any]:
    """CLIP's joint projections as the three that transformers has."""
    found = {}
    for name, weight in weights.items():
        if "self_attn.in_proj_" in name:
            for kind, piece in zip("qkv", weight.chunk(3), strict=True):
                found[name.replace("in_proj_", f"{kind}_proj.")] = piece
        else:
            found[name] = weight
    return found


BLOCKS = (
    ("transformer.resblocks.", "encoder.layers."), (".attn.", ".self_attn."), ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
)  # fmt: skip


def test_the_vision_tower_of_clip_is_transformers() -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    clip = network("uniir-clip-ff").clip_model
    config = CLIPVisionConfig(
        hidden_size=24, intermediate_size=96, projection_dim=16, num_hidden_layers=2, num_attention_heads=3,
        image_size=SIDE, patch_size=8, hidden_act="quick_gelu",
    )  # fmt: skip
    theirs: Any = CLIPVisionModelWithProjection(config).eval()
    names = (
        *BLOCKS, ("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm"), ("conv1", "embeddings.patch_embedding"),
        ("class_embedding", "embeddings.class_embedding"),
        ("positional_embedding", "embeddings.position_embedding.weight"),
    )  # fmt: skip
    weights = {f"vision_model.{name}": one for name, one in split(part(clip.state_dict(), "visual.", *names)).items()}
    weights["visual_projection.weight"] = weights.pop("vision_model.proj").T
    missing = theirs.load_state_dict(weights, strict=False)
    assert missing.unexpected_keys == []
    assert [name for name in missing.missing_keys if "position_ids" not in name] == []
    with torch.no_grad():
        found = theirs(pixel_values=PIXELS)
        every = theirs.visual_projection(theirs.vision_model.post_layernorm(found.last_hidden_state))
        assert torch.allclose(clip.visual(PIXELS), found.image_embeds, atol=1e-5)
        assert torch.allclose(clip.visual(PIXELS, every=True), every, atol=1e-5)


def test_the_text_tower_of_clip_is_transformers() -> None:
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    clip = network("uniir-clip-sf").clip_model
    config = CLIPTextConfig(
        vocab_size=CLIP["vocab_size"], hidden_size=16, intermediate_size=64, projection_dim=16, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=77, hidden_act="quick_gelu", eos_token_id=2,
    )  # fmt: skip
    theirs: Any = CLIPTextModelWithProjection(config).eval()
    names = (
        *BLOCKS, ("ln_final", "final_layer_norm"), ("token_embedding", "embeddings.token_embedding"),
        ("positional_embedding", "embeddings.position_embedding.weight"),
    )  # fmt: skip
    own = {name: one for name, one in clip.state_dict().items() if not name.startswith("visual.")}
    weights = {f"text_model.{name}": one for name, one in split(part(own, "", *names)).items()}
    weights["text_projection.weight"] = weights.pop("text_model.text_projection").T
    missing = theirs.load_state_dict(weights, strict=False)
    assert missing.unexpected_keys == []
    assert [name for name in missing.missing_keys if "position_ids" not in name] == []
    ids = torch.zeros(2, 77, dtype=torch.int64)
    ids[0, :4] = torch.tensor([49406, 320, 736, 49407])
    ids[1, :6] = torch.tensor([49406, 5, 49407, 7, 8, 49407])
    with torch.no_grad():
        found = theirs(input_ids=ids)
        assert torch.allclose(clip.text(ids), found.text_embeds, atol=1e-5)
        assert torch.allclose(clip.text_states(ids), found.last_hidden_state, atol=1e-5)


@pytest.mark.parametrize("length", [3, 40, 300])
def test_the_fusing_layers_are_those_of_t5(length: int) -> None:
    from transformers import T5Config
    from transformers.models.t5.modeling_t5 import T5Stack

    ours = FusionStack(T5Sizes(**T5)).eval()
    for parameter in ours.parameters():
        parameter.data.normal_(std=0.3)
    config = T5Config(vocab_size=5, is_encoder_decoder=False, use_cache=False, dropout_rate=0.0, **T5)
    theirs: Any = T5Stack(config).eval()
    missing = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert missing.unexpected_keys == []
    assert [name for name in missing.missing_keys if name != "embed_tokens.weight"] == []
    states = torch.randn(2, length, T5["d_model"])
    with torch.no_grad():
        expected = theirs(inputs_embeds=states).last_hidden_state
        assert torch.allclose(ours(states), expected, atol=1e-4, rtol=1e-4)


def test_positions_ahead_and_behind_have_buckets_of_their_own() -> None:
    buckets = relative_buckets(400, T5Sizes(**T5))
    assert buckets[0, :9].tolist() == [0, 17, 18, 19, 20, 21, 22, 23, 24]
    assert buckets[:9, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert (buckets[0, 130:] == 31).all()
    assert (buckets[130:, 0] == 15).all()


def test_the_vision_transformer_of_blip_is_transformers() -> None:
    from transformers import BlipVisionConfig, BlipVisionModel

    ours = network("uniir-blip-ff").visual_encoder
    config = BlipVisionConfig(
        hidden_size=24, intermediate_size=96, num_hidden_layers=2, num_attention_heads=3, image_size=SIDE,
        patch_size=VIT["patch_size"], layer_norm_eps=1e-6,
    )  # fmt: skip
    theirs: Any = BlipVisionModel(config).eval()
    names = (
        ("blocks.", "encoder.layers."), ("norm1", "layer_norm1"), ("norm2", "layer_norm2"),
        ("attn.proj", "self_attn.projection"), ("attn.qkv", "self_attn.qkv"),
        ("cls_token", "embeddings.class_embedding"), ("pos_embed", "embeddings.position_embedding"),
        ("patch_embed.proj", "embeddings.patch_embedding"),
    )  # fmt: skip
    weights = part(ours.state_dict(), "", *names)
    weights |= {f"post_layernorm.{kind}": weights.pop(f"norm.{kind}") for kind in ("weight", "bias")}
    theirs.load_state_dict(weights)
    with torch.no_grad():
        assert torch.allclose(ours(PIXELS), theirs(pixel_values=PIXELS).last_hidden_state, atol=1e-5)


@pytest.mark.parametrize("crosses", [False, True])
def test_the_text_encoder_of_blip_is_transformers(crosses: bool) -> None:
    from transformers import BlipTextConfig
    from transformers.models.blip.modeling_blip_text import BlipTextModel

    ours = network("uniir-blip-ff" if crosses else "uniir-blip-sf").text_encoder
    sizes = {name: size for name, size in MED.items() if name != "encoder_width"}
    config = BlipTextConfig(
        encoder_hidden_size=MED["encoder_width"], is_decoder=True, bos_token_id=2, eos_token_id=3, sep_token_id=3,
        **sizes,
    )  # fmt: skip
    theirs: Any = BlipTextModel(config, add_pooling_layer=crosses).eval()
    missing = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert missing.unexpected_keys == []
    skipped = ("position_ids",) if crosses else ("position_ids", "crossattention")
    assert [name for name in missing.missing_keys if not any(one in name for one in skipped)] == []
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    present = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    picture = torch.randn(2, 7, MED["encoder_width"]) if crosses else None
    with torch.no_grad():
        found = theirs(ids, attention_mask=present, encoder_hidden_states=picture, is_decoder=False)
        expected = found.pooler_output if crosses else found.last_hidden_state[:, 0]
        assert torch.allclose(ours(ids, present.bool(), picture), expected, atol=1e-5)
