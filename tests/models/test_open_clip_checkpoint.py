from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.tiny_open_clip import ARCH, PREPARED, TEXTS, TIER, load, own, save_tiny_open_clip, vectors, weights_of

from mbench.core.errors import CheckpointError, ModelError, UnknownNameError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.open_clip import OpenClip

pytestmark = TIER


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_open_clip(tmp_path_factory.mktemp("open-clip") / "tiny-open")


@pytest.fixture(scope="module")
def model(folder: Path) -> OpenClip:
    return load(str(folder))


@pytest.fixture
def tag(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tag of the tiny architecture whose pictures were prepared in a way of its own, and with QuickGELU."""
    import open_clip.pretrained

    told = {**PREPARED, "hf_hub": "some/model/", "quick_gelu": True}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, ARCH, {"mine": told})
    return f"{ARCH}/mine"


def test_a_training_checkpoint_of_several_processes_is_read(folder: Path, model: OpenClip, tmp_path: Path) -> None:
    state = {f"module.{name}": one for name, one in load_file(weights_of(folder)).items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": state}, tmp_path / "epoch_3.pt")
    found = load(ARCH, checkpoint=str(tmp_path / "epoch_3.pt"))
    assert np.allclose(vectors(found)[1], vectors(model)[1], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"visual.proj": None}, "visual.proj"),
        ({"visual.extra": torch.ones(2)}, "visual.extra"),
        ({"text_projection": torch.ones(3, 16)}, "text_projection"),
    ],
)
def test_weights_that_do_not_fit_are_named(folder: Path, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    state = {**load_file(weights_of(folder)), **changes}
    save_file({name: one for name, one in state.items() if one is not None}, tmp_path / "wrong.safetensors")
    with pytest.raises(CheckpointError, match=said):
        load(ARCH, checkpoint=str(tmp_path / "wrong.safetensors"))


def test_files_that_hold_no_weights_are_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "short.safetensors").write_bytes(Path(weights_of(folder)).read_bytes()[:-50])
    (tmp_path / "big_vision.npz").write_bytes(b"x")
    for name, said in {"short.safetensors": "truncated", "big_vision.npz": "arrays of JAX"}.items():
        with pytest.raises(CheckpointError, match=said):
            load(ARCH, checkpoint=str(tmp_path / name))


@pytest.mark.parametrize("name", [f"{ARCH}/mine", "hf-hub:some/model"])
@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_weights_of_the_hub_are_fetched_once_and_their_commit_is_kept(
    name: str, file: str, tag: str, folder: Path, model: OpenClip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub.utils import filter_repo_objects

    hub, snapshot = tmp_path / "hub", tmp_path / "snapshots" / ("c" * 40)
    hub.mkdir()
    torch.save(load_file(weights_of(folder)), hub / "open_clip_pytorch_model.bin")
    for one in folder.iterdir():
        if one.suffix == ".json" or one.name == file:
            shutil.copyfile(one, hub / one.name)

    def snapshot_download(repository: str, *, allow_patterns: list[str], revision: str | None, **_: object) -> str:
        assert (repository, revision) == ("some/model", "main")
        snapshot.mkdir(parents=True, exist_ok=True)
        for one in filter_repo_objects([path.name for path in hub.iterdir()], allow_patterns=allow_patterns):
            shutil.copyfile(hub / one, snapshot / one)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    found = load_model(f"open_clip:{name}", LoadOptions(device="cpu", revision="main"))
    assert found.card.revision == "c" * 40
    assert [path.name for path in snapshot.iterdir() if path.suffix != ".json"] == [file]
    quick = own(ARCH, weights_of(folder), force_quick_gelu=True)
    expected = vectors(model)[1] if name.startswith("hf-hub:") else quick[1]
    assert np.allclose(found.encode([Item(t, text=t) for t in TEXTS], role="query"), expected, atol=1e-5)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_hostile_checkpoint_is_not_executed(folder: Path, tmp_path: Path) -> None:
    state = load_file(weights_of(folder))
    torch.save({"state_dict": state, "args": Hostile(tmp_path / "ran")}, tmp_path / "hostile.pt")
    with pytest.raises(CheckpointError, match="nothing in it is executed"):
        load(ARCH, checkpoint=str(tmp_path / "hostile.pt"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("no_network")
def test_names_that_open_clip_does_not_know_are_told(
    tag: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UnknownNameError, match="Did you mean 'ViT-B-32'"):
        load("ViT-B-33/openai")
    with pytest.raises(UnknownNameError, match="It has mine"):
        load(f"{ARCH}/others")
    with pytest.raises(UserError, match="needs weights: open_clip:tiny-arch/TAG with one of mine"):
        load(ARCH)
    with pytest.raises(ModelError, match="--offline forbids"):
        load(tag)
    with pytest.raises(UserError, match="no architecture 'ViT-B-32'"):
        load("ViT-B-32", checkpoint=weights_of(folder), config=str(folder.parent / f"{ARCH}.json"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no weights"):
        load(str(tmp_path / "empty"))
