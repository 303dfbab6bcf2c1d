"""Which encoders may be asked in two stages, and which are given pictures that they reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL.Image import Image

from mbench.core.specs import ModelCard
from mbench.core.staged import reducer, staged
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


class Reduces(Stages):
    name = "a"

    def reduced(self, picture: Image) -> Image:
        return picture.reduce(2)

    def pixels(self, pictures: Sequence[Image]) -> int:
        return len(pictures)

    def _inner(self) -> int:
        return 1


class OnlyReduces(Plain):
    def reduced(self, picture: Image) -> Image:
        return picture.reduce(2)


class ReducesMore(Reduces):
    name = "b"

    def reduced(self, picture: Image) -> Image:
        return picture.reduce(4)

    def _inner(self) -> int:
        return 2

    def other(self) -> int:
        return 3


class SeesMore(Reduces):
    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        return 2 * super().encode(items, role=role)


class PreparesMore(Reduces):
    def prepare(self, items: Sequence[Item], *, role: Role) -> int:
        return super().prepare(items, role=role)


class SeesMoreOnTheWay(Reduces):
    def pixels(self, pictures: Sequence[Image]) -> int:
        return sum(one.width for one in pictures)


class ReducesAgain(SeesMoreOnTheWay):
    def reduced(self, picture: Image) -> Image:
        return picture


class Named(Reduces):
    name = "c"

    def __init__(self) -> None:
        self.device = "cpu"


@pytest.mark.parametrize("cls", [Reduces, OnlyReduces, ReducesMore, ReducesAgain, Named])
def test_pictures_are_reduced_as_the_nearest_class_does_it(cls: type[Any]) -> None:
    encoder = cls()
    assert reducer(encoder) == encoder.reduced


@pytest.mark.parametrize("cls", [Plain, Stages, SeesMore, PreparesMore, SeesMoreOnTheWay])
def test_a_method_that_was_replaced_sees_whole_pictures(cls: type[Any]) -> None:
    assert reducer(cls()) is None


@pytest.mark.parametrize("name", ["encode", "prepare", "pixels"])
def test_a_method_that_was_replaced_on_the_object_sees_whole_pictures(name: str) -> None:
    encoder = Reduces()
    setattr(encoder, name, lambda *args, **words: None)
    assert reducer(encoder) is None
