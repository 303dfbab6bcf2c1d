"""Pictures that the model reduces as soon as they are decoded: what it sees, and whose mistake is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mbench.core.errors import ImageError, ModelError
from mbench.core.specs import ModelCard
from mbench.core.types import ALL_NEEDS, Item, Role, Rows, Vectors
from mbench.data.table import ArrowTable
from mbench.retrieval.checks import items_for
from mbench.retrieval.encode import Tally, embed

CARD = ModelCard(id="fake", modalities=["text", "image"], uses_instructions=False, license="MIT")
ROWS: Rows = np.arange(3, dtype=np.int64)


@dataclass
class Whole:
    """Embeds a picture by its size."""

    card: ModelCard = CARD
    needs: frozenset[str] = ALL_NEEDS

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        sizes = [(1, 1) if item.image is None else item.image.size for item in items]
        return np.array([(*size, 1) for size in sizes], dtype=np.float32)


def small(picture: Image.Image) -> Image.Image:
    return picture.resize((2, 3))


@dataclass
class Reduces(Whole):
    work: Callable[[Image.Image], Image.Image] = field(default_factory=lambda: small)

    def reduced(self, picture: Image.Image) -> Image.Image:
        return self.work(picture)


class Pictures:
    """A picture a reference: its width, and height 40."""

    def open(self, reference: str) -> Image.Image:
        if reference == "damaged":
            raise ImageError("damaged.png: damaged picture")
        return Image.new("RGB", (int(reference), 40))

    def digest(self, reference: str) -> bytes:
        return reference.encode()

    def pixels(self, reference: str) -> int:
        return 40 * 40

    def missing(self, references: Any) -> list[str]:
        return []


def table(*references: str | None) -> ArrowTable:
    columns = {"id": [str(i) for i in range(len(references))], "text": ["a dog"] * len(references), "image": references}
    return ArrowTable.of(columns, name="items", pictures=Pictures())


PHOTOS = table("50", None, "70")


def raising(error: BaseException) -> Reduces:
    def work(picture: Image.Image) -> Image.Image:
        raise error

    return Reduces(work=work)


def sizes(items: Sequence[Item]) -> list[tuple[int, int] | None]:
    return [None if item.image is None else item.image.size for item in items]


def test_a_model_is_given_the_pictures_that_it_reduced_and_others_whole_ones() -> None:
    assert sizes(items_for(Reduces(), PHOTOS, ROWS, "query")) == [(2, 3), None, (2, 3)]
    assert sizes(items_for(Whole(), PHOTOS, ROWS, "query")) == [(50, 40), None, (70, 40)]
    assert sizes(items_for(Reduces(needs=frozenset({"text"})), PHOTOS, ROWS, "query")) == [None] * 3


def test_a_run_embeds_reduced_pictures_and_whole_ones_where_encode_was_replaced() -> None:
    class SeesMore(Reduces):
        def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
            return super().encode(items, role=role)

    class Quiet:
        def start(self, phase: str, total: int) -> None: ...
        def advance(self, items: int) -> None: ...

    photos = table("50", "70", "90")
    for model, expected in ((Reduces(), [(2, 3, 1)] * 3), (SeesMore(), [(50, 40, 1), (70, 40, 1), (90, 40, 1)])):
        vectors = embed(model, photos, "candidate", Tally(2), Quiet())
        np.testing.assert_allclose(vectors / vectors[:, -1:], expected, rtol=1e-5)


@pytest.mark.parametrize("error", [ValueError("no such mode"), KeyError("w"), SystemExit("bye")])
def test_what_a_model_raises_while_it_reduces_names_model_role_and_picture(error: BaseException) -> None:
    said = rf"Model 'fake' raised {type(error).__name__} while it reduced the picture of candidate '0' \(50 x 40 pixels"
    with pytest.raises(ModelError, match=said):
        items_for(raising(error), PHOTOS, ROWS, "candidate")


@pytest.mark.parametrize("wrong", [None, np.zeros((2, 2, 3), dtype=np.uint8)])
def test_what_is_no_picture_never_makes_a_text_of_a_pair(wrong: Any) -> None:
    with pytest.raises(ModelError, match=r"reduced the picture of query .0. .50 x 40 .* expected a picture of PIL"):
        items_for(Reduces(work=lambda picture: wrong), PHOTOS, ROWS, "query")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), MemoryError),
        (RuntimeError("CUDA out of memory."), MemoryError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ImageError("of mine"), ImageError),
    ],
)
def test_memory_that_runs_out_and_errors_with_words_of_their_own_stay_what_they_are(
    error: BaseException, kind: type[BaseException]
) -> None:
    with pytest.raises(kind):
        items_for(raising(error), PHOTOS, ROWS, "query")


def test_a_damaged_picture_is_no_mistake_of_the_model() -> None:
    with pytest.raises(ImageError, match=r"damaged\.png"):
        items_for(Reduces(), table("50", "damaged"), ROWS[:2], "query")
