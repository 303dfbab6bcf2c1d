"""A tier of its own (marker open_clip): open_clip needs torchvision, which does not go with the CPU build of torch."""

from __future__ import annotations

import json
import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.models.strange_pictures import STRANGE
from tests.models.tiny_clip import ITEMS, noise

from mbench.core.errors import CheckpointError, ModelError, UnknownNameError, UserError
from mbench.core.types import Item, LoadOptions, Vectors
from mbench.models.catalog import load_model
from mbench.models.open_clip import OpenClip

pytestmark = [
    pytest.mark.open_clip,
    pytest.mark.skipif(find_spec("open_clip") is None, reason="open_clip is not installed: make test-open-clip"),
]
ARCH = "tiny-arch"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
PREPARED = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "interpolation": "bilinear", "resize_mode": "shortest"}
PICTURES = [noise(50, 40), noise(40, 70, "RGBA", seed=1), noise(64, 64, seed=2).quantize(16)]
TEXTS = ["a red cat", "", "dog " * 40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model in open_clip's layout, with the same weights once more as a file beside its architecture."""
    import open_clip

    root: Path = tmp_path_factory.mktemp("open-clip") / "tiny-open"
    root.mkdir()
    (root.parent / f"{ARCH}.json").write_text(json.dumps(CONFIG))
    (root / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG, "preprocess_cfg": PREPARED}))
    open_clip.add_model_config(root.parent / f"{ARCH}.json")
    torch.manual_seed(0)
    model = open_clip.create_model(ARCH)
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.1)
    save_file(
        {name: one.contiguous() for name, one in model.state_dict().items()}, root / "open_clip_model.safetensors"
    )
    return root


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


def load(name: str, dtype: str = "auto", **args: str) -> OpenClip:
    found = load_model(f"open_clip:{name}", LoadOptions(args=args, device="cpu", dtype=dtype, offline=True))
    assert isinstance(found, OpenClip)
    return found


def weights_of(folder: Path) -> str:
    return str(folder / "open_clip_model.safetensors")


def own(name: str, weights: str | None = None, **settings: Any) -> tuple[Vectors, Vectors]:
    """What open_clip's own code makes of the pictures and texts, normalised."""
    import open_clip

    network, prepare = open_clip.create_model_from_pretrained(name, pretrained=weights, **settings)
    network.eval()
    with torch.no_grad():
        images = network.encode_image(torch.stack([prepare(one) for one in PICTURES]), normalize=True)
        texts = network.encode_text(open_clip.get_tokenizer(name)(TEXTS), normalize=True)
    return images.numpy(), texts.numpy()


def vectors(model: OpenClip) -> tuple[Vectors, Vectors]:
    images = [Item(str(place), image=one) for place, one in enumerate(PICTURES)]
    texts = [Item(str(place), text=one) for place, one in enumerate(TEXTS)]
    return model.encode(images, role="candidate"), model.encode(texts, role="query")


@pytest.mark.usefixtures("no_network")
def test_a_folder_gives_what_open_clip_makes_of_it(folder: Path, model: OpenClip) -> None:
    for found, expected in zip(vectors(model), own(f"local-dir:{folder}"), strict=True):
        assert np.allclose(found, expected, atol=1e-5)


def test_a_file_of_weights_of_an_own_architecture_gives_what_open_clip_makes_of_it(folder: Path) -> None:
    found = load(ARCH, checkpoint=weights_of(folder), config=str(folder.parent / f"{ARCH}.json"))
    for one, expected in zip(vectors(found), own(ARCH, weights_of(folder)), strict=True):
        assert np.allclose(one, expected, atol=1e-5)
    assert found.card.id == f"open_clip:{ARCH}"


def test_pictures_are_prepared_and_activations_chosen_as_the_tag_was_trained(folder: Path, tag: str) -> None:
    found = vectors(load(tag, checkpoint=weights_of(folder)))
    settings = {f"image_{name}": value for name, value in PREPARED.items()}
    for one, expected in zip(found, own(ARCH, weights_of(folder), force_quick_gelu=True, **settings), strict=True):
        assert np.allclose(one, expected, atol=1e-5)
    assert not np.allclose(found[0], own(ARCH, weights_of(folder))[0], atol=1e-3)


def test_picture_and_text_are_fused_late(model: OpenClip) -> None:
    item = Item("q", text="cat", image=PICTURES[0], instruction="red")
    parts = model.encode([Item("t", text="red cat"), Item("i", image=PICTURES[0])], role="query")
    assert np.allclose(model.encode([item], role="query")[0], parts.sum(axis=0), atol=1e-6)


@pytest.mark.parametrize("role", ["query", "candidate"])
def test_a_vector_does_not_depend_on_the_batch(model: OpenClip, role: Any) -> None:
    together = model.encode(ITEMS, role=role)
    assert together.dtype == np.float32
    assert np.allclose(together, np.concatenate([model.encode([one], role=role) for one in ITEMS]), atol=1e-5)


def test_strange_pictures_have_finite_vectors(model: OpenClip) -> None:
    found = model.encode([Item(key, image=picture) for key, picture in STRANGE.items()], role="candidate")
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_very_long_picture_is_what_open_clip_makes_of_it(model: OpenClip, folder: Path) -> None:
    import open_clip

    picture = noise(2400, 8)
    network, prepare = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    with torch.no_grad():
        expected = network.eval().encode_image(prepare(picture)[None], normalize=True).numpy()
    assert np.allclose(model.encode([Item("long", image=picture)], role="candidate"), expected, atol=2e-3)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_low_precision_is_near_full_precision(folder: Path, model: OpenClip, dtype: str) -> None:
    found = load(str(folder), dtype=dtype)
    assert found.identity["dtype"] == dtype and found.identity != model.identity
    for low, full in zip(vectors(found), vectors(model), strict=True):
        assert low.dtype == np.float32 and np.allclose(low, full, atol=0.05)


def test_the_card_tells_the_loaded_weights_and_not_where_they_lie(folder: Path, model: OpenClip) -> None:
    import open_clip

    card = model.card
    assert (card.id, card.dimension, card.checkpoint) == ("open_clip:tiny-open", 16, "tiny-open")
    assert card.parameters == sum(one.numel() for one in load_file(weights_of(folder)).values())
    assert model.identity["open_clip"] == open_clip.__version__
    assert str(folder.parent) not in card.model_dump_json() + json.dumps(dict(model.identity))
    with_file = load(ARCH, checkpoint=weights_of(folder), config=str(folder.parent / f"{ARCH}.json"))
    assert json.dumps(dict(with_file.identity)) and with_file.card.revision != card.revision


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


def test_a_model_can_be_sent_to_another_process(model: OpenClip) -> None:
    sent = pickle.loads(pickle.dumps(model))
    assert np.array_equal(sent.encode(ITEMS, role="query"), model.encode(ITEMS, role="query"))
