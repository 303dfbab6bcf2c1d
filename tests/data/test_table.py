"""Tables answer by rows, stay in Arrow, and tell equal contents from different ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.small import tiles

from mbench.core.errors import DataError, ImageError
from mbench.core.types import Item, ItemTable
from mbench.data import table as data_table
from mbench.data.images import FolderImages
from mbench.data.table import ArrowTable, lookup

ROWS = [
    {"id": "a", "text": "one", "instruction": "do", "image": None, "note": [1]},
    {"id": "b", "text": None, "instruction": None, "image": "red", "note": None},
    {"id": "c", "text": "one", "instruction": None, "image": "carmine", "note": [2, 3]},
]


def table(rows: list[dict[str, Any]] = ROWS, **columns: Any) -> ArrowTable:
    types = {"id": pa.string(), "text": pa.string(), "instruction": pa.string(), "image": pa.string()}
    names = list(rows[0])
    data = {name: pa.array([row[name] for row in rows], types.get(name)) for name in names}
    return ArrowTable.of(data | columns, name="the small table", pictures=tiles())


def rows(*numbers: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(numbers, dtype=np.int64)


def test_items_come_in_the_order_asked_and_pictures_only_when_asked() -> None:
    made: ItemTable = table()
    assert len(made) == 3
    assert made.ids() == ["a", "b", "c"]
    assert made.ids(rows(2, 0, 2)) == ["c", "a", "c"]
    assert made.items(rows(2, 0), images=False) == [Item("c", "one"), Item("a", "one", None, "do")]
    picture = made.items(rows(1))[0].image
    assert picture is not None
    assert picture.size == (2, 2)


def test_extra_columns_are_kept_and_absent_ones_are_none() -> None:
    assert table().column("note") == [[1], None, [2, 3]]
    assert table().column("opposite") == [None, None, None]
    assert ArrowTable.of({"id": ["x"], "text": ["t"]}, name="t").items(rows(0)) == [Item("x", "t")]


def test_modalities_are_what_occurs_and_an_instruction_is_no_text() -> None:
    assert table().modalities() == {"text", "image", "image+text"}
    assert table().select(rows(1)).modalities() == {"image"}
    assert table().select(rows(1)).replaced(instruction=["do"]).modalities() == {"image"}


def test_replaced_columns_are_replaced_and_none_clears() -> None:
    made = table().replaced(text=["x", None, "z"], instruction=None, image=["red", "red", None])
    assert made.items(rows(0, 1, 2), images=False) == [Item("a", "x"), Item("b"), Item("c", "z")]
    assert made.column("image") == ["red", "red", None]
    assert made.column("note") == [[1], None, [2, 3]]
    with pytest.raises(ValueError, match="2 values of 'text' for 3 rows"):
        table().replaced(text=["a", "b"])
    with pytest.raises(ValueError, match="'id' cannot be replaced"):
        table().replaced(id=["a", "b", "c"])


def test_filled_leaves_what_is_there() -> None:
    assert table().filled(instruction="say").column("instruction") == ["do", "say", "say"]
    assert ArrowTable.of({"id": ["x"], "text": ["t"]}, name="t").filled(instruction="say").column("instruction") == [
        "say"
    ]


def test_unknown_ids_are_named_with_what_lacks_them() -> None:
    made = table()
    assert made.rows_of(["c", "a"]).tolist() == [2, 0]
    assert made.rows_of(pa.array(["b"], pa.large_string())).tolist() == [1]
    assert made.lookup(["c", "nix"]).tolist() == lookup(made, ["c", "nix"]).tolist() == [2, -1]
    with pytest.raises(DataError, match="relevant: 'nix', 'nada' not in the small table"):
        made.rows_of(["a", "nix", "nada", "nix"], "relevant")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"id": ["a", "b", "a"]}, "more than once: 'a'"),
        ({"id": ["a", None, "c"]}, "every row needs an id"),
        ({"id": ["a", "", "c"]}, "every row needs an id"),
        ({"id": [1, 2, 3]}, "the column 'id' must be text, but it is int64"),
        ({"text": [["x"], None, None]}, "the column 'text' must be text"),
        ({"text": [None, None, "x"]}, "neither text nor picture: 'a'"),
    ],
)
def test_a_wrong_table_is_refused_by_name(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=f"the small table: .*{words}"):
        table(**{name: pa.array(values) for name, values in changed.items()})


def test_pictures_without_a_source_and_absent_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name pictures, but the source has none"):
        ArrowTable.of({"id": ["a"], "image": ["x.png"]}, name="t")
    folder = FolderImages(tmp_path)
    made = ArrowTable.of({"id": list("abc"), "image": ["x.png", "y.png", "x.png"]}, name="t", pictures=folder)
    with pytest.raises(ImageError, match=r"t: 2 of 2 pictures are not there: .*x\.png, .*y\.png"):
        made.check_images()
    table().check_images()


def test_missing_pictures_are_counted_in_parts_and_the_first_ones_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names of millions of pictures must not become Python objects at once."""
    monkeypatch.setattr(data_table, "AT_ONCE", 4)
    asked: list[int] = []

    def all_but_one(_: FolderImages, names: list[str]) -> list[str]:
        asked.append(len(names))
        return [one for one in names if one != "3.png"]

    monkeypatch.setattr(FolderImages, "missing", all_but_one)
    columns = {"id": [str(n) for n in range(10)], "image": [f"{n}.png" for n in range(10)]}
    with pytest.raises(
        ImageError, match=r"t: 9 of 10 pictures are not there: 0.png, 1.png, 2.png, 4.png, 5.png and 4 more\."
    ):
        ArrowTable.of(columns, name="t", pictures=FolderImages(tmp_path)).check_images()
    assert asked == [4, 4, 2]


NEEDS = [frozenset({"text"}), frozenset({"image"}), frozenset({"text", "image"}), frozenset({"id"})]
WORDS = st.none() | st.text("ab:-1", max_size=3)
PICTURES = st.sampled_from([None, "red", "blue", "carmine"])
SEEN = {None: None, "red": "red", "blue": "blue", "carmine": "red"}


@given(st.lists(st.tuples(WORDS, WORDS, PICTURES), min_size=1, max_size=12), st.sampled_from(NEEDS))
def test_content_keys_are_equal_exactly_where_contents_are(
    contents: list[tuple[str | None, str | None, str | None]], needs: frozenset[str]
) -> None:
    made = ArrowTable(
        pa.table(
            {
                "id": [str(number) for number in range(len(contents))],
                "text": pa.array([one[0] for one in contents], pa.string()),
                "instruction": pa.array([one[1] for one in contents], pa.string()),
                "image": pa.array([one[2] for one in contents], pa.string()),
            }
        ),
        tiles(),
        "t",
    )
    keys = made.content_keys(np.arange(len(contents)), needs)
    seen = [
        (
            number if "id" in needs else None,
            (text, instruction) if "text" in needs else None,
            SEEN[picture] if "image" in needs else None,
        )
        for number, (text, instruction, picture) in enumerate(contents)
    ]
    assert keys.dtype == np.uint8 and keys.shape == (len(contents), 16)
    for one in range(len(keys)):
        for other in range(len(keys)):
            assert (keys[one] == keys[other]).all() == (seen[one] == seen[other])


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=20, unique=True), st.data())
def test_select_agrees_with_the_rows_and_ranks_follow_the_bytes(ids: list[str], data: st.DataObject) -> None:
    ids = [name for name in ids if name.isprintable()] or ["x"]
    made = ArrowTable.of({"id": ids, "text": [name[::-1] for name in ids]}, name="t")
    chosen = np.array(
        data.draw(st.permutations(range(len(ids))))[: data.draw(st.integers(0, len(ids)))], dtype=np.int64
    )
    part = made.select(chosen)
    everything = np.arange(len(part))
    assert part.ids() == [ids[row] for row in chosen]
    assert part.items(everything) == made.items(chosen)
    keys = [one.content_keys(rows, frozenset({"text"})) for one, rows in ((part, everything), (made, chosen))]
    assert (keys[0] == keys[1]).all()
    assert part.costs(everything).tolist() == made.costs(chosen).tolist()
    by_bytes = sorted(part.ids(), key=lambda name: name.encode())
    assert [by_bytes[rank] for rank in part.tie_ranks()] == part.ids()


def test_costs_grow_with_characters_and_pixels() -> None:
    made = ArrowTable.of(
        {"id": list("abcd"), "text": ["x", "x" * 100, "", "x"], "image": [None, None, "red", "red|red|red|red"]},
        name="t",
        pictures=tiles(),
    )
    costs = made.costs(np.arange(4))
    assert costs[0] < costs[1]
    assert costs[2] < costs[3]


def test_a_million_rows_stay_in_arrow_and_are_ranked_rightly(monkeypatch: pytest.MonkeyPatch) -> None:
    n = 1_000_000
    numbers = np.random.default_rng(0).permutation(n)
    ids = pc.cast(pa.array(numbers), pa.string())
    text = pc.binary_join_element_wise(pa.repeat("text", n), ids, " ")
    chunks = pa.chunked_array([text[: n // 3], text[n // 3 :]])
    before = pa.total_allocated_bytes()
    made = ArrowTable.of(pa.table({"id": ids, "text": chunks}), name="large")
    assert pa.total_allocated_bytes() - before < 3 * text.nbytes
    taken: list[int] = []
    whole = ArrowTable._taken

    def counted(self: ArrowTable, name: str, some: Any) -> pa.Array:
        taken.append(len(some))
        return whole(self, name, some)

    monkeypatch.setattr(ArrowTable, "_taken", counted)
    ranks = made.tie_ranks()
    assert made.modalities() == {"text"}
    assert made.lookup(ids[:100_000]).tolist() == list(range(100_000))
    assert taken == []
    place = np.empty(n, dtype=np.int64)
    place[ranks] = np.arange(n)
    some = np.sort(np.random.default_rng(1).integers(0, n, 2000))
    names = made.ids(place[some])
    assert names == sorted(names, key=str.encode)
    assert sorted(ranks.tolist()) == list(range(n))
    last = made.items(rows(n - 1))[0]
    assert last == Item(str(numbers[-1]), f"text {numbers[-1]}")
