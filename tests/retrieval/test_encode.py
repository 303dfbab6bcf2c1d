"""Encoding: each content once, nothing unscorable passes, what is finished is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mbench.core.errors import EncodingError, ModelError
from mbench.core.memory import is_out_of_memory
from mbench.core.specs import ModelCard
from mbench.core.types import ALL_NEEDS, Item, Role, Vectors
from mbench.data.table import ArrowTable
from mbench.retrieval.checks import encode_checked
from mbench.retrieval.encode import Tally, embed, plan
from mbench.retrieval.store import Store

CARD = ModelCard(id="fake", modalities=["text"], uses_instructions=False, license="MIT")


@dataclass
class Fake:
    """Embeds a text by its letters; remembers what it saw; `spoil` changes what it returns."""

    spoil: Callable[[Vectors], object] = lambda vectors: vectors
    card: ModelCard = CARD
    needs: frozenset[str] = ALL_NEEDS
    largest: int = 10**9
    seen: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        if len(items) > self.largest:
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        self.batches.append(len(items))
        self.seen += [item.text or "" for item in items]
        letters = [[(item.text or "").count(c) + 1.0 for c in "abc"] for item in items]
        return self.spoil(np.array(letters, dtype=np.float32))  # type: ignore[return-value]


class Quiet:
    def start(self, phase: str, total: int) -> None:
        self.total = total

    def advance(self, items: int) -> None:
        self.done = items


def table(*texts: str) -> ArrowTable:
    return ArrowTable.of({"id": [str(i) for i in range(len(texts))], "text": list(texts)}, name="items")


def embedded(fake: Fake, *texts: str, store: Store | None = None, batch: int = 64) -> tuple[Vectors, Tally]:
    tally = Tally(batch)
    return embed(fake, table(*texts), "query", tally, Quiet(), store), tally


def test_equal_contents_are_encoded_once_and_put_in_every_row() -> None:
    fake = Fake()
    vectors, tally = embedded(fake, "ab", "c", "ab", "ab")
    assert sorted(fake.seen) == ["ab", "c"]
    assert (vectors[0] == vectors[2]).all() and (vectors[0] != vectors[1]).any()
    assert tally.encoded == 2


def test_a_model_that_depends_on_ids_gets_every_item() -> None:
    fake = Fake(needs=frozenset({"id"}))
    embedded(fake, "ab", "ab")
    assert fake.seen == ["ab", "ab"]


def test_a_model_that_depends_on_nothing_is_asked_once() -> None:
    fake = Fake(needs=frozenset())
    vectors, _ = embedded(fake, "ab", "c")
    assert len(fake.seen) == 1 and (vectors[0] == vectors[1]).all()


def test_costly_items_come_first_and_rows_keep_their_order() -> None:
    fake = Fake()
    vectors, _ = embedded(fake, "a", "b" * 40, "c" * 400, batch=1)
    assert [len(text) for text in fake.seen] == [400, 40, 1]
    assert vectors.argmax(axis=1).tolist() == [0, 1, 2]


def test_cosine_vectors_come_out_at_unit_length_and_dot_vectors_untouched() -> None:
    unit, _ = embedded(Fake(), "aab")
    dot, _ = embedded(Fake(card=CARD.model_copy(update={"similarity": "dot"})), "aab")
    assert np.linalg.norm(unit[0]) == pytest.approx(1, abs=1e-7)
    assert dot.tolist() == [[3.0, 2.0, 1.0]]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda v: np.where(np.arange(3) == 1, np.nan, v), ["NaN or infinity", "2 of 2", "first '0'"]),
        (lambda v: v * np.inf, ["NaN or infinity"]),
        (lambda v: v * 0, ["a zero vector", "'fake'"]),
        (lambda v: v[:1], ["[1, 3]", "2 query items", "[2, dimension]"]),
        (lambda v: v[:, :0], ["[2, 0]"]),
        (lambda v: v[0], ["[3]"]),
        (lambda v: v.astype(np.int64), ["int64"]),
        (lambda v: [["x"]] * 2, ["<U1"]),
    ],
)
def test_what_cannot_be_scored_is_refused(spoil: Callable[[Vectors], object], words: list[str]) -> None:
    with pytest.raises(EncodingError) as caught:
        embedded(Fake(spoil), "aa", "bb")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_dimensions_that_change_between_batches_are_refused() -> None:
    with pytest.raises(EncodingError, match="different dimensions: 3, then 2"):
        embedded(Fake(lambda v: v if v[0, 0] > 1 else v[:, :2]), "aaa", "b", batch=1)


def test_an_adapter_that_raises_is_told_with_its_cause() -> None:
    def fail(_: Vectors) -> Vectors:
        raise KeyError("pixel_values")

    with pytest.raises(ModelError, match=r"'fake' raised KeyError while encoding query items '0'.*pixel_values"):
        embedded(Fake(fail), "a")


def test_running_out_of_memory_halves_the_batch_and_goes_on() -> None:
    fake = Fake(largest=3)
    texts = ["abc"[i % 3] * (i + 1) for i in range(20)]
    vectors, tally = embedded(fake, *texts, batch=16)
    assert max(fake.batches) <= 3 and len(fake.seen) == 20
    assert tally.batch_size == 2 and "out of memory at a batch of 16" in tally.notes[0]
    assert (vectors == embedded(Fake(), *texts)[0]).all()


def test_a_single_item_that_does_not_fit_is_named() -> None:
    with pytest.raises(ModelError, match="Out of memory with a single query, '0'"):
        embedded(Fake(largest=0), "a")


def test_only_memory_errors_count_as_out_of_memory() -> None:
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(RuntimeError("CUDA out of memory"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_an_error_keeps_what_was_finished_before_it(tmp_path: Path) -> None:
    def fail_on_b(vectors: Vectors) -> Vectors:
        if vectors[0, 1] > 1:
            raise KeyboardInterrupt
        return vectors

    store = Store(tmp_path, "model", "query", print)
    with pytest.raises(KeyboardInterrupt):
        embedded(Fake(fail_on_b), "aaa", "b", store=store, batch=1)
    again = Fake()
    embedded(again, "aaa", "b", store=Store(tmp_path, "model", "query", print))
    assert again.seen == ["b"]


def test_a_second_run_encodes_nothing_and_gives_the_same_vectors(tmp_path: Path) -> None:
    first, _ = embedded(Fake(), "ab", "c", store=Store(tmp_path, "model", "query", print))
    again = Fake()
    second, tally = embedded(again, "c", "ab", store=Store(tmp_path, "model", "query", print))
    assert again.seen == [] and tally.reused == 2
    assert (second == first[::-1]).all()


def test_another_model_or_role_shares_nothing(tmp_path: Path) -> None:
    embedded(Fake(), "ab", store=Store(tmp_path, "model", "query", print))
    for store in (Store(tmp_path, "model", "candidate", print), Store(tmp_path, "other", "query", print)):
        assert len(plan(Fake(), table("ab"), store).todo) == 1


@pytest.mark.parametrize("position", [3, -3])
def test_a_damaged_shard_is_set_aside_and_encoded_again(tmp_path: Path, position: int) -> None:
    vectors, _ = embedded(Fake(), "ab", store=Store(tmp_path, "model", "query", print))
    shard = next(tmp_path.rglob("*.safetensors"))
    data = bytearray(shard.read_bytes())
    data[position] ^= 1
    shard.write_bytes(data)
    told: list[str] = []
    again = Fake()
    repaired, _ = embedded(again, "ab", store=Store(tmp_path, "model", "query", told.append))
    assert again.seen == ["ab"] and (repaired == vectors).all()
    assert len(told) == 1 and str(shard) in told[0]


def test_a_truncated_shard_is_set_aside(tmp_path: Path) -> None:
    embedded(Fake(), "ab", store=Store(tmp_path, "model", "query", print))
    shard = next(tmp_path.rglob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-5])
    assert len(plan(Fake(), table("ab"), Store(tmp_path, "model", "query", lambda _: None)).todo) == 1


def test_one_batch_can_be_checked_alone() -> None:
    vectors = encode_checked(Fake(), [Item("x", "a")], "candidate")
    assert vectors.dtype == np.float32 and vectors.shape == (1, 3)
