from __future__ import annotations

import pytest

from mbench.core.errors import SpecError
from mbench.models.cards import FOLDER, read_card, shipped_card
from mbench.models.catalog import MODELS, model_cards


def test_every_registered_model_has_a_card_and_every_card_a_model() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(MODELS)
    assert [card.id.partition(":")[0] for card in model_cards()] == sorted(MODELS)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_a_shipped_card_tells_what_the_leaderboard_shows(name: str) -> None:
    card = shipped_card(name)
    assert card.title and card.description and card.license
    # InstructCIR has no prompt for texts alone.
    assert card.modalities == ["text", "image", "image+text"][name == "instructcir" :]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id: x\nmodalities: [text]\nuses_instructions: true\nlicence: MIT\n", "did you mean 'license'"),
        ("id: x\nmodalities: [sound]\nuses_instructions: true\nlicense: MIT\n", "modalities.0"),
        ("id: [", "not valid YAML"),
        ("- id", "expected a mapping"),
    ],
)
def test_a_wrong_card_is_refused_with_file_and_key(tmp_path, text: str, said: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_card(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_card_that_is_not_there_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SpecError, match="no-such"):
        read_card(tmp_path / "no-such.yaml")


def test_clip_counts_the_weights_of_the_published_architecture() -> None:
    import torch
    from transformers import CLIPConfig, CLIPModel

    text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768}
    vision = {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
        "patch_size": 14, "projection_dim": 768,
    }  # fmt: skip
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=768))
    assert sum(weights.numel() for weights in model.parameters()) == shipped_card("clip").parameters
