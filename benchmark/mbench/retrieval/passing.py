"""Vectors that were made elsewhere, passed on to the search without a copy in memory."""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt

from mbench.core.lookup import Lookup
from mbench.core.mapped import forget
from mbench.core.specs import ModelCard
from mbench.core.types import ItemTable, Role, Rows, Vectors
from mbench.retrieval.checks import checked
from mbench.retrieval.space import Space

IDS_AT_ONCE = 1 << 16
BYTES_AT_ONCE = 1 << 24


def passed_on(source: Lookup, card: ModelCard, table: ItemTable, role: Role, space: Space) -> Vectors:
    """Return the vectors [len(table), d] that `source` has of a table's items; candidates may stay float16.

    They are those of the source's own array where nothing has to be changed: a dot-product model whose rows stand in
    the table's order. Otherwise they are gathered, at unit length for a cosine model, in `space`. Raises ModelError for
    items that the source lacks, EncodingError for a vector that cannot be scored.
    """
    vectors, rows = source.stored_vectors(role), _rows(source, table, role)
    half = vectors.dtype == np.float16 and role == "candidate" and card.similarity == "dot"
    kind: npt.DTypeLike = np.float16 if half else np.float32
    as_it_is = vectors.dtype == kind and card.similarity == "dot" and _in_order(rows)
    out = vectors[rows[0] : rows[0] + len(rows)] if as_it_is else space.array((len(rows), vectors.shape[1]), kind)
    step = max(1, BYTES_AT_ONCE // (4 * vectors.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        found = checked(vectors[rows[part]], card, partial(_id_of, table, start))
        if not as_it_is:
            out[part] = found
            forget(out)
        forget(vectors)
    return cast(Vectors, out)


def _id_of(table: ItemTable, start: int, row: int) -> str:
    return table.ids(np.array([start + row]))[0]


def _rows(source: Lookup, table: ItemTable, role: Role) -> Rows:
    places = np.arange(len(table), dtype=np.int64)
    parts = [places[start : start + IDS_AT_ONCE] for start in range(0, len(places), IDS_AT_ONCE)]
    return np.concatenate([source.stored_rows(table.ids(part), role) for part in parts])


def _in_order(rows: Rows) -> bool:
    return len(rows) > 0 and bool((np.diff(rows) == 1).all())
