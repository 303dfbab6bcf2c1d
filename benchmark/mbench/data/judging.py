"""From columns of ids to judgments over candidate rows, without a Python object an id."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mbench.core.arrow import integers
from mbench.core.errors import DataError
from mbench.core.types import Rows, Sets, Tags
from mbench.data.table import ArrowTable

GALLERY = "gallery"
"""Name of the pool that the main ranking of a query is restricted to, where a task has one."""


def sets_of(lists: pa.ListArray, queries: ArrowTable, candidates: ArrowTable, what: str) -> Sets:
    """Return the candidate rows that a column of id lists names, one set a query; null is an empty set.

    Raises DataError that names the query and the id for an unknown candidate or one that stands twice in a list.
    """
    starts = _starts(lists)
    names = lists.flatten()
    rows = candidates.lookup(names)
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        query, name = _where(queries, starts, int(unknown[0])), names[int(unknown[0])].as_py()
        more = f" ({len(unknown)} such entries in all)" if len(unknown) > 1 else ""
        raise DataError(f"{what} of query {query!r} names {name!r}, which is not in {candidates.name}{more}.")
    _refuse_twice(Sets(starts, rows), queries, candidates, what)
    return Sets(starts, rows)


def tags_of(lists: pa.ListArray) -> Tags:
    """Return a column of lists of values as tags; the values in their order of first appearance."""
    coded = lists.flatten().dictionary_encode()
    members = integers(coded.indices)
    return Tags(tuple(coded.dictionary.to_pylist()), Sets(_starts(lists), members))


def groups_of(names: pa.Array) -> Rows:
    """Return [n_q] the number of each query's group, numbered by first appearance; -1 for null."""
    coded = names.dictionary_encode()
    return integers(coded.indices, -1)


def _starts(lists: pa.ListArray) -> Rows:
    sizes = integers(lists.value_lengths())
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)])


def _where(queries: ArrowTable, starts: Rows, place: int) -> str:
    row = np.searchsorted(starts, [place], side="right") - 1
    return queries.ids(row)[0]


def _refuse_twice(sets: Sets, queries: ArrowTable, candidates: ArrowTable, what: str) -> None:
    keys = np.repeat(np.arange(len(sets)), sets.sizes()) * max(len(candidates), 1) + sets.rows
    order = np.argsort(keys, kind="stable")
    twice = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    if len(twice):
        place = int(order[1:][twice].min())
        query, name = _where(queries, sets.starts, place), candidates.ids(sets.rows[place : place + 1])[0]
        raise DataError(f"{what} of query {query!r} names {name!r} twice.")
