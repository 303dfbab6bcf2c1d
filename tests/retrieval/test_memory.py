"""Arrays that are larger than their share of memory: on disk, gone afterwards, and equal to those in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.retrieval.test_encode import Fake, Quiet, embedded, table

from mbench.core import mapped
from mbench.core.errors import EncodingError, ModelError, OutputError
from mbench.core.types import LoadOptions, Vectors
from mbench.data.table import ArrowTable
from mbench.models.catalog import load_model
from mbench.retrieval.encode import Tally, embed
from mbench.retrieval.search import top_k
from mbench.retrieval.space import SHARE, Space
from mbench.retrieval.store import Store

SMALL = 8 * SHARE


def test_an_array_beyond_its_share_is_a_file_without_a_name(tmp_path: Path) -> None:
    space = Space(SMALL, tmp_path / "cache")
    array = space.array((5, 2), np.float32)
    assert isinstance(array, np.memmap) and not array.any()
    array[3] = 7
    assert array.sum() == 14 and list(tmp_path.rglob("*.*")) == []
    assert not isinstance(space.array((1, 2), np.float32), np.memmap)
    assert not isinstance(Space().array((5, 2), np.float32), np.memmap)


def test_a_disk_without_room_is_an_error_and_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(OutputError, match=r"no room for 40 bytes of embeddings \(No space left on device\)"):
        Space(SMALL, tmp_path).array((5, 2), np.float32)


@pytest.mark.parametrize("texts", [["ab", "c", "aab", "b"], ["ab", "c", "ab", "ab", "b"]])
def test_vectors_on_disk_are_those_in_memory(tmp_path: Path, texts: list[str]) -> None:
    expected, _ = embedded(Fake(), *texts)
    for cache in (tmp_path, None):
        store = Store(cache, "model", "candidate", print, memory=SMALL)
        for fresh in (len(set(texts)), 0):
            tally = Tally(2)
            found = embed(Fake(), table(*texts), "candidate", tally, Quiet(), store, SMALL)
            assert isinstance(found, np.memmap) and (found == expected).all()
            assert tally.encoded == fresh


def test_pages_are_dropped_and_come_back_but_never_those_of_a_private_map(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "WORTH", 0)
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(64)))
    for mode in ("r+", "c", "r"):
        array = np.memmap(path, np.uint8, mode)  # type: ignore[call-overload]
        if mode != "r":
            array[0] = 9
        mapped.forget(array[8:].view(np.ndarray))
        assert array.tolist() == [9, *range(1, 64)]
    mapped.forget(np.zeros(3))


IDS = ["b", "a", "cc", "d"]


def npz(path: Path, dtype: str = "float16", spoil: Callable[[Any], Any] = lambda v: v) -> Path:
    rng = np.random.default_rng(0)
    vectors = spoil(rng.normal(size=(4, 3)).astype(dtype))
    queries = rng.normal(size=(2, 3)).astype(dtype)
    np.savez(path, query_ids=["q0", "q1"], query_embeddings=queries, candidate_ids=IDS, candidate_embeddings=vectors)
    return path


def looked_up(path: Path, ids: list[str], role: Any = "candidate", **args: str) -> Vectors:
    model = load_model("precomputed", LoadOptions(args={"path": str(path), **args}))
    items = ArrowTable.of({"id": ids, "text": ids}, name="items")
    return embed(model, items, role, Tally(64), Quiet(), None, SMALL)


@pytest.mark.parametrize("rows", [slice(None), slice(1, 3)])
def test_embeddings_in_the_order_of_the_corpus_are_handed_on_as_they_lie_on_disk(tmp_path: Path, rows: slice) -> None:
    found = looked_up(npz(tmp_path / "e.npz"), IDS[rows])
    stored = np.load(tmp_path / "e.npz")["candidate_embeddings"]
    assert isinstance(found, np.memmap) and found.dtype == np.float16 and found.mode == "r"
    assert (found == stored[rows]).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_in_any_order_and_precision_they_rank_as_what_encode_returns(
    tmp_path: Path, dtype: str, similarity: str
) -> None:
    path = npz(tmp_path / "e.npz", dtype)
    model = load_model("precomputed", LoadOptions(args={"path": str(path), "similarity": similarity}))
    ids = ["d", "b", "cc", "a"]
    items = ArrowTable.of({"id": ids, "text": ids}, name="items")
    expected = model.encode(items.items(np.arange(4)), role="candidate")
    if similarity == "cosine":
        expected = (expected / np.linalg.norm(expected.astype(np.float64), axis=1, keepdims=True)).astype(np.float32)
    found = looked_up(path, ids, similarity=similarity)
    assert (found.astype(np.float32) == expected).all()
    queries = looked_up(path, ["q1", "q0"], "query", similarity=similarity)
    assert queries.dtype == np.float32
    assert (top_k(queries, found, 3).ids == top_k(queries, expected, 3).ids).all()


def test_a_zero_vector_is_refused_by_the_id_of_its_item(tmp_path: Path) -> None:
    path = npz(tmp_path / "e.npz", spoil=lambda v: np.where(np.arange(4)[:, None] == 2, 0, v))
    with pytest.raises(EncodingError, match=r"a zero vector for 1 of 4 items, first 'cc'"):
        looked_up(path, IDS)


def test_a_number_too_large_for_single_precision_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "e.npz", "float64", lambda v: v * 1e300)
    with pytest.raises(EncodingError, match="NaN or infinity"):
        looked_up(path, IDS)


def test_an_id_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"candidate_ids lacks 1 of 2 candidate ids .*'zz'"):
        looked_up(npz(tmp_path / "e.npz"), ["a", "zz"])
