from __future__ import annotations

import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.models.tiny_inversion import ITEMS, load, phi, save_clip, save_phi
from torch import nn

from mbench.core.errors import CheckpointError, MissingDependencyError, UserError
from mbench.core.types import LoadOptions
from mbench.models.cards import shipped_card
from mbench.models.catalog import load_model
from mbench.models.hub import locate
from mbench.models.inversion import Inversion
from mbench.models.searle import Searle


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with the one network phi in its folder."""
    folder = save_clip(tmp_path_factory.mktemp("searle") / "tiny-clip")
    save_phi(folder / "SEARLE_tiny.pt", phi())
    return folder


@pytest.fixture(scope="module")
def searle(tiny: Path) -> Inversion:
    return load("searle", tiny)


@pytest.fixture
def damaged(tiny: Path, tmp_path: Path) -> Path:
    """A checkpoint to damage."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def test_what_changes_an_embedding_changes_the_identity(tiny: Path, tmp_path: Path, searle: Inversion) -> None:
    other = save_phi(tmp_path / "other.pt", phi().apply(_redrawn))
    changes: list[dict[str, str]] = [{"preprocess": "clip"}, {"use_instruction": "1"}, {"phi": str(other)}]
    models = [searle, *(load("searle", tiny, **change) for change in changes)]
    assert len({json.dumps(dict(model.identity), sort_keys=True) for model in models}) == len(models)
    assert load("searle", tiny, id="mine").identity == searle.identity


def _redrawn(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        layer.reset_parameters()


def test_the_card_tells_what_was_loaded_and_not_where_it_lies(tiny: Path, searle: Inversion) -> None:
    weights = load_file(tiny / "model.safetensors")
    own = sum(one.numel() for one in phi().parameters())
    card = searle.card
    assert (card.id, card.dimension, card.base_model, card.checkpoint) == ("searle", 16, "tiny-clip", "SEARLE_tiny.pt")
    assert card.parameters == sum(one.numel() for one in weights.values()) + own
    assert (card.title, card.license, card.training_datasets) == ("SEARLE (tiny-clip)", "not stated", None)
    assert str(tiny.parent) not in card.model_dump_json() + json.dumps(dict(searle.identity))


def test_the_card_counts_the_weights_of_the_published_networks() -> None:
    sizes = 768, 3072, 768
    with torch.device("meta"):
        own = sum(one.numel() for one in phi(*sizes).parameters())
    assert shipped_card("searle").parameters == (shipped_card("clip").parameters or 0) + own


def test_the_default_clip_is_pinned(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    asked: list[Any] = []

    def remember(checkpoint: str, options: LoadOptions, pinned: str | None = None) -> Any:
        asked.append((checkpoint, pinned))
        return locate("/absent", options)

    monkeypatch.setattr("mbench.models.searle.locate", remember)
    phi_file = {"phi": str(tiny / "SEARLE_tiny.pt")}
    for args in (phi_file, phi_file | {"checkpoint": "openai/clip-vit-base-patch32"}):
        with pytest.raises(UserError):
            load_model("searle", LoadOptions(args=args))
    clip = shipped_card("clip")
    assert asked == [(clip.checkpoint, clip.revision), ("openai/clip-vit-base-patch32", None)]
    assert Searle.card.base_model == clip.checkpoint


@pytest.mark.usefixtures("no_network")
def test_a_local_checkpoint_needs_no_network(tiny: Path) -> None:
    vectors = load_model("searle", LoadOptions(args={"checkpoint": str(tiny)})).encode(ITEMS, role="query")
    assert len(vectors) == len(ITEMS)


@pytest.mark.parametrize("files", [0, 2])
def test_without_phi_it_is_told_where_to_get_it(damaged: Path, files: int) -> None:
    phi_file = damaged / "SEARLE_tiny.pt"
    if files:
        shutil.copy(phi_file, damaged / "another.pt")
    else:
        phi_file.unlink()
    with pytest.raises(UserError, match=r"download https://github\.com/miccunifi/SEARLE/.*phi=FILE"):
        load("searle", damaged)


def test_a_network_for_another_size_of_clip_is_refused(damaged: Path) -> None:
    save_phi(damaged / "SEARLE_tiny.pt", phi(given=12))
    with pytest.raises(CheckpointError, match="from features of 12, but CLIP has words of 24 and features of 16"):
        load("searle", damaged)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers.9.weight": torch.ones(2)}, "1 unexpected: layers.9.weight"),
        ({"layers.3.weight": torch.ones(40, 41)}, "layers.3.weight is [40, 41], the model has [40, 40]"),
        (
            {"layers.6.weight": torch.ones(3)},
            "expected a network with the matrices layers.0.weight and layers.6.weight",
        ),
    ],
)
def test_weights_of_phi_that_do_not_fit_are_named(damaged: Path, changes: dict[str, Any], said: str) -> None:
    save_phi(damaged / "SEARLE_tiny.pt", phi(), **changes)
    with pytest.raises(CheckpointError) as caught:
        load("searle", damaged)
    assert said in str(caught.value)
    assert "SEARLE_tiny.pt" in str(caught.value)


def test_a_missing_tensor_of_phi_is_named(damaged: Path) -> None:
    weights = {f"layers.{name}": one for name, one in phi().state_dict().items() if name != "3.bias"}
    torch.save({"Phi": weights}, damaged / "SEARLE_tiny.pt")
    with pytest.raises(CheckpointError, match=r"1 missing: layers\.3\.bias"):
        load("searle", damaged)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('executed').touch()",)


def test_a_hostile_file_is_not_executed(damaged: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"Phi": Hostile()}, damaged / "SEARLE_tiny.pt")
    with pytest.raises(CheckpointError, match="nothing in it is executed"):
        load("searle", damaged)
    (damaged / "SEARLE_tiny.pt").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(CheckpointError, match=r"SEARLE_tiny\.pt"):
        load("searle", damaged)
    assert not (tmp_path / "executed").exists()


def test_a_vocabulary_without_the_slot_is_refused(damaged: Path) -> None:
    vocab = json.loads((damaged / "vocab.json").read_text())
    vocab["unused"] = vocab.pop("$</w>")
    (damaged / "vocab.json").write_text(json.dumps(vocab))
    with pytest.raises(CheckpointError, match=r"no single token for '\$'"):
        load("searle", damaged)


def test_another_architecture_is_refused(damaged: Path) -> None:
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps(config | {"model_type": "siglip"}))
    with pytest.raises(CheckpointError, match="of type 'siglip'; 'searle' loads clip"):
        load("searle", damaged)


@pytest.mark.parametrize("package", ["ftfy", "transformers"])
def test_without_its_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tiny: Path, package: str) -> None:
    monkeypatch.setattr("mbench.models.inversion.find_spec", lambda name: None if name == package else name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"needs {package}: pip install 'mbench-eval\[searle\]'"):
        load("searle", tiny)
