"""Encoders that compute nothing: their vectors are made already and lie in an array that may not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt

from mbench.core.types import Role, Rows


@runtime_checkable
class Lookup(Protocol):
    """What an `Encoder` offers besides `encode` when it only looks vectors up by id (`needs` holds "id").

    Whole tables are then taken from the array itself, which is not copied where its rows stand in the table's order.
    """

    def stored_vectors(self, role: Role) -> npt.NDArray[Any]:
        """Return float16, float32 or float64 [m, d], all vectors of a role; may be a memory map. All are finite."""

    def stored_rows(self, ids: Sequence[str], role: Role) -> Rows:
        """Return the row in `stored_vectors` of each id. Raises ModelError that names ids which it lacks."""
