"""Embeddings that were made elsewhere, looked up by id.

Memory: embeddings of an uncompressed file (`numpy.savez`) stay on disk, of a compressed one they take their full size;
ids take about 8 bytes a row beside their own text. No vector becomes a Python object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mbench.core.errors import EncodingError, ModelError, listed
from mbench.core.files import file_sha256
from mbench.core.mapped import forget
from mbench.core.specs import ModelCard
from mbench.core.types import Item, LoadOptions, Role, Rows, Vectors
from mbench.models.cards import shipped_card
from mbench.models.npz import open_arrays
from mbench.models.options import Args, ExistingFile, Text, refuse_revision

ROLES: tuple[Role, Role] = ("query", "candidate")
CHECKED_AT_ONCE = 16_384


class PrecomputedArgs(Args):
    """Arguments of `precomputed`."""

    path: ExistingFile = Field(description="an .npz file")
    similarity: Literal["dot", "cosine"] = Field(default="dot", description="cosine normalises the vectors")
    id: Text = Field(default="precomputed", description="the model's name in results")


@dataclass(frozen=True, slots=True)
class Table:
    """The embeddings of one role: `ids` [n] text, `order` [n] the rows by ascending id, `vectors` [n, d]."""

    ids: npt.NDArray[np.str_]
    order: Rows
    vectors: npt.NDArray[np.floating]

    def rows(self, asked: Sequence[str]) -> Rows:
        """Return the row of each asked id, -1 where it has none."""
        if not len(self.ids):
            return np.full(len(asked), -1, dtype=np.int64)
        wanted = np.array(asked, dtype=str)
        # A longer asked id would make numpy widen the whole array; cut to the file's width it cannot match wrongly,
        # because it is compared in full below.
        narrow = wanted.astype(self.ids.dtype)
        places = np.searchsorted(self.ids, narrow, sorter=self.order)
        rows = self.order[np.minimum(places, len(self.ids) - 1)]
        return np.where(self.ids[rows] == wanted, rows, -1)


class Precomputed:
    """Vectors from an .npz file with query_ids, query_embeddings, candidate_ids and candidate_embeddings."""

    card: ModelCard = shipped_card("precomputed")
    args: ClassVar[type[Args]] = PrecomputedArgs
    needs = frozenset({"id"})

    def __init__(self, path: Path, similarity: Literal["dot", "cosine"] = "dot", name: str = "precomputed") -> None:
        self.path = path
        self.tables = _tables(path)
        digest = file_sha256(path)
        self.identity = {"file_sha256": digest}
        self.card = self.card.model_copy(
            update={
                "id": name,
                "similarity": similarity,
                "revision": digest[:12],
                "dimension": self.tables["query"].vectors.shape[1],
            }
        )

    @classmethod
    def load(cls, options: LoadOptions) -> Precomputed:
        """Open and check the file of `--model-args path=`. Raises UserError, ModelError and EncodingError."""
        refuse_revision(options, "precomputed")
        args = PrecomputedArgs.read(options, "precomputed")
        return cls(args.path, args.similarity, args.id)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return the file's vectors [n, d] as float32. Raises ModelError for ids that the file lacks."""
        rows = self.stored_rows([item.id for item in items], role)
        return np.asarray(self.tables[role].vectors[rows], dtype=np.float32)

    def stored_vectors(self, role: Role) -> npt.NDArray[np.floating]:
        """Return all vectors of a role [m, d] as the file has them, mapped from it where it is not compressed."""
        return self.tables[role].vectors

    def stored_rows(self, ids: Sequence[str], role: Role) -> Rows:
        """Return the row of each id. Raises ModelError that counts and names those that the file lacks."""
        rows = self.tables[role].rows(ids)
        lacking = [one for one, row in zip(ids, rows, strict=True) if row < 0]
        if lacking:
            raise ModelError(
                f"{self.path}: {role}_ids lacks {len(lacking)} of {len(ids)} {role} ids in a batch of the task: "
                f"{listed(map(repr, lacking))}. Is it a file for another task or split?"
            )
        return rows


def _tables(path: Path) -> dict[Role, Table]:
    arrays = open_arrays(path, tuple(f"{role}_{part}" for role in ROLES for part in ("ids", "embeddings")))
    tables = {role: _table(path, role, arrays) for role in ROLES}
    widths = [table.vectors.shape[1] for table in tables.values()]
    if widths[0] != widths[1]:
        raise ModelError(
            f"{path}: query_embeddings have {widths[0]} dimensions and candidate_embeddings {widths[1]}; "
            "they must be equal."
        )
    return tables


def _table(path: Path, role: Role, arrays: dict[str, npt.NDArray[Any]]) -> Table:
    ids, vectors = arrays[f"{role}_ids"], arrays[f"{role}_embeddings"]
    if ids.dtype.kind != "U" or ids.ndim != 1:
        raise ModelError(
            f"{path}: {role}_ids must be a list of texts; found {ids.dtype} {list(ids.shape)}. "
            "Save numpy.array(ids, dtype=str)."
        )
    if vectors.dtype.kind != "f" or vectors.ndim != 2 or vectors.shape[1] == 0:
        raise ModelError(
            f"{path}: {role}_embeddings must be float16, float32 or float64 [n, dimension]; "
            f"found {vectors.dtype} {list(vectors.shape)}."
        )
    if len(ids) != len(vectors):
        raise ModelError(f"{path}: {len(ids)} {role}_ids, but {len(vectors)} {role}_embeddings; expected one each.")
    ids = np.asarray(ids)
    order = np.argsort(ids, kind="stable")
    _refuse_duplicates(path, role, ids, order)
    _refuse_not_finite(path, role, ids, vectors)
    return Table(ids, order, vectors)


def _refuse_duplicates(path: Path, role: Role, ids: npt.NDArray[np.str_], order: Rows) -> None:
    twice = 0
    examples: list[str] = []
    for start in range(0, len(order) - 1, CHECKED_AT_ONCE):
        block = ids[order[start : start + CHECKED_AT_ONCE + 1]]
        same = block[1:][block[1:] == block[:-1]]
        twice += len(same)
        examples += [repr(str(one)) for one in same[: 5 - len(examples)]]
    if twice:
        raise ModelError(f"{path}: {role}_ids has {twice} repeated ids: {listed(dict.fromkeys(examples))}.")


def _refuse_not_finite(path: Path, role: Role, ids: npt.NDArray[np.str_], vectors: npt.NDArray[np.floating]) -> None:
    for start in range(0, len(vectors), CHECKED_AT_ONCE):
        bad = ~np.isfinite(vectors[start : start + CHECKED_AT_ONCE]).all(axis=1)
        forget(vectors)
        if bad.any():
            row = start + int(np.argmax(bad))
            raise EncodingError(f"{path}: {role}_embeddings holds NaN or infinity, first for id {str(ids[row])!r}.")
