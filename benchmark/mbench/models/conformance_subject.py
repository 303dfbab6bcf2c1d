"""What the conformance checks look at: an adapter behind calls that give vectors or say what it did wrong."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from mbench.core.calls import called
from mbench.core.errors import UserError
from mbench.core.specs import ModelCard
from mbench.core.types import Encoder, Floats, Item, LoadOptions, Role
from mbench.models.device import Dtype, resolve_dtype

if TYPE_CHECKING:
    from PIL.Image import Image

State = Literal["pass", "fail", "skip", "info"]
TOLERANCE: dict[Dtype, float] = {"fp32": 1e-5, "fp16": 1e-3, "bf16": 1e-2}
"""The largest gap between two vectors of one item that rounding in a precision explains."""
LEAST_EFFECT = 1e-10
"""The gap from which on two vectors differ by more than the rounding of float32."""
BATCH = 64


class MisbehaviourError(Exception):
    """What an adapter did that no adapter may do, in words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: its result, a reason or remark, and the numbers behind it by name."""

    state: State
    detail: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is asked of an adapter. `run` raises MisbehaviourError or MbenchError for what it cannot do."""

    group: str
    name: str
    run: Callable[[Subject], Finding]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch in its first stage: its items, and what `prepare` made of them."""

    items: Sequence[Item]
    role: Role
    inputs: Any


def passed(detail: str = "", **measured: float) -> Finding:
    """The adapter does what it should."""
    return Finding("pass", detail, measured)


def failed(detail: str, **measured: float) -> Finding:
    """The adapter does not do what it should; `detail` says what it did."""
    return Finding("fail", detail, measured)


def skipped(reason: str) -> Finding:
    """The check does not apply."""
    return Finding("skip", reason)


def noted(detail: str, **measured: float) -> Finding:
    """Something worth knowing that is neither right nor wrong."""
    return Finding("info", detail, measured)


class Subject:
    """An adapter under examination. Every call gets copies of the pictures, so that no check disturbs another."""

    def __init__(self, name: str, encoder: Encoder, options: LoadOptions, batch: int | None = None) -> None:
        self.name, self.encoder, self.options, self.batch = name, encoder, options, batch or BATCH
        self.tolerance = TOLERANCE[precision(encoder, options)]

    @property
    def card(self) -> ModelCard:
        """The card of the loaded model."""
        return self.encoder.card

    def raw(self, items: Sequence[Item], role: Role) -> Any:
        """Return whatever one call of `encode` returns.

        Raises the MbenchError that the adapter raised, MemoryError when memory ran out, and MisbehaviourError for any
        other exception.
        """
        return self.returned(_copies(items), role)

    def returned(self, items: Sequence[Item], role: Role) -> Any:
        """As `raw`, but with the very pictures of `items`."""
        return _called(lambda: self.encoder.encode(items, role=role))

    def prepared(self, items: Sequence[Item], role: Role) -> list[Prepared]:
        """Return what `prepare` of an encoder in two stages (core/staged.py) makes of each batch. Raises as `raw`."""
        return [Prepared(one, role, self._prepare(_copies(one), role)) for one in self._batches(items)]

    def encode_prepared(self, batches: Sequence[Prepared]) -> Floats:
        """Return float64 [n, d], the second stage for batches that were prepared. Raises as `encode`."""
        return _joined([self._checked(one.items, one.role, self._encode_prepared(one.inputs)) for one in batches])

    def reduced(self, item: Item) -> Item:
        """Return the item with its picture as an encoder with `reduced` (core/staged.py) makes it. Raises as `raw`."""
        return replace(item, image=_called(lambda: self._reduced(item.image)))

    def array(self, returned: Any) -> npt.NDArray[Any]:
        """Return what `raw` returned as an array, without a copy where it is one. Raises MisbehaviourError."""
        try:
            return np.asarray(returned)
        except Exception as error:  # Tensors of torch that hold gradients or lie on a GPU raise what they like.
            raise MisbehaviourError(f"returned {type(returned).__name__}, no array: {error}") from None

    def encode(self, items: Sequence[Item], role: Role = "query") -> Floats:
        """Return float64 [n, d], encoded in batches. Raises as `raw`, also for a wrong shape, NaN or infinity."""
        return _joined([self._checked(part, role, self.raw(part, role)) for part in self._batches(items)])

    def alone(self, item: Item, role: Role = "query") -> Floats:
        """Return float64 [d], the vector of an item that has a batch to itself. Raises as `encode`."""
        vector: Floats = self._checked([item], role, self.raw([item], role))[0]
        return vector

    def gap(self, one: Floats, other: Floats) -> float:
        """Return how far two vectors are apart, 0 for equal ones.

        Half their squared distance in units of their lengths: of a cosine model's vectors 1 minus the cosine.
        """
        if self.card.similarity == "cosine":
            one, other = _unit(one), _unit(other)
        scale = np.linalg.norm(one) * np.linalg.norm(other)
        distance = float(np.square(one - other).sum())
        return distance / (2 * float(scale)) if scale else (np.inf if distance else 0.0)

    def _batches(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        return [items[start : start + self.batch] for start in range(0, len(items), self.batch)]

    def _prepare(self, items: Sequence[Item], role: Role) -> Any:
        first: Any = self.encoder
        return _called(lambda: first.prepare(items, role=role))

    def _encode_prepared(self, inputs: Any) -> Any:
        second: Any = self.encoder
        return _called(lambda: second.encode_prepared(inputs))

    def _reduced(self, picture: Image | None) -> Any:
        reducing: Any = self.encoder
        return None if picture is None else reducing.reduced(picture.copy())

    def _checked(self, items: Sequence[Item], role: Role, returned: Any) -> Floats:
        vectors = self.array(returned)
        if vectors.ndim != 2 or len(vectors) != len(items) or not vectors.shape[1] or vectors.dtype.kind != "f":
            raise MisbehaviourError(
                f"returned {vectors.dtype} {list(vectors.shape)} for {len(items)} items; expected float32 "
                f"[{len(items)}, dimension]"
            )
        bad = ~np.isfinite(vectors).all(axis=1)
        if bad.any():
            raise MisbehaviourError(f"returned NaN or infinity for {role} {items[int(bad.argmax())].id!r}")
        return vectors.astype(np.float64)


def precision(encoder: Encoder, options: LoadOptions) -> Dtype:
    """Return the precision that an adapter computes in: as its identity tells, or as asked, or else fp32."""
    identity = getattr(encoder, "identity", None) or {}
    for told in (identity.get("dtype"), options.dtype):
        try:
            if isinstance(told, str) and told != "auto":
                return resolve_dtype(told)
        except UserError:
            continue
    return "fp32"


def _called(work: Callable[[], Any]) -> Any:
    """Call an adapter. Raises its MbenchError, MemoryError, and MisbehaviourError for all else that it raises."""
    return called(work, lambda error: MisbehaviourError(f"raised {type(error).__name__}: {error} ({_place(error)})"))


def _copies(items: Sequence[Item]) -> list[Item]:
    return [one if one.image is None else replace(one, image=one.image.copy()) for one in items]


def _joined(parts: Sequence[Floats]) -> Floats:
    widths = {part.shape[1] for part in parts}
    if len(widths) > 1:
        raise MisbehaviourError(f"returned vectors of different dimensions: {sorted(widths)}")
    return np.concatenate(parts)


def _unit(vector: Floats) -> Floats:
    length = np.linalg.norm(vector)
    scaled: Floats = vector / length if length else vector
    return scaled


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
