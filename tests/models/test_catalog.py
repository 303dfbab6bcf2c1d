from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from mbench.core import registry
from mbench.core.errors import ModelError, UnknownNameError, UserError
from mbench.core.registry import Registry
from mbench.core.types import EncoderFactory, LoadOptions
from mbench.models import catalog
from mbench.models.catalog import MODELS, choose, load_model, model_card, model_cards

COLOURS = "tests.models.adapters.colours:Colours"


def installed(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Pretend that other distributions declare these entry points of the group `mbench.models`."""
    found = [EntryPoint(name, value, "mbench.models") for name, value in points.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == "mbench.models" else [])
    fresh: Registry[EncoderFactory] = Registry("model", MODELS._targets, group="mbench.models")
    monkeypatch.setattr(catalog, "MODELS", fresh)


def test_names_are_listed_with_what_follows_their_colon() -> None:
    names = [card.id for card in model_cards()]
    assert names == sorted(names)
    assert {"clip", "tiny", "tiny-dual", "random", "constant", "precomputed", "text-only:M", "image-only:M"} <= {*names}
    assert [card.id for card in model_cards("tiny*")] == ["tiny", "tiny-dual"]


def test_every_registered_name_has_a_card_and_can_load() -> None:
    for name in MODELS:
        factory = MODELS.get(name)
        assert factory.card.id == name
        assert callable(factory.load)


def test_listing_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from mbench.models.catalog import model_cards; model_cards()\n"
        "assert not {'torch', 'transformers', 'PIL.Image', 'pyarrow'} & {*sys.modules}, sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'random'"):
        load_model("randm", LoadOptions())
    with pytest.raises(UnknownNameError, match="Unknown model 'nope'"):
        load_model("text-only:nope", LoadOptions())
    with pytest.raises(UnknownNameError):
        model_cards("nope*")


@pytest.mark.parametrize("name", ["text-only", "text-only:"])
def test_a_missing_argument_is_asked_for(name: str) -> None:
    with pytest.raises(UserError, match="text-only:M"):
        load_model(name, LoadOptions())


@pytest.mark.parametrize("name", ["random:7", "random:", "clip:openai/clip-vit-large-patch14"])
def test_a_superfluous_argument_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="takes nothing after its name"):
        load_model(name, LoadOptions())


def test_the_argument_is_all_that_follows_the_first_colon() -> None:
    assert choose("text-only:image-only:tiny").argument == "image-only:tiny"
    assert choose("random").argument is None


def test_an_entry_point_adds_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, colours=COLOURS)
    assert "colours" in [card.id for card in model_cards()]
    assert model_card("colours").dimension == 3
    assert load_model("colours", LoadOptions()).card.id == "colours"
    assert load_model("text-only:colours", LoadOptions()).card.id == "text-only:colours"
    with pytest.raises(UserError, match="It takes text_weight"):
        load_model("colours", LoadOptions(args={"weight": "1"}))


def test_an_entry_point_cannot_take_a_name_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, tiny=COLOURS)
    with pytest.raises(UserError, match="wants the name 'tiny'"):
        load_model("random", LoadOptions())


def test_a_broken_plug_in_is_named_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, broken="tests.models.adapters.colours:Absent")
    with pytest.raises(ModelError, match="'broken' cannot be imported: AttributeError"):
        load_model("broken", LoadOptions())


def test_a_model_may_be_called_like_a_file_of_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("random").mkdir()
    assert load_model("random", LoadOptions()).card.id == "random"
