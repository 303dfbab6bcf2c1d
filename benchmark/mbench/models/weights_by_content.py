"""Proof by content, not by name, that a checkpoint arrived in a model.

For libraries that rename tensors while they load them: what was stored must be in the model, under whatever name, and
what the model holds must have been stored. A tensor left at its random start is in no file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mbench.core.errors import CheckpointError, listed
from mbench.models.weights_io import Checkpoint, complain

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    digest: bytes


def prove_arrived(
    where: str, module: nn.Module, checkpoints: Sequence[Checkpoint], dtype: torch.dtype, ignore: Iterable[str] = ()
) -> None:
    """Verify that `module` in the precision `dtype` holds the tensors of all `checkpoints` together, and no others.

    Names that fit a glob of `ignore` may be absent on either side. Raises CheckpointError that names what is missing in
    the checkpoints and what of them did not arrive in the model.
    """
    skipped = tuple(ignore)
    here = [_Tensor(name, _digest(one, dtype)) for name, one in _distinct(where, module) if not _fits(name, skipped)]
    stored = [
        _Tensor(name, _digest(one.read(name), dtype))
        for one in checkpoints
        for name in one.shapes
        if not _fits(name, skipped)
    ]
    arrived = {one.digest for one in here}
    complain(where, _surplus(here, stored), [one.name for one in stored if one.digest not in arrived], ())


def _distinct(where: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield each tensor of the module once, also where several names share it."""
    seen: set[object] = set()
    without = [name for name, one in module.state_dict().items() if one.is_meta]
    if without:
        raise CheckpointError(f"{where}: the model was built without memory for {len(without)}: {listed(without)}.")
    for name, one in module.state_dict().items():
        memory = (one.data_ptr(), one.shape, one.stride())
        if one.numel() and memory not in seen:
            seen.add(memory)
            yield name, one


def _surplus(here: Sequence[_Tensor], stored: Sequence[_Tensor]) -> list[str]:
    """Return the module's names beyond what was stored; of equal tensors those whose name is not stored come first."""
    names = {one.name for one in stored}
    left = Counter(one.digest for one in stored)
    surplus = []
    for one in sorted(here, key=lambda one: not _named_in(names, one.name)):
        if left[one.digest]:
            left[one.digest] -= 1
        else:
            surplus.append(one.name)
    return surplus


def _named_in(names: Container[str], name: str) -> bool:
    """Tell whether `name` or what follows one of its dots is among `names`."""
    parts = name.split(".")
    return any(".".join(parts[start:]) in names for start in range(len(parts)))


def _digest(tensor: Tensor, dtype: torch.dtype) -> bytes:
    import torch

    cast = tensor.detach().to(dtype if tensor.is_floating_point() else tensor.dtype).cpu().contiguous()
    content = cast.reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(repr(tuple(tensor.shape)).encode() + content.tobytes()).digest()


def _fits(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
