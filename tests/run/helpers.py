"""Small evaluations, and their numbers computed again without any of the code that made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mbench.core.results import TaskResult
from mbench.core.types import Encoder, EvalData, Item, LoadOptions, Role, Vectors, needs_of
from mbench.data.catalog import Catalog, Task
from mbench.data.loading import load
from mbench.data.variants import limited
from mbench.models.catalog import load_model
from mbench.run.model import Loaded, loaded
from mbench.run.settings import Extras, RunSettings
from mbench.run.task import evaluate

LIMIT = 60


class Quiet:
    def start(self, phase: str, total: int) -> None: ...

    def advance(self, items: int) -> None: ...


class Counting:
    """A model that counts the items it embeds, by role; it has no identity, so nothing is kept on disk."""

    def __init__(self, inner: Encoder) -> None:
        self.inner, self.card, self.needs = inner, inner.card, needs_of(inner)
        self.embedded: Counter[str] = Counter()

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.embedded[role] += len(items)
        return self.inner.encode(items, role=role)


@cache
def tasks() -> Catalog:
    return Catalog.read()


@cache
def model(name: str = "tiny") -> Encoder:
    return load_model(name, LoadOptions())


def data_of(task: str, limit: int = LIMIT) -> EvalData:
    return limited(load(tasks().task(task)), limit)


def ready(encoder: Encoder) -> Loaded:
    """The model as a run holds it, with stores in memory only."""
    return Loaded(encoder, LoadOptions(), {}).seen_through(encoder)


def run(task: str | Task, extras: Extras | None = None, encoder: Encoder | None = None, **settings: Any) -> TaskResult:
    """Evaluate the first LIMIT queries."""
    asked = RunSettings(Path("unused"), extras=extras or Extras(), **{"limit": LIMIT, **settings})
    named = ready(encoder) if encoder else loaded("tiny", LoadOptions(), asked, print)
    return evaluate(named, tasks().task(task) if isinstance(task, str) else task, asked, Quiet())[0]


def units(items: Sequence[Item], role: Role, encoder: Encoder | None = None) -> npt.NDArray[np.float64]:
    """The items' embeddings at length 1, straight from the model."""
    vectors = (encoder or model()).encode(items, role=role).astype(np.float64)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def queries(data: EvalData, change: Callable[[Item], Item] = lambda item: item) -> list[Item]:
    return [change(item) for item in data.queries.items(np.arange(len(data.queries)))]


def candidates(data: EvalData) -> list[Item]:
    return data.corpus.items(np.arange(len(data.corpus)))


def hit_at_1(data: EvalData, scores: npt.NDArray[np.float64]) -> float:
    """Share of queries whose best candidate (in its gallery, if it has one) is right; of equal ones the last id."""
    names = np.array([name.encode() for name in data.corpus.ids()], dtype=object)
    hits = []
    for query in range(len(data.queries)):
        gallery = data.judgments.pools.get("gallery")
        pool = np.arange(len(names)) if gallery is None else gallery[query]
        best = max(pool, key=lambda row: (scores[query, row], names[row]))
        hits.append(best in data.judgments.labels["relevant"][query])
    return float(np.mean(hits))
