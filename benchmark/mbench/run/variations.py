"""What may change between two runs of one model without anybody meaning to change a score."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import get_args

from mbench.core.types import Encoder, LoadOptions
from mbench.models.device import TORCH_NAMES
from mbench.retrieval.encode import DEFAULT_BATCH
from mbench.run.model import Loaded
from mbench.run.provenance import device_of

BATCH_SIZES = (1, 7, DEFAULT_BATCH)
SIZE_ARGUMENT = "resolution"
"""The argument of an adapter that limits the pixels of a picture, a choice of names."""


@dataclass(frozen=True, slots=True)
class Change:
    """How a sample is embedded; `impossible` says why it cannot be so with this model on this machine."""

    name: str
    options: LoadOptions
    batch_size: int
    threads: int
    impossible: str = ""


def changes(model: Loaded, own: Change) -> Iterator[Change]:
    """Yield the run's own setup once more, then with one thing changed at a time."""
    yield replace(own, name="again")
    for size in BATCH_SIZES:
        if size != own.batch_size:
            yield replace(own, name=f"batch size {size}", batch_size=size)
    for count in sorted({1, os.cpu_count() or 1} - {own.threads}):
        yield replace(own, name=f"threads {count}", threads=count)
    yield from _precisions(model.encoder, own)
    yield from _devices(model.encoder, own)
    yield from _picture_sizes(model.encoder, own)


def threads() -> int:
    """Return how many threads torch uses for one operation."""
    import torch

    return torch.get_num_threads()


@contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _precisions(encoder: Encoder, own: Change) -> Iterator[Change]:
    current = (getattr(encoder, "identity", None) or {}).get("dtype")
    if current is None:
        yield replace(own, name="dtype", impossible="The model names no precision that it computes in.")
        return
    for name in TORCH_NAMES:
        if name != current:
            yield replace(own, name=f"dtype {name}", options=replace(own.options, dtype=name))


def _devices(encoder: Encoder, own: Change) -> Iterator[Change]:
    """Yield the other devices, with the precision held fast, since a device may choose its own."""
    current = device_of(encoder, own.options)
    precision = str((getattr(encoder, "identity", None) or {}).get("dtype", own.options.dtype))
    others = [name for name in _all_devices() if name != current]
    if not others:
        yield replace(own, name="device", impossible=f"This machine has no device that torch can use but {current}.")
    for name in others:
        yield replace(own, name=f"device {name}", options=replace(own.options, device=name, dtype=precision))


def _all_devices() -> list[str]:
    import torch

    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *found, *(["mps"] if torch.backends.mps.is_available() else [])]


def _picture_sizes(encoder: Encoder, own: Change) -> Iterator[Change]:
    fields = getattr(getattr(encoder, "args", None), "model_fields", {})
    if SIZE_ARGUMENT not in fields:
        yield replace(own, name="picture size", impossible="The model has no argument that limits a picture's pixels.")
        return
    current = own.options.args.get(SIZE_ARGUMENT, fields[SIZE_ARGUMENT].default)
    for name in get_args(fields[SIZE_ARGUMENT].annotation):
        if name != current:
            args = {**own.options.args, SIZE_ARGUMENT: name}
            yield replace(own, name=f"{SIZE_ARGUMENT} {name}", options=replace(own.options, args=args))
