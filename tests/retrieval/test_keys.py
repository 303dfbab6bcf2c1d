"""Content keys in bulk agree with a dictionary, whatever bytes they hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mbench.core.types import Keys
from mbench.retrieval.keys import KeyIndex, distinct

BYTES = st.binary(min_size=3, max_size=3).map(lambda one: bytes(byte & 0x81 for byte in one))
"""Few different ones, many of which begin or end with zero bytes."""


def packed(keys: list[bytes]) -> Keys:
    return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), 3)


@given(st.lists(BYTES, max_size=40))
def test_contents_are_numbered_as_they_first_appear(keys: list[bytes]) -> None:
    found = distinct(packed(keys))
    number: dict[bytes, int] = {}
    assert found.place.tolist() == [number.setdefault(key, len(number)) for key in keys]
    assert found.first.tolist() == [keys.index(key) for key in number]


def test_rows_that_all_differ_share_one_array() -> None:
    found = distinct(packed([b"abc", b"ab\0", b"\0bc"]))
    assert found.first is found.place


@given(st.lists(st.lists(BYTES, min_size=1, max_size=8), max_size=6), st.lists(BYTES, max_size=20), st.data())
def test_a_key_is_found_in_the_first_shard_that_has_it(
    shards: list[list[bytes]], asked: list[bytes], data: st.DataObject
) -> None:
    index = KeyIndex()
    where: dict[bytes, tuple[int, int]] = {}
    for number, keys in enumerate(shards):
        index.add([number], [packed(keys)])
        for row, key in enumerate(keys):
            where.setdefault(key, (number, row))
    dropped = data.draw(st.integers(0, len(shards)))
    index.drop(dropped)
    found = index.find(packed(asked))
    for key, shard, row in zip(asked, found.shards.tolist(), found.rows.tolist(), strict=True):
        if key in where and where[key][0] != dropped:
            assert (shard, row) == where[key]
        else:
            assert shard == -1 or key in shards[shard]
