from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file
from tests.models.tiny_sentence_transformers import save_text

from mbench.core.errors import CheckpointError, MissingDependencyError, ModelError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.sentence_transformers import SentenceTransformers
from mbench.models.weights_by_content import prove_arrived
from mbench.models.weights_io import Checkpoint

TEXT = [Item("t", text="a red cat")]
OWN_CODE = """
from pathlib import Path
from sentence_transformers.base.modules import Normalize

Path(RAN).touch()

class Flip(Normalize):
    def forward(self, features):
        features["sentence_embedding"] = -features["sentence_embedding"]
        return features
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_text(tmp_path_factory.mktemp("sentence-transformers") / "tiny-text")


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def load(folder: Path, trust: bool = False, dtype: str = "auto") -> SentenceTransformers:
    options = LoadOptions(device="cpu", offline=True, trust_remote_code=trust, dtype=dtype)
    model = load_model(f"sentence-transformers:{folder}", options)
    assert isinstance(model, SentenceTransformers)
    return model


@pytest.mark.usefixtures("no_network")
def test_a_local_folder_needs_no_network(saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_model(f"sentence-transformers:{saved}", LoadOptions(device="cpu")).encode(TEXT, role="query")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="--offline forbids"):
        load_model("sentence-transformers:some/model", LoadOptions(offline=True))
    with pytest.raises(UserError, match="no revisions"):
        load_model(f"sentence-transformers:{saved}", LoadOptions(revision="main"))


def test_only_what_is_needed_is_fetched_from_the_hub_and_the_commit_is_kept(
    copy: Path, saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The dense layer has its weights in the old format alone, and beside the whole lie exports of it."""
    torch.save(load_file(copy / "2_Dense" / "model.safetensors"), copy / "2_Dense" / "pytorch_model.bin")
    (copy / "2_Dense" / "model.safetensors").unlink()
    for unwanted in ("pytorch_model.bin", "onnx/model.onnx", "openvino/openvino_model.bin"):
        (copy / unwanted).parent.mkdir(exist_ok=True)
        (copy / unwanted).write_bytes(b"x")
    snapshot = tmp_path / "snapshots" / ("c" * 40)
    asked = []

    def snapshot_download(name: str, *, allow_patterns: list[str], revision: str | None, **_: object) -> str:
        asked.append((name, revision))
        files = [path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()]
        for file in filter_repo_objects(files, allow_patterns=allow_patterns):
            (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(copy / file, snapshot / file)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    model = load_model("sentence-transformers:some/model", LoadOptions(device="cpu", revision="main"))
    assert (model.card.id, model.card.revision) == ("sentence-transformers:some/model", "c" * 40)
    assert np.allclose(model.encode(TEXT, role="query"), load(saved).encode(TEXT, role="query"), atol=1e-6)
    fetched = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    assert not {"pytorch_model.bin", "onnx/model.onnx", "openvino/openvino_model.bin", "README.md"} & fetched
    pickle.loads(pickle.dumps(model))
    assert asked[0] == ("some/model", "main") and asked[-1] == ("some/model", "c" * 40)


@pytest.mark.parametrize(("dtype", "torch_dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_the_whole_model_has_the_wanted_precision(saved: Path, dtype: str, torch_dtype: torch.dtype) -> None:
    model = load(saved, dtype=dtype)
    assert {one.dtype for one in model.model.parameters()} == {torch_dtype}
    found = model.encode(TEXT, role="query")
    assert found.dtype == np.float32
    assert np.allclose(found, load(saved).encode(TEXT, role="query"), atol=0.02)


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        (
            "model.safetensors",
            {"encoder.layer.1.output.dense.weight": None},
            r"missing: .*layer\.1\.output\.dense\.wei",
        ),
        ("model.safetensors", {"encoder.layer.9.extra": torch.ones(2)}, r"unexpected: encoder\.layer\.9\.extra"),
        ("model.safetensors", {"embeddings.word_embeddings.weight": torch.ones(3, 24)}, "word_embeddings"),
        ("2_Dense/model.safetensors", {"linear.bias": None}, "linear.bias"),
        ("2_Dense/model.safetensors", {"linear.more": torch.ones(2)}, "linear.more"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    copy: Path, file: str, changes: dict[str, torch.Tensor | None], said: str
) -> None:
    path = copy / file
    weights: dict[str, torch.Tensor | None] = {**load_file(path), **changes}
    save_file({key: one for key, one in weights.items() if one is not None}, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=said):
        load(copy)


def test_truncated_weights_are_a_message(copy: Path) -> None:
    path = copy / "2_Dense" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="truncated"):
        load(copy)


def test_equal_tensors_do_not_hide_one_that_was_not_stored() -> None:
    model = torch.nn.Sequential(torch.nn.LayerNorm(4), torch.nn.LayerNorm(4))
    stored = {f"model.{name}": one.clone() for name, one in model.state_dict().items()}
    prove_arrived("here", model, [Checkpoint.of("here", stored)], torch.float32)
    without = {name: one for name, one in stored.items() if name != "model.1.weight"}
    with pytest.raises(CheckpointError, match=r"1 missing: .\.weight"):
        prove_arrived("here", model, [Checkpoint.of("here", without)], torch.float32)


def test_an_adapter_without_its_base_is_refused(copy: Path) -> None:
    (copy / "adapter_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="PEFT adapter"):
        load(copy)


def test_a_similarity_that_mbench_does_not_compute_is_refused(copy: Path) -> None:
    path = copy / "config_sentence_transformers.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "similarity_fn_name": "manhattan"}))
    with pytest.raises(CheckpointError, match="compares by manhattan"):
        load(copy)


@pytest.fixture
def own_code(copy: Path, tmp_path: Path) -> Path:
    """A checkpoint whose last module, which comes with it, negates the vectors."""
    (copy / "flip.py").write_text(OWN_CODE.replace("RAN", repr(str(tmp_path / "ran"))))
    modules = json.loads((copy / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Flip", "type": "flip.Flip"})
    (copy / "modules.json").write_text(json.dumps(modules))
    (copy / "3_Flip").mkdir()
    return copy


def test_code_of_a_checkpoint_does_not_run_unless_it_is_trusted(own_code: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"code of its own \(flip.Flip\).*only with --trust-remote-code"):
        load(own_code)
    assert not (tmp_path / "ran").exists()


def test_trusted_code_runs_and_enters_the_identity(
    own_code: Path, saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    trusted = load(own_code, trust=True)
    assert np.allclose(trusted.encode(TEXT, role="query"), -load(saved).encode(TEXT, role="query"), atol=1e-6)
    before = trusted.identity["code"]
    (own_code / "more.py").write_text("MORE = 1\n")
    assert load(own_code, trust=True).identity["code"] != before


def test_a_missing_package_is_told_with_the_command_that_installs_it(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'mbench-eval\[sentence-transformers\]'") as caught:
        load(saved)
    assert caught.value.exit_code == 3


def test_a_version_that_does_not_tell_modalities_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mbench.models.sentence_transformers_load.version", lambda name: "5.3.1")
    with pytest.raises(MissingDependencyError, match=r"needs sentence-transformers 5\.4 or later; here is 5\.3\.1"):
        load(saved)


def test_listing_models_imports_none_of_the_optional_libraries() -> None:
    code = (
        "import sys\nfrom mbench.models.catalog import model_cards\nassert model_cards('sentence-transformers')\n"
        "model_cards()\n"
        "print(sorted({'sentence_transformers', 'mteb', 'open_clip', 'datasets', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
