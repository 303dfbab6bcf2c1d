from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mbench.core.errors import CheckpointError
from mbench.models.weights_io import Checkpoint, load_strict, prove_loaded


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.last = nn.Linear(2, 3, bias=False)
        self.tied = nn.Linear(2, 3, bias=False)
        self.tied.weight = self.last.weight


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {name: torch.rand(t.shape) if t.is_floating_point() else t + 7 for name, t in Net().state_dict().items()}


def equal(net: nn.Module, weights: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, weights[name]) for name, tensor in net.state_dict().items() if name in weights)


def tied_once(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in weights.items() if name != "tied.weight"}


def test_every_tensor_arrives_from_a_file(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    once = tied_once(weights)
    save_file(once, tmp_path / "model.safetensors")
    for place in (tmp_path, tmp_path / "model.safetensors"):
        net = Net()
        load_strict(net, Checkpoint.open(place))
        assert equal(net, once)
        prove_loaded(net, Checkpoint.open(place))


def test_tensors_take_the_precision_of_the_model(weights: dict[str, torch.Tensor]) -> None:
    net = Net().half()
    load_strict(net, Checkpoint.of("here", tied_once(weights)))
    assert net.first.weight.dtype == torch.float16
    assert torch.equal(net.first.weight, weights["first.weight"].half())
    prove_loaded(net, Checkpoint.of("here", tied_once(weights)))


def test_missing_unexpected_and_misshapen_tensors_are_all_named_and_nothing_is_copied(
    weights: dict[str, torch.Tensor],
) -> None:
    wrong = tied_once(weights)
    del wrong["norm.running_mean"]
    wrong["first.weight"] = torch.ones(2, 4)
    wrong["head.weight"] = torch.ones(1)
    net = Net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        load_strict(net, Checkpoint.of("the-file", wrong))
    said = str(caught.value)
    assert "the-file" in said
    assert "1 missing: norm.running_mean" in said
    assert "1 unexpected: head.weight" in said
    assert "1 of another shape: first.weight is [2, 4], the model has [2, 3]" in said
    assert equal(net, before)


def test_a_tied_tensor_that_no_name_brings_is_missing(weights: dict[str, torch.Tensor]) -> None:
    neither = {name: one for name, one in weights.items() if name not in ("tied.weight", "last.weight")}
    with pytest.raises(CheckpointError, match=r"2 missing: last\.weight, tied\.weight"):
        load_strict(Net(), Checkpoint.of("here", neither))


def test_a_checkpoint_that_contradicts_the_ties_of_the_model_is_refused(weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"did not arrive in the model: last\.weight"):
        load_strict(Net(), Checkpoint.of("here", weights))
    load_strict(Net(), Checkpoint.of("here", weights | {"tied.weight": weights["last.weight"]}))


def test_names_can_be_translated_and_named_exceptions_made(weights: dict[str, torch.Tensor]) -> None:
    stored = {f"module.{name}": one for name, one in tied_once(weights).items() if name != "norm.num_batches_tracked"}
    stored["module.optimizer.step"] = torch.ones(1)
    net = Net()
    ignore = ("*.num_batches_tracked", "module.optimizer.*")
    load_strict(net, Checkpoint.of("here", stored), lambda name: name.removeprefix("module."), ignore)
    assert equal(net, {name.removeprefix("module."): one for name, one in stored.items()})


def test_a_library_that_left_a_tensor_at_its_random_start_is_caught(weights: dict[str, torch.Tensor]) -> None:
    net = Net()
    load_strict(net, Checkpoint.of("here", tied_once(weights)))
    with torch.no_grad():
        net.first.bias[1] += 1e-3
    with pytest.raises(CheckpointError, match=r"1 of 8 tensors did not arrive in the model: first\.bias"):
        prove_loaded(net, Checkpoint.of("here", tied_once(weights)))


def test_a_model_without_memory_is_not_loaded_into_silently(weights: dict[str, torch.Tensor]) -> None:
    with torch.device("meta"):
        net = Net()
    with pytest.raises(CheckpointError, match="without memory for"):
        load_strict(net, Checkpoint.of("here", weights))


def sharded(folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    names = sorted(weights)
    shard_of = {name: f"model-{place % 2 + 1}-of-2.safetensors" for place, name in enumerate(names)}
    for shard in set(shard_of.values()):
        save_file({name: weights[name] for name in names if shard_of[name] == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shard_of}))
    return folder


def test_shards_are_read_as_one(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    once = tied_once(weights)
    net = Net()
    load_strict(net, Checkpoint.open(sharded(tmp_path, once)))
    assert equal(net, once)


def test_a_shard_that_is_not_there_is_named(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    sharded(tmp_path, tied_once(weights))
    (tmp_path / "model-2-of-2.safetensors").unlink()
    with pytest.raises(CheckpointError, match="model-2-of-2"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ('{"weight_map": {"x": "model-1.safetensors"}}', "1 tensors are in no shard: x"),
        ('{"weight_map": {"x": "../model-1.safetensors"}}', "must lie beside the index"),
        ("{}", "not an index of shards"),
        ("[", "not an index of shards"),
    ],
)
def test_a_wrong_index_is_refused(tmp_path: Path, index: str, said: str) -> None:
    save_file({"y": torch.ones(1)}, tmp_path / "model-1.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=said):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize("cut", [4, 200, -3])
def test_a_truncated_safetensors_file_is_refused(tmp_path: Path, cut: int, weights: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "model.safetensors"
    save_file(tied_once(weights), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match="damaged or truncated") as caught:
        Checkpoint.open(tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_older_files_are_read_without_unpickling_more_than_tensors(
    tmp_path: Path, weights: dict[str, torch.Tensor], zipped: bool
) -> None:
    torch.save(tied_once(weights), tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    net = Net()
    load_strict(net, Checkpoint.open(tmp_path))
    assert equal(net, tied_once(weights))


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('executed').touch()",)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_hostile_pickle_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pytorch_model.bin"
    torch.save({"x": Hostile()}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin: .* \((builtins\.|__builtin__\.)?exec\)") as caught:
        Checkpoint.open(tmp_path)
    assert "weights_only" not in str(caught.value)
    path.write_bytes(pickle.dumps({"x": Hostile()}))
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        Checkpoint.open(tmp_path)
    path.write_text("{}")
    with pytest.raises(CheckpointError, match=r"no file of weights that torch\.save made"):
        Checkpoint.open(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_an_index_of_no_shards_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    with pytest.raises(CheckpointError, match="weight_map is empty"):
        Checkpoint.open(tmp_path)


def test_a_truncated_older_file_is_refused(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(weights, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        Checkpoint.open(path)


def test_other_values_among_the_tensors_are_named(tmp_path: Path) -> None:
    torch.save({"model": {"x": torch.ones(1)}, "epoch": 3}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="found other values: model, epoch"):
        Checkpoint.open(tmp_path)


def test_a_part_of_an_older_file_is_read_alone(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "phi.pt"
    torch.save({"epoch": 3, "net": tied_once(weights), "optimizer": {"lr": 0.1}}, path)
    net = Net()
    load_strict(net, Checkpoint.inside(path, "net"))
    assert equal(net, tied_once(weights))
    with pytest.raises(CheckpointError, match=r"phi\.pt: has no part 'Phi'; found epoch, net, optimizer"):
        Checkpoint.inside(path, "Phi")
    with pytest.raises(CheckpointError, match=r"part 'optimizer': expected a mapping of names to tensors; .* lr"):
        Checkpoint.inside(path, "optimizer")


def test_a_folder_without_weights_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no weights; expected one of model\.safetensors"):
        Checkpoint.open(tmp_path)
    with pytest.raises(CheckpointError, match="no such file"):
        Checkpoint.open(tmp_path / "x.safetensors")
