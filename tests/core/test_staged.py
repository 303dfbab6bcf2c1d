"""Which encoders may be asked in two stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mbench.core.specs import ModelCard
from mbench.core.staged import staged
from mbench.core.types import Item, Role, Vectors

CARD = ModelCard(id="fake", modalities=["text"], uses_instructions=False, license="MIT")


class Plain:
    card = CARD

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return np.ones((len(items), 1), dtype=np.float32)


class Stages(Plain):
    def prepare(self, items: Sequence[Item], *, role: Role) -> int:
        return len(items)

    def encode_prepared(self, prepared: Any) -> Vectors:
        return np.ones((prepared, 1), dtype=np.float32)


class Altered(Stages):
    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return 2 * super().encode(items, role=role)


class AlteredPreparing(Stages):
    def prepare(self, items: Sequence[Item], *, role: Role) -> int:
        return super().prepare(items, role=role)


class Network(Plain):
    def prepare(self, items: Sequence[Item]) -> int:
        return len(items)


def test_both_methods_make_an_encoder_staged_and_one_alone_does_not() -> None:
    assert staged(Stages()) is not None and staged(AlteredPreparing()) is not None
    assert staged(Plain()) is None and staged(Network()) is None


def test_an_overridden_encode_is_never_passed_by() -> None:
    assert staged(Altered()) is None
    replaced = Stages()
    replaced.encode = Plain().encode  # type: ignore[method-assign]
    assert staged(replaced) is None
