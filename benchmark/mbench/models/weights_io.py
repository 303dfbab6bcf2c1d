"""Checkpoints whose every tensor is accounted for: what is missing, superfluous or of another shape is an error.

Nothing is unpickled: .safetensors files, and .bin/.pt files as far as torch's restricted reader takes them.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

from mbench.core.errors import CheckpointError, listed

if TYPE_CHECKING:
    from torch import Tensor, nn

Shape = tuple[int, ...]
Rename = Callable[[str], str]

LAYOUTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tensors of a checkpoint: `shapes` by name, and `read`, which loads one of them to the CPU.

    `where` names the file or folder in messages.
    """

    where: str
    shapes: Mapping[str, Shape]
    read: Callable[[str], Tensor]

    @staticmethod
    def of(where: str, tensors: Mapping[str, Tensor]) -> Checkpoint:
        """Return tensors that are in memory already as a checkpoint."""
        return Checkpoint(where, {name: tuple(one.shape) for name, one in tensors.items()}, tensors.__getitem__)

    @staticmethod
    def open(path: Path) -> Checkpoint:
        """Open a file of tensors, or a folder in the layout of the Hugging Face Hub, sharded or not.

        Raises CheckpointError for a folder without weights, a missing shard and a truncated or foreign file.
        """
        if path.is_dir():
            found = next((path / name for name in LAYOUTS if (path / name).is_file()), None)
            if found is None:
                raise CheckpointError(f"{path}: holds no weights; expected one of {', '.join(LAYOUTS)}.")
            return Checkpoint.open(found)
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file of weights.")
        if path.name.endswith(".index.json"):
            return _sharded(path)
        return _safetensors(path) if path.suffix == ".safetensors" else _tensors(str(path), _restricted_pickle(path))

    @staticmethod
    def inside(path: Path, key: str) -> Checkpoint:
        """Open the tensors that a .pt file holds under `key`, beside optimizer, epoch and the like.

        Raises CheckpointError for a file without the key, and for a truncated or foreign one.
        """
        data = _restricted_pickle(path)
        if not isinstance(data, dict) or key not in data:
            raise CheckpointError(f"{path}: has no part {key!r}; found {listed(data)}.")
        return _tensors(f"{path}, part {key!r}", data[key])


def load_strict(module: nn.Module, checkpoint: Checkpoint, rename: Rename = str, ignore: Iterable[str] = ()) -> None:
    """Copy every tensor of `checkpoint` into `module`, in the precision that the module has, and prove it.

    `rename` turns a checkpoint's name into the module's; names that fit a glob of `ignore` may be absent on either
    side. Raises CheckpointError that names what is missing, unexpected or of another shape; nothing is copied then.
    """
    names = matched(module, checkpoint, rename, ignore)
    targets = module.state_dict()
    for source, target in names.items():
        targets[target].copy_(checkpoint.read(source))
    _prove(targets, checkpoint, names)


def prove_loaded(module: nn.Module, checkpoint: Checkpoint, rename: Rename = str, ignore: Iterable[str] = ()) -> None:
    """Verify that `module`, which another library loaded, holds every tensor of `checkpoint`, value by value.

    Raises CheckpointError as `load_strict` does, and when a value differs: libraries rename tensors silently and leave
    those that they could not place at their random start.
    """
    _prove(module.state_dict(), checkpoint, matched(module, checkpoint, rename, ignore))


def matched(module: nn.Module, checkpoint: Checkpoint, rename: Rename, ignore: Iterable[str]) -> dict[str, str]:
    """Return the module's name for each of the checkpoint's tensors. Raises CheckpointError unless all agree.

    A tensor that shares its memory with another one of the module (tied weights) may be stored once.
    """
    skipped = tuple(ignore)
    wanted = module.state_dict()
    _refuse_meta(checkpoint.where, module)
    names = {name: rename(name) for name in checkpoint.shapes if not _fits(name, skipped)}
    arrived = {_memory(wanted[name]) for name in names.values() if name in wanted}
    absent = wanted.keys() - set(names.values())
    missing = [name for name in absent if not _fits(name, skipped) and _memory(wanted[name]) not in arrived]
    unexpected = [name for name, target in names.items() if target not in wanted]
    shapes = [
        f"{name} is {list(checkpoint.shapes[name])}, the model has {list(wanted[target].shape)}"
        for name, target in names.items()
        if target in wanted and checkpoint.shapes[name] != tuple(wanted[target].shape)
    ]
    complain(checkpoint.where, missing, unexpected, shapes)
    return names


def complain(where: str, missing: Iterable[str], unexpected: Iterable[str], shapes: Iterable[str]) -> None:
    """Raise CheckpointError that counts and names the tensors in the three lists, if there are any."""
    problems = {"missing": sorted(missing), "unexpected": sorted(unexpected), "of another shape": sorted(shapes)}
    lines = [f"  {len(names)} {what}: {listed(names)}" for what, names in problems.items() if names]
    if lines:
        raise CheckpointError(
            f"{where}: the weights do not fit the model:\n" + "\n".join(lines) + "\n"
            "Is it a checkpoint of another architecture, or one that was not saved whole?"
        )


def _prove(targets: Mapping[str, Tensor], checkpoint: Checkpoint, names: Mapping[str, str]) -> None:
    import torch

    wrong = []
    for source, target in names.items():
        here = targets[target]
        if not torch.equal(here, checkpoint.read(source).to(here.dtype).to(here.device)):
            wrong.append(source)
    if wrong:
        raise CheckpointError(
            f"{checkpoint.where}: {len(wrong)} of {len(names)} tensors did not arrive in the model: {listed(wrong)}."
        )


def _memory(tensor: Tensor) -> object:
    """Return what two tied tensors have in common, and no two others."""
    return (tensor.data_ptr(), tensor.shape, tensor.stride()) if tensor.numel() else object()


def _refuse_meta(where: str, module: nn.Module) -> None:
    """Copying into a tensor without memory does nothing, silently."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    without = [name for name, tensor in tensors if tensor.is_meta]
    if without:
        raise CheckpointError(f"{where}: the model was built without memory for {len(without)}: {listed(without)}.")


def _fits(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def _safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        file: Any = safe_open(path, framework="pt")
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged or truncated safetensors file: {error}") from None
    return Checkpoint(str(path), shapes, file.get_tensor)


def _restricted_pickle(path: Path) -> Any:
    import pickle

    import torch

    try:
        # What torch wrote before 1.6 is no zip archive and cannot be mapped.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except pickle.UnpicklingError as error:
        # torch's own message advises to execute the file.
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named is None:
            raise CheckpointError(f"{path}: damaged, or no file of weights that torch.save made.") from None
        raise CheckpointError(
            f"{path}: holds more than tensors ({named[1]}), and nothing in it is executed; "
            "ask for the weights as .safetensors."
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged or truncated file of weights: {error}") from None


def _tensors(where: str, data: Any) -> Checkpoint:
    import torch

    foreign = [str(key) for key, value in data.items() if not torch.is_tensor(value)] if isinstance(data, dict) else []
    if not isinstance(data, dict) or foreign:
        raise CheckpointError(
            f"{where}: expected a mapping of names to tensors; found other values: {listed(foreign)}."
        )
    return Checkpoint.of(where, data)


def _sharded(index: Path) -> Checkpoint:
    try:
        shard_of = dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{index}: not an index of shards: {type(error).__name__}: {error}") from None
    if not shard_of:
        raise CheckpointError(f"{index}: not an index of shards: its weight_map is empty.")
    foreign = [name for name in shard_of.values() if name != Path(str(name)).name]
    if foreign:
        raise CheckpointError(f"{index}: shards must lie beside the index; found {listed(foreign)}.")
    shards = {name: Checkpoint.open(index.parent / name) for name in sorted(set(shard_of.values()))}
    absent = [name for name, shard in shard_of.items() if name not in shards[shard].shapes]
    if absent:
        raise CheckpointError(f"{index}: {len(absent)} tensors are in no shard: {listed(absent)}.")
    owner = {name: shard for shard in shards.values() for name in shard.shapes}
    shapes = {name: shard.shapes[name] for name, shard in owner.items()}
    return Checkpoint(str(index), shapes, lambda name: owner[name].read(name))
