"""Batches made ahead: the same vectors, errors where they belong, memory that runs out, no modality paid for unread."""

from __future__ import annotations

import threading
import time
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
from mbench.retrieval.ahead import MOST_AHEAD, batches
from mbench.retrieval.encode import Tally, embed

CARD = ModelCard(id="fake", modalities=["text", "image"], uses_instructions=False, license="MIT")


@dataclass
class Stages:
    """Embeds a text by its letters in two stages, and remembers where each was done."""

    card: ModelCard = CARD
    needs: frozenset[str] = ALL_NEEDS
    fail: Callable[[Sequence[Item]], None] = lambda items: None
    largest: int = 10**9
    threads: list[str] = field(default_factory=list)
    prepared: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    longest: list[int] = field(default_factory=list)
    most_waiting: int = 0
    made: int = 0
    used: int = 0

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        self.whole.append(len(items))
        return self.encode_prepared(self.prepare(items, role=role))

    def prepare(self, items: Sequence[Item], *, role: Role) -> list[str]:
        self.fail(items)
        self.threads.append(threading.current_thread().name)
        self.made += 1
        return [item.text or "" for item in items]

    def encode_prepared(self, prepared: Any) -> Vectors:
        self.most_waiting = max(self.most_waiting, self.made - self.used)
        self.used += 1
        if len(prepared) > self.largest:
            raise MemoryError
        self.prepared.append(len(prepared))
        self.longest.append(max(map(len, prepared)))
        return np.array([[text.count(c) + 1.0 for c in "abc"] for text in prepared], dtype=np.float32)


class Quiet:
    def __init__(self) -> None:
        self.done = 0

    def start(self, phase: str, total: int) -> None:
        self.phase, self.total = phase, total

    def advance(self, items: int) -> None:
        self.done += items


class Pictures:
    """Counts what is asked of pictures."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.measured: list[str] = []

    def open(self, reference: str) -> Image.Image:
        self.opened.append(reference)
        if reference == "damaged":
            raise ImageError("damaged.png: damaged picture")
        return Image.new("RGB", (4, 4))

    def digest(self, reference: str) -> bytes:
        return reference.encode()

    def pixels(self, reference: str) -> int:
        self.measured.append(reference)
        return 16

    def missing(self, references: Any) -> list[str]:
        return []


TEXTS = ["abc"[i % 3] * (i + 1) for i in range(50)]


def texts(*values: str) -> ArrowTable:
    return ArrowTable.of({"id": [str(i) for i in range(len(values))], "text": list(values)}, name="items")


def test_two_stages_give_the_vectors_of_one_and_are_done_by_two_threads() -> None:
    model, watch = Stages(), Quiet()
    found = embed(model, texts(*TEXTS), "query", Tally(8), watch)
    expected = np.stack([Stages().encode([Item("x", text)], role="query")[0] for text in TEXTS])
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
    assert model.whole == [] and sum(model.prepared) == len(TEXTS) == watch.done == watch.total
    assert all(name.startswith("mbench-ahead") for name in model.threads)


def test_batches_come_in_order_and_only_a_few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mbench.retrieval.ahead._cores", lambda: 64)
    model = Stages()
    embed(model, texts(*TEXTS), "query", Tally(1), Quiet())
    assert 1 <= model.most_waiting <= MOST_AHEAD + 1
    rows: Rows = np.arange(50, dtype=np.int64)
    seen = [one.places.tolist() for one in batches(model, texts(*TEXTS), rows, rows[::-1], "query", Tally(7))]
    assert [place for batch in seen for place in batch] == list(range(49, -1, -1))


@pytest.mark.parametrize(("left", "most"), [(10**12, MOST_AHEAD), (None, MOST_AHEAD), (0, 1), (4 * 3 * 2560, 3)])
def test_as_many_batches_wait_as_memory_has_room_for_their_pictures(
    monkeypatch: pytest.MonkeyPatch, left: int | None, most: int
) -> None:
    """A GPU that waits for batches of large pictures would have them fill the machine's memory."""
    monkeypatch.setattr("mbench.retrieval.ahead._cores", lambda: 64)
    monkeypatch.setattr("mbench.retrieval.ahead.host_memory_left", lambda: left)
    names = [str(number) for number in range(400)]
    table = ArrowTable.of({"id": names, "image": names}, name="items", pictures=Pictures())
    rows: Rows = np.arange(400, dtype=np.int64)
    model, held = Stages(), []
    for used, batch in enumerate(batches(model, table, rows, rows, "candidate", Tally(10)), start=1):
        assert batch.nbytes() == 10 * 16 * (4 + 3 * 4)
        time.sleep(0.001)
        held.append(model.made - used)
    assert max(held) <= most + 1


@pytest.mark.parametrize("busy", [True, False])
def test_nothing_is_prepared_beside_a_model_that_keeps_all_cores_busy(
    monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    """Threads that decode hold up the parallel sums of a model on the CPU by far more than they gain."""
    cores = 4
    clock = {"wall": 0.0, "processor": 0.0}
    monkeypatch.setattr("mbench.retrieval.ahead._cores", lambda: cores)
    monkeypatch.setattr("mbench.retrieval.ahead.time.perf_counter", lambda: clock["wall"])
    monkeypatch.setattr("mbench.retrieval.ahead.time.process_time", lambda: clock["processor"])
    model, rows = Stages(), np.arange(50, dtype=np.int64)
    made: list[int] = []
    for used, _ in enumerate(batches(model, texts(*TEXTS), rows, rows, "candidate", Tally(1)), start=1):
        before = model.made
        time.sleep(0.002)
        assert not busy or model.made == before
        made.append(model.made - used)
        clock["wall"] += 1
        clock["processor"] += 1 if not busy or used == 1 else cores - 0.5
    if busy:
        assert made[:18] == [1, 0, *range(7, -1, -1), *range(7, -1, -1)]
    else:
        assert min(made[2:-cores]) >= 1


def test_what_preparing_raises_is_told_like_what_encoding_raises() -> None:
    def fail(items: Sequence[Item]) -> None:
        raise KeyError("vocabulary")

    with pytest.raises(ModelError, match=r"'fake' raised KeyError while encoding query items '0' to '0'.*vocabulary"):
        embed(Stages(fail=fail), texts("a"), "query", Tally(8), Quiet())


def test_a_failure_ahead_keeps_the_batches_before_it() -> None:
    def fail(items: Sequence[Item]) -> None:
        if "b" in (items[0].text or ""):
            raise KeyError("b")

    watch = Quiet()
    with pytest.raises(ModelError):
        embed(Stages(fail=fail), texts("aaa", "cc", "b"), "query", Tally(1), watch)
    assert watch.done == 2


def test_memory_that_runs_out_while_preparing_halves_the_batch() -> None:
    def fail(items: Sequence[Item]) -> None:
        if len(items) > 5:
            raise MemoryError

    tally = Tally(16)
    found = embed(Stages(fail=fail), texts(*TEXTS), "query", tally, Quiet())
    assert (found == embed(Stages(), texts(*TEXTS), "query", Tally(16), Quiet())).all()
    assert tally.batch_size == 4 and len(tally.notes) == 2


def test_memory_that_runs_out_on_a_prepared_batch_halves_it_and_goes_on() -> None:
    model, tally = Stages(largest=5), Tally(16)
    found = embed(model, texts(*TEXTS), "query", tally, Quiet())
    assert (found == embed(Stages(), texts(*TEXTS), "query", Tally(16), Quiet())).all()
    assert tally.batch_size == 4 and max(model.prepared) <= 5 and sum(model.prepared) == len(TEXTS)


def test_costly_items_share_a_batch_so_that_little_is_padded() -> None:
    model = Stages()
    embed(model, texts(*TEXTS), "query", Tally(10), Quiet())
    assert model.longest == [50, 40, 30, 20, 10]


def test_a_text_model_neither_opens_nor_measures_pictures() -> None:
    pictures = Pictures()
    columns = {"id": ["1", "2"], "text": ["a", "bb"], "image": ["x", "y"]}
    table = ArrowTable.of(columns, name="items", pictures=pictures)
    embed(Stages(needs=frozenset({"text"})), table, "candidate", Tally(8), Quiet())
    assert pictures.opened == [] and pictures.measured == []
    embed(Stages(), table, "candidate", Tally(8), Quiet())
    assert sorted(pictures.opened) == ["x", "y"]


def test_a_damaged_picture_is_named_by_the_thread_that_waits() -> None:
    table = ArrowTable.of({"id": ["1"], "image": ["damaged"]}, name="items", pictures=Pictures())
    with pytest.raises(ImageError, match=r"damaged\.png"):
        embed(Stages(), table, "candidate", Tally(8), Quiet())
    assert not [one for one in threading.enumerate() if one.name.startswith("mbench-ahead")]


def test_memory_that_runs_out_while_pictures_are_decoded_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: Pictures, reference: str) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(Pictures, "open", full)
    table = ArrowTable.of({"id": ["1", "2"], "image": ["a", "b"]}, name="items", pictures=Pictures())
    with pytest.raises(ModelError, match=r"while 2 candidate pictures were decoded; give a smaller --batch-size"):
        embed(Stages(), table, "candidate", Tally(8), Quiet())
