from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbench.core.errors import EncodingError, ModelError, UserError
from mbench.core.types import Item, LoadOptions
from mbench.models.catalog import load_model
from mbench.models.precomputed import Precomputed, Table

ARRAYS: dict[str, Any] = {
    "query_ids": np.array(["q1", "q2"]),
    "query_embeddings": np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float16),
    "candidate_ids": np.array(["b", "a", "cc"]),
    "candidate_embeddings": np.arange(9, dtype=np.float64).reshape(3, 3),
}


def saved(path: Path, compressed: bool = False, **changes: Any) -> Path:
    arrays = {name: value for name, value in (ARRAYS | changes).items() if value is not None}
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def load(path: Path, **args: str) -> Precomputed:
    model = load_model("precomputed", LoadOptions(args={"path": str(path), **args}))
    assert isinstance(model, Precomputed)
    return model


@pytest.mark.parametrize("compressed", [False, True])
def test_vectors_are_found_by_id_in_any_order(tmp_path: Path, compressed: bool) -> None:
    model = load(saved(tmp_path / "e.npz", compressed))
    found = model.encode([Item("a"), Item("cc"), Item("b"), Item("a")], role="candidate")
    assert found.dtype == np.float32
    assert found[:, 0].tolist() == [3, 6, 0, 3]
    assert model.encode([Item("q2")], role="query").tolist() == [[4, 5, 6]]


def test_an_uncompressed_file_stays_on_disk(tmp_path: Path) -> None:
    model = load(saved(tmp_path / "e.npz"))
    assert isinstance(model.tables["candidate"].vectors, np.memmap)


def test_a_column_major_array_is_not_transposed(tmp_path: Path) -> None:
    vectors = np.asfortranarray(ARRAYS["candidate_embeddings"])
    model = load(saved(tmp_path / "e.npz", candidate_embeddings=vectors))
    assert model.encode([Item("a")], role="candidate").tolist() == [[3, 4, 5]]


def test_the_card_tells_similarity_name_and_the_hash_of_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "e.npz")
    plain, named = load(path), load(path, similarity="cosine", id="mine")
    assert (plain.card.id, plain.card.similarity, plain.card.dimension) == ("precomputed", "dot", 3)
    assert (named.card.id, named.card.similarity) == ("mine", "cosine")
    other = load(saved(tmp_path / "f.npz", query_embeddings=ARRAYS["query_embeddings"] * 2))
    assert plain.card.revision == named.card.revision != other.card.revision
    assert len(plain.card.revision) == 12
    assert plain.identity["file_sha256"].startswith(plain.card.revision)
    assert plain.needs == {"id"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"query_ids": None}, "has no array query_ids; it has"),
        ({"query_ids": np.array(["q1", "q2"], dtype=object)}, "query_ids is an array of Python objects"),
        ({"query_ids": np.array([1, 2])}, "query_ids must be a list of texts; found int64 [2]"),
        ({"query_ids": np.array([["q1"], ["q2"]])}, "found <U2 [2, 1]"),
        ({"query_ids": np.array(["q1"])}, "1 query_ids, but 2 query_embeddings"),
        ({"query_ids": np.array(["q1", "q1"])}, "query_ids has 1 repeated ids: 'q1'"),
        ({"query_embeddings": np.ones((2, 3), dtype=np.int64)}, "found int64 [2, 3]"),
        ({"query_embeddings": np.ones(2)}, "found float64 [2]"),
        ({"query_embeddings": np.ones((2, 0))}, "found float64 [2, 0]"),
        ({"query_embeddings": np.ones((2, 4))}, "query_embeddings have 4 dimensions and candidate_embeddings 3"),
    ],
)
def test_a_defective_file_is_refused_and_the_defect_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = saved(tmp_path / "e.npz", **changes)
    with pytest.raises(ModelError) as caught:
        load(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_named_by_id_before_anything_is_scored(tmp_path: Path, bad: float) -> None:
    vectors = ARRAYS["candidate_embeddings"].copy()
    vectors[1, 2] = bad
    with pytest.raises(EncodingError, match="candidate_embeddings holds NaN or infinity, first for id 'a'"):
        load(saved(tmp_path / "e.npz", candidate_embeddings=vectors))


def test_ids_that_the_file_lacks_are_counted_and_named(tmp_path: Path) -> None:
    model = load(saved(tmp_path / "e.npz"))
    with pytest.raises(ModelError, match=r"candidate_ids lacks 2 of 3 candidate ids .*'q1', 'c'"):
        model.encode([Item("a"), Item("q1"), Item("c")], role="candidate")


def test_an_empty_side_is_no_reason_to_crash(tmp_path: Path) -> None:
    nothing: dict[str, Any] = {
        "query_ids": np.array([], dtype=str),
        "query_embeddings": np.zeros((0, 3), dtype=np.float32),
    }
    model = load(saved(tmp_path / "e.npz", **nothing))
    with pytest.raises(ModelError, match="lacks 1 of 1"):
        model.encode([Item("q1")], role="query")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 truncated"])
def test_a_file_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "e.npz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"not a readable \.npz file"):
        load(path)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "e.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ModelError, match=r"not a readable \.npz file"):
        load(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_inside_an_array_is_noticed(tmp_path: Path, compressed: bool) -> None:
    path = saved(tmp_path / "e.npz", compressed, candidate_embeddings=np.random.default_rng(0).normal(size=(3, 3)))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("candidate_embeddings.npy")
    local_header = 30 + len(member.filename) + 20
    data[member.header_offset + local_header + member.compress_size - 24] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"not a readable \.npz file"):
        load(path)


def test_the_path_is_required_and_checked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="path is missing"):
        load_model("precomputed", LoadOptions())
    with pytest.raises(UserError, match="no file that exists"):
        load(tmp_path / "absent.npz")


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, unique=True), st.data())
def test_lookup_agrees_with_a_dictionary(ids: list[str], data: st.DataObject) -> None:
    array = np.array(ids)
    table = Table(array, np.argsort(array, kind="stable"), np.zeros((len(ids), 1), dtype=np.float32))
    asked = data.draw(st.lists(st.one_of(st.sampled_from(ids), st.text(st.characters(codec="utf-8")))))
    place = {one: row for row, one in enumerate(ids)}
    assert table.rows(asked).tolist() == [place.get(one, -1) for one in asked]
