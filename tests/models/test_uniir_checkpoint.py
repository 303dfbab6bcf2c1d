from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.tiny_uniir import ARCHS, NAMES, QUERIES, folder, load, model, network, official_weights, save_tiny

from mbench.core.errors import CheckpointError, MissingDependencyError, ModelError, UserError
from mbench.core.types import LoadOptions
from mbench.models.catalog import MODELS, load_model
from mbench.models.hub import Located, locate
from mbench.models.weights_io import Checkpoint, load_strict


def damaged(name: str, tmp_path: Path, **changes: Any) -> Path:
    weights = {key: one for key, one in (official_weights(name) | changes).items() if one is not None}
    return save_tiny(tmp_path / name, name, weights)


DAMAGE = {
    "uniir-clip-sf": ("clip_model.text_projection", "clip_model.visual.proj"),
    "uniir-clip-ff": ("t5_layers.block.1.layer.0.SelfAttention.o.weight", "t5_layers.final_layer_norm.weight"),
    "uniir-blip-sf": ("text_proj.bias", "text_encoder.encoder.layer.1.output.LayerNorm.weight"),
    "uniir-blip-ff": ("text_encoder.pooler.dense.weight", "text_encoder.encoder.layer.0.crossattention.self.key.bias"),
}


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, name: str) -> None:
    first, second = DAMAGE[name]
    copy = damaged(name, tmp_path, **{first: None, second: torch.ones(3, 5, 7), "more.weight": torch.ones(2)})
    with pytest.raises(CheckpointError) as caught:
        load(name, copy)
    said = str(caught.value)
    assert f"1 missing: {first}" in said
    assert "1 unexpected: more.weight" in said
    assert f"{second} is [3, 5, 7], the model has" in said
    assert "tiny.pth" in said


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_is_needed_but_those_that_only_training_needs(name: str) -> None:
    weights = official_weights(name)
    needless = {key for key in weights if any(fnmatchcase(key, glob) for glob in model(name).without_effect)}
    assert len(needless) >= 1
    built = network(name)
    for key in weights:
        checkpoint = Checkpoint.of("x", {other: one for other, one in weights.items() if other != key})
        expected = nullcontext() if key in needless else pytest.raises(CheckpointError, match=f"1 missing: {key}")
        with expected:
            load_strict(built, checkpoint, ignore=model(name).without_effect)


@pytest.mark.parametrize(("name", "other"), [(NAMES[0], NAMES[1]), (NAMES[2], NAMES[3]), (NAMES[0], NAMES[2])])
def test_the_weights_of_one_model_are_not_taken_for_another(tmp_path: Path, name: str, other: str) -> None:
    copy = Path(shutil.copytree(folder(other), tmp_path / "x"))
    (copy / "arch.json").write_text(json.dumps(ARCHS[name]))
    with pytest.raises(CheckpointError, match="missing"):
        load(name, copy)


def test_the_momentum_copies_are_not_the_model(tmp_path: Path) -> None:
    weights = official_weights("uniir-blip-sf")
    changed = {key: one * 3 if "_m." in key else one for key, one in weights.items()}
    tripled = load("uniir-blip-sf", save_tiny(tmp_path / "x", "uniir-blip-sf", changed))
    expected = model("uniir-blip-sf").encode(QUERIES, role="query")
    np.testing.assert_array_equal(tripled.encode(QUERIES, role="query"), expected)


def test_positions_in_another_order_are_refused(tmp_path: Path) -> None:
    key = "text_encoder.embeddings.position_ids"
    for wrong in (torch.arange(128).flip(0)[None], torch.arange(64)[None]):
        with pytest.raises(CheckpointError, match=r"position_ids is not \[0, 1, ... 127\]"):
            load("uniir-blip-ff", damaged("uniir-blip-ff", tmp_path, **{key: wrong}))


def test_a_folder_without_or_with_several_weights_is_said_so(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder("uniir-clip-sf"), tmp_path / "x"))
    (copy / "tiny.pth").rename(copy / "a.pth")
    shutil.copy(copy / "a.pth", copy / "b.pth")
    with pytest.raises(CheckpointError, match=r"holds 2 .pth files \(a.pth, b.pth\)"):
        load("uniir-clip-sf", copy)
    official = copy / "checkpoint" / "CLIP_SF"
    official.mkdir(parents=True)
    (copy / "a.pth").rename(official / "clip_sf_large.pth")
    shutil.copy(copy / "arch.json", official)
    assert load("uniir-clip-sf", copy).card.dimension == 16
    shutil.rmtree(copy / "checkpoint")
    (copy / "b.pth").unlink()
    with pytest.raises(CheckpointError, match=r"holds no .pth file; expected one, or checkpoint/CLIP_SF/clip_sf"):
        load("uniir-clip-sf", copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"clip": None}, "clip"),
        ({"t5": {}}, "t5.num_layers"),
        ({"t5": {"d_model": 24}}, "d_model differ"),
        ({"clip": {"vision_heads": 5}}, "vision_width 24 is not divisible by 5 heads"),
        ({"clip": {"vision_width": "24"}}, "clip.vision_width"),
        ({"clip": {"vocab_size": 100}}, "the model embeds 100 tokens; the vocabulary of CLIP has 49408"),
        ({"t5": {"feed_forward_proj": "gated-gelu"}}, "t5.feed_forward_proj"),
        ({"t5": {"relative_attention_max_distance": 8}}, "relative_attention_max_distance"),
    ],
)
def test_sizes_that_cannot_be_are_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    copy = Path(shutil.copytree(folder("uniir-clip-ff"), tmp_path / "x"))
    arch: dict[str, Any] = {}
    for part, sizes in ARCHS["uniir-clip-ff"].items():
        changed = change.get(part, sizes)
        arch[part] = {**sizes, **changed} if changed else changed
    (copy / "arch.json").write_text(json.dumps(arch))
    with pytest.raises(CheckpointError, match=said):
        load("uniir-clip-ff", copy)


@pytest.mark.parametrize("name", NAMES)
def test_without_sizes_the_official_ones_are_told_from_the_vision_tower(tmp_path: Path, name: str) -> None:
    copy = Path(shutil.copytree(folder(name), tmp_path / "x"))
    (copy / "arch.json").unlink()
    with pytest.raises(CheckpointError, match="its vision tower is 24 wide; official ones are 768 or 1024"):
        load(name, copy)
    (copy / "arch.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"arch.json"):
        load(name, copy)


def test_a_vocabulary_that_is_too_large_or_absent_is_refused(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder("uniir-blip-sf"), tmp_path / "x"))
    vocabulary = copy / "tokenizer" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text(encoding="utf-8") + "one more\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="48 tokens with BLIP's two, but the model embeds 47"):
        load("uniir-blip-sf", copy)
    shutil.move(vocabulary, tmp_path / "vocab.txt")
    with pytest.raises(ModelError, match=r"google-bert/bert-base-uncased at revision 86b5e09.*--offline"):
        load("uniir-blip-sf", copy)
    with pytest.raises(CheckpointError, match=r"holds no vocab.txt"):
        load("uniir-blip-sf", copy, tokenizer=str(copy))
    with pytest.raises(CheckpointError, match="48 tokens"):
        load("uniir-blip-sf", copy, tokenizer=str(tmp_path))


def test_the_vocabulary_is_part_of_the_identity(tmp_path: Path) -> None:
    words = (folder("uniir-blip-sf") / "tokenizer" / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text(words.replace("square", "circle"), encoding="utf-8")
    other = load("uniir-blip-sf", folder("uniir-blip-sf"), tokenizer=str(tmp_path))
    assert other.identity != model("uniir-blip-sf").identity
    assert other.card.revision == model("uniir-blip-sf").card.revision


def test_what_changes_the_weights_changes_revision_and_identity(tmp_path: Path) -> None:
    copy = damaged("uniir-clip-sf", tmp_path, **{"clip_model.ln_final.bias": torch.ones(16)})
    other = load("uniir-clip-sf", copy)
    assert other.card.revision != model("uniir-clip-sf").card.revision
    assert other.identity != model("uniir-clip-sf").identity


@pytest.mark.parametrize(
    ("name", "args", "asked"),
    [
        ("uniir-clip-sf", {}, ("TIGER-Lab/UniIR", ("checkpoint/CLIP_SF/clip_sf_large.pth",))),
        ("uniir-blip-ff", {}, ("TIGER-Lab/UniIR", ("checkpoint/BLIP_FF/blip_ff_large.pth",))),
        ("uniir-clip-ff", {"checkpoint": "me/mine"}, ("me/mine", ("*.pth", "arch.json", "tokenizer/*", "vocab.txt"))),
    ],
)
def test_of_the_hub_only_the_files_of_the_model_are_fetched(
    monkeypatch: pytest.MonkeyPatch, name: str, args: dict[str, str], asked: Any
) -> None:
    seen: list[Any] = []

    def fetch(checkpoint: str, options: LoadOptions, pinned: Any = None, files: Any = ()) -> Located:
        seen.append((checkpoint, tuple(files), options.revision))
        return Located(folder(name), "c0ffee", checkpoint)

    monkeypatch.setattr("mbench.models.uniir_base.locate", fetch)
    card = load_model(name, LoadOptions(args=args, revision="v1", device="cpu")).card
    assert seen == [(*asked, "v1")]
    assert (card.revision, card.checkpoint) == ("c0ffee", asked[0])


def test_the_hub_is_asked_for_named_files_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def download(name: str, **settings: Any) -> str:
        asked.append((name, settings["revision"], settings["allow_patterns"]))
        return str(tmp_path / "c0ffee")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    located = locate("me/mine", LoadOptions(), "pinned", files=("deep/x.pth",))
    assert asked == [("me/mine", "pinned", ["deep/x.pth"])]
    assert (located.folder, located.revision) == (tmp_path / "c0ffee", "c0ffee")


@pytest.mark.parametrize("name", ["uniir-clip-ff", "uniir-blip-sf"])
def test_a_model_whose_weights_are_not_published_asks_for_them(name: str) -> None:
    with pytest.raises(UserError, match="checkpoint is missing; give --model-args checkpoint="):
        load_model(name, LoadOptions())


@pytest.mark.parametrize("name", ["uniir-clip-sf", "uniir-clip-ff"])
def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("mbench.models.uniir_base.find_spec", lambda package: None)
    with pytest.raises(MissingDependencyError, match=r"ftfy, regex: pip install 'mbench-eval\[uniir\]'"):
        load(name, folder(name))


def test_listing_the_models_imports_no_torch() -> None:
    code = "import sys; from mbench.models.catalog import MODELS; [MODELS.get(n) for n in MODELS if 'uniir' in n]; "
    done = subprocess.run(
        [sys.executable, "-c", code + "print('torch' in sys.modules)"], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "False", done.stderr
    assert set(NAMES) <= set(MODELS)
