"""Batch size `auto`: what memory allows, told by the costliest items of the whole table."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from mbench.core.memory import memory_growth, memory_left, peak_memory
from mbench.core.specs import ModelCard
from mbench.core.types import Item, Role, Rows, Vectors
from mbench.data.table import ArrowTable
from mbench.retrieval import batching
from mbench.retrieval.batching import DEFAULT_BATCH, DEFAULT_ON_GPU, Tally, fit_batch

SMALL = ModelCard(id="fake", modalities=["text"], uses_instructions=False, license="MIT")
LARGE = SMALL.model_copy(update={"parameters": 100_000_000})
TABLE = ArrowTable.of({"id": [str(i) for i in range(99)], "text": ["a" * (i + 1) for i in range(99)]}, name="items")
ROWS: Rows = np.arange(99, dtype=np.int64)


@dataclass
class Fake:
    card: ModelCard = LARGE
    largest: int = 10**9
    seen: list[int] = field(default_factory=list)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        if len(items) > self.largest:
            raise MemoryError
        self.seen += [len(item.text or "") for item in items]
        return np.ones((len(items), 2), dtype=np.float32)


def fitted(
    monkeypatch: pytest.MonkeyPatch, growth: int | None, left: int | None, fake: Fake, todo: Rows = ROWS
) -> Tally:
    def grown(work: Callable[[], object]) -> int | None:
        work()
        return growth

    monkeypatch.setattr(batching, "memory_growth", grown)
    monkeypatch.setattr(batching, "memory_left", lambda: left)
    tally = Tally.of(None)
    fit_batch(fake, TABLE, ROWS, todo, "query", tally)
    return tally


@pytest.mark.parametrize(
    ("growth", "left", "size"),
    [
        (300, 2000, 8),
        (300, 3100, 8),
        (300, 3300, 16),
        (300, 100, 1),
        (300, -(10**9), 1),
        (3, 10**9, DEFAULT_BATCH),
        (0, 1, DEFAULT_BATCH),
    ],
)
def test_half_of_what_is_left_is_divided_by_what_an_item_takes(
    monkeypatch: pytest.MonkeyPatch, growth: int, left: int, size: int
) -> None:
    tally = fitted(monkeypatch, growth, left, Fake())
    assert tally.batch_size == size
    assert bool(tally.notes) == (size < DEFAULT_BATCH)


def test_a_run_that_goes_on_cuts_the_same_batches_as_one_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, resumed = Fake(), Fake()
    fitted(monkeypatch, 300, 2000, fresh)
    fitted(monkeypatch, 300, 2000, resumed, todo=ROWS[:20])
    assert fresh.seen == resumed.seen == [99, 99, 98, 97, 96]


def test_where_the_system_tells_nothing_the_default_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fitted(monkeypatch, None, None, Fake()).batch_size == DEFAULT_BATCH


def test_small_models_and_few_items_are_not_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    small, few = Fake(card=SMALL), Fake()
    assert fitted(monkeypatch, 300, 1, small).batch_size == DEFAULT_BATCH
    assert fitted(monkeypatch, 300, 1, few, todo=ROWS[:8]).batch_size == DEFAULT_BATCH
    assert small.seen == few.seen == []


def test_a_probe_that_does_not_fit_begins_with_single_items(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fitted(monkeypatch, 300, 10**9, Fake(largest=2)).batch_size == 1


def test_pictures_that_do_not_fit_while_they_are_decoded_begin_with_single_items(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> list[Item]:
        raise MemoryError

    monkeypatch.setattr(ArrowTable, "items", full)
    assert fitted(monkeypatch, 300, 10**9, Fake()).batch_size == 1


@dataclass
class OnGpu(Fake):
    """Runs out of memory as torch does, with the activations of the batch alive in the frame that raised."""

    alive: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    sizes: list[int] = field(default_factory=list)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        assert not self.alive, "the activations of the batch that failed are still held"
        torch = pytest.importorskip("torch")
        activations = torch.zeros(len(items))
        self.alive.add(activations)
        self.sizes.append(len(items))
        if len(items) > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total of ...")
        return np.array([[len(item.text or ""), 1] for item in items], dtype=np.float32)


def test_on_a_gpu_batches_begin_larger_and_are_halved_with_nothing_of_the_failed_one_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "uses_gpu", lambda: True)
    fake = OnGpu(card=LARGE.model_copy(update={"similarity": "dot"}), largest=30)
    tally = fitted(monkeypatch, 3, 10**9, fake)
    assert tally.batch_size == DEFAULT_ON_GPU
    found = batching.encode_backing_off(fake, TABLE.items(ROWS), "query", tally)
    assert found[:, 0].tolist() == list(range(1, 100))
    assert fake.sizes == [1, 4, 99, 49, 24, 24, 24, 24, 3]
    assert (tally.batch_size, tally.most) == (24, 24) and len(tally.notes) == 2


def test_a_size_that_was_asked_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, tally = Fake(), Tally.of(48)
    fit_batch(fake, TABLE, ROWS, ROWS, "query", tally)
    assert tally.batch_size == 48 and fake.seen == []


def test_after_memory_ran_out_no_table_begins_with_more(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally.of(None)
    batching.encode_backing_off(Fake(card=SMALL, largest=9), TABLE.items(ROWS[:30]), "query", tally)
    assert tally.batch_size == 7
    fit_batch(Fake(card=SMALL), TABLE, ROWS, ROWS, "candidate", tally)
    assert tally.batch_size == 7


@dataclass
class Reusing(Fake):
    """Returns a view of one buffer, call after call."""

    buffer: Vectors = field(default_factory=lambda: np.zeros((99, 1), dtype=np.float32))

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        super().encode(items, role=role)
        self.buffer[: len(items), 0] = [len(item.text or "") for item in items]
        return self.buffer[: len(items)]


def test_parts_of_a_batch_that_did_not_fit_survive_a_model_that_reuses_its_buffer() -> None:
    reusing = Reusing(card=SMALL.model_copy(update={"similarity": "dot"}), largest=4)
    found = batching.encode_backing_off(reusing, TABLE.items(ROWS[:8]), "query", Tally.of(8))
    assert found.ravel().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_growth_is_what_the_work_takes_and_an_earlier_peak_is_not_forgotten() -> None:
    if memory_left() is None or memory_growth(lambda: None) is None:
        pytest.skip("the system does not tell the memory of a process")
    before = peak_memory() or 0
    size = 64 * 1024**2
    growth = memory_growth(lambda: np.ones(size, dtype=np.uint8).sum()) or 0
    assert size * 0.8 <= growth <= size * 2
    assert (peak_memory() or 0) >= before
    assert (memory_growth(lambda: None) or 0) < size / 4
