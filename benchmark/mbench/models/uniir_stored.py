"""Tensors as a pickle of torch describes them: where their numbers lie, not yet the numbers themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mbench.models.uniir_pickle import Call, Name, Reference, call_of
from mbench.models.weights_io import Shape

if TYPE_CHECKING:
    import torch

MOST_DIMENSIONS = 64
ELEMENTS = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """Consecutive numbers in the file: `count` of type `element`, in the record `key`."""

    key: str
    element: str
    count: int

    @property
    def dtype(self) -> torch.dtype:
        """The type of the numbers as torch names it."""
        import torch

        found: torch.dtype = getattr(torch, self.element)
        return found

    @property
    def size(self) -> int:
        """How many bytes they take."""
        return self.count * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor: a view of a storage."""

    storage: Storage
    offset: int
    shape: Shape
    strides: Shape

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.strides) or len(self.shape) > MOST_DIMENSIONS:
            raise ValueError("its shape and strides do not go together")
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if math.prod(self.shape) and last >= self.storage.count:
            raise ValueError("it reaches beyond its storage")


def stored_tensor(value: object) -> Stored:
    """Return the tensor that a call in a pickle would make. Raises TypeError or ValueError for anything else."""
    if call_of(value, "torch._utils", "_rebuild_parameter", "_rebuild_parameter_with_state") and value.args:
        value = value.args[0]
    if not call_of(value, "torch._utils", "_rebuild_tensor_v2", "_rebuild_tensor") or len(value.args) < 4:
        raise TypeError(f"found {_described(value)}")
    storage, offset, shape, strides = value.args[:4]
    return Stored(storage_of(storage), _count(offset), _counts(shape), _counts(strides))


def storage_of(reference: object) -> Storage:
    """Return the storage that a persistent id names. Raises TypeError, ValueError."""
    found = reference.id if isinstance(reference, Reference) else None
    match found:
        case ("storage", Name("torch" | "torch.cuda", kind), str(key), _, count, *views) if kind in ELEMENTS:
            if any(view is not None for view in views):
                raise ValueError("its storage is a view of another one")
            return Storage(key, ELEMENTS[kind], _count(count))
    raise TypeError("its numbers are not stored in a known form")


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("a size or position is not a whole number that can be")
    return value


def _counts(values: object) -> Shape:
    if not isinstance(values, tuple):
        raise TypeError("a shape is not a tuple")
    return tuple(map(_count, values))


def _described(value: object) -> str:
    if isinstance(value, Call) and isinstance(value.target, Name):
        return f"a call of {value.target.module}.{value.target.name}, which was not made"
    return type(value).__name__
