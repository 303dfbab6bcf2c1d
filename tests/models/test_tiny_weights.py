"""The weights that ship are those that the documents name."""

from __future__ import annotations

import pytest
from tests.models.test_tiny import FILES, NAMES

from mbench.core.files import file_sha256
from mbench.core.types import LoadOptions
from mbench.models.catalog import load_model
from mbench.models.tiny import WEIGHTS, Tiny

LARGEST_BYTES = 8 * 1024 * 1024


@pytest.mark.parametrize("name", NAMES)
def test_shipped_weights_are_those_of_the_readme(name: str) -> None:
    path = WEIGHTS / FILES[name]
    assert path.stat().st_size <= LARGEST_BYTES
    line = next(one for one in (WEIGHTS / "README.md").read_text("utf-8").splitlines() if f" {path.name} |" in one)
    assert f"| {path.stat().st_size} |" in line
    assert file_sha256(path) in line


@pytest.mark.parametrize("name", NAMES)
def test_the_card_that_is_listed_tells_the_size_that_the_network_has(name: str) -> None:
    model = load_model(name, LoadOptions(device="cpu"))
    assert isinstance(model, Tiny)
    total = sum(parameter.numel() for parameter in model.net.parameters())
    assert type(model).card.parameters == total
    assert model.card.parameters == total
    assert 1_000_000 <= total <= 3_000_000
