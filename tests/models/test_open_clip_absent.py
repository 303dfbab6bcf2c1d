"""What needs no open_clip to be tested."""

from __future__ import annotations

import sys

import pytest

from mbench.core.errors import MissingDependencyError, UserError
from mbench.core.types import LoadOptions
from mbench.models.catalog import load_model, model_cards


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mbench-eval\[open-clip\]'") as caught:
        load_model("open_clip:ViT-B-32/openai", LoadOptions())
    assert caught.value.exit_code == 3


def test_its_name_says_what_follows_the_colon() -> None:
    assert [card.id for card in model_cards("open_clip")] == ["open_clip:ARCH/PRETRAINED"]
    with pytest.raises(UserError, match="open_clip:ARCH/PRETRAINED"):
        load_model("open_clip", LoadOptions())
