"""A query that is put into words twice has one vector: the mean of both directions, whatever their lengths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mbench.core.specs import ModelCard
from mbench.core.types import EvalData, Item, Judgments, LoadOptions, Rendering, Role, Sets, Vectors
from mbench.data.table import ArrowTable
from mbench.retrieval.encode import Tally
from mbench.retrieval.store import Store
from mbench.run.model import Loaded
from mbench.run.steps import query_vectors

VECTORS = {"a and b": [3.0, 0.0], "b and a": [0.0, 0.5]}


class Silent:
    def start(self, phase: str, total: int) -> None: ...

    def advance(self, items: int) -> None: ...


class Words:
    """Embeds a text as its entry in VECTORS; `read` is what it was given."""

    card = ModelCard(
        id="words", modalities=["text", "image+text"], uses_instructions=False, license="MIT", similarity="dot"
    )

    def __init__(self, needs: set[str]) -> None:
        self.needs = frozenset(needs)
        self.read: list[str | None] = []

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.read += [item.text for item in items]
        return np.array([VECTORS[str(item.text)] for item in items], dtype=np.float32)


def embedded(model: Words) -> Vectors:
    tables = [ArrowTable.of({"id": ["q"], "text": [text]}, name="queries") for text in VECTORS]
    data = EvalData(tables[0], tables[0], Judgments({"relevant": Sets.of([[0]])}), tuple(map(Rendering, tables)))
    stores: dict[Role, Store] = {"query": Store(None, "f", "query", print)}
    return query_vectors(Loaded(model, LoadOptions(), stores), data, Tally(8), Silent())


def test_both_orders_are_normalised_averaged_and_normalised() -> None:
    assert embedded(Words({"text"}))[0] == pytest.approx([0.5**0.5, 0.5**0.5])


def test_a_model_that_reads_no_text_is_asked_once_and_its_vector_is_kept() -> None:
    model = Words({"id"})
    assert embedded(model).tolist() == [[3.0, 0.0]]
    assert model.read == ["a and b"]
