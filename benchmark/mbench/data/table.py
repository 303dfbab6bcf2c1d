"""Items in Arrow columns: millions of rows of which only the asked ones become Python objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mbench.core.arrow import filled, flags, integers, numbers, scalar, texts
from mbench.core.errors import DataError, ImageError, listed
from mbench.core.types import Floats, Item, ItemTable, Keys, Rows
from mbench.data.content import KEY_BYTES, digested, keys_of
from mbench.data.images import ImageSource

CORE = ("id", "text", "instruction", "image")
NEEDS = {"id": ("id",), "text": ("text", "instruction"), "image": ("image",)}
"""The columns behind each field that an encoder may depend on; an instruction is text to it."""

CHARACTERS_A_TOKEN = 4
PIXELS_A_TOKEN = 14 * 14
AT_ONCE = 1 << 16
"""Rows that may be Python objects at the same time."""
SHOWN = 5
"""Missing pictures that a message names."""
_LARGE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ArrowTable:
    """An `ItemTable` over Arrow: `columns` holds id, text, instruction and image (text that refers to a picture of
    `pictures`), each where the source has it, and extra columns of any type. `name` is what messages call the table.

    Make one with `ArrowTable.of`, which checks; the bare constructor trusts.
    """

    columns: pa.Table
    pictures: ImageSource | None
    name: str
    _ranks: list[Rows] = field(default_factory=list, repr=False, compare=False)

    @staticmethod
    def of(columns: pa.Table | Mapping[str, Any], *, name: str, pictures: ImageSource | None = None) -> ArrowTable:
        """Check the columns and make a table of them.

        Raises DataError when an id is missing or stands twice, a core column is not text, a row has neither text nor
        picture, or pictures are referred to that nothing holds.
        """
        table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
        made = ArrowTable(pa.table({key: _whole(table, key, name) for key in table.column_names}), pictures, name)
        made._check()
        return made

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def ids(self, rows: Rows | None = None) -> list[str]:
        """Return the ids of `rows`, or of all rows."""
        ids = self.id_array()
        return list((ids if rows is None else ids.take(numbers(rows))).to_pylist())

    def id_array(self) -> pa.Array:
        """Return the ids of all rows as Arrow holds them."""
        return self.columns["id"].chunk(0)

    def items(self, rows: Rows, *, images: bool = True, reduced: Callable[[Item], Item] | None = None) -> list[Item]:
        """Return the items, if `images` with pictures, `reduced`. Raises ImageError, and what `reduced` raises."""
        values = [self._values(name, rows) for name in CORE]
        items = (
            Item(str(key), text, self._open(image) if images else None, instruction)
            for key, text, instruction, image in zip(*values, strict=True)
        )
        return list(items if reduced is None else map(reduced, items))

    def content_keys(self, rows: Rows, needs: frozenset[str]) -> Keys:
        """Return uint8 [len(rows), 16], digests of the fields in `needs` (id, text, image): equal contents, equal keys.

        `text` covers the instruction. A picture counts by its content, not by its name. Raises ImageError.
        """
        names = [column for need in sorted(needs) for column in NEEDS[need]]
        keys = np.empty((len(rows), KEY_BYTES), dtype=np.uint8)
        for part in _parts(len(rows)):
            keys[part] = keys_of(names, [self._contents(name, rows[part]) for name in names])
        return keys

    def costs(self, rows: Rows) -> Floats:
        """Return [len(rows)] roughly the tokens that a transformer makes of each row: text, instruction and picture."""
        total = np.zeros(len(rows), dtype=np.float64)
        for part in _parts(len(rows)):
            for name in ("text", "instruction"):
                if name in self.columns.column_names:
                    total[part] += integers(pc.utf8_length(self._taken(name, rows[part]))) / CHARACTERS_A_TOKEN
            if self.pictures is not None:
                named = self._values("image", rows[part])
                pixels = [self.pictures.pixels(one) if one is not None else 0 for one in named]
                total[part] += np.array(pixels, dtype=np.float64) / PIXELS_A_TOKEN
        return total

    def tie_ranks(self) -> Rows:
        """Return [n] the place of each row's id in ascending byte order; computed once."""
        if not self._ranks:
            self._rank(pc.array_sort_indices(self.id_array()))
        return self._ranks[0]

    def _rank(self, order: pa.Array) -> None:
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[integers(order)] = np.arange(len(order))
        ranks.flags.writeable = False
        self._ranks.append(ranks)

    def select(self, rows: Rows) -> ArrowTable:
        """Return the table of `rows`, in their order."""
        columns = {name: self._taken(name, rows) for name in self.columns.column_names}
        return ArrowTable(pa.table(columns), self.pictures, self.name)

    def replaced(self, **columns: Sequence[str | None] | pa.Array | None) -> ArrowTable:
        """Return the table with core columns replaced by given values, one a row; None clears the column.

        Raises ValueError for another column or another number of values.
        """
        kept = {name: self.columns[name] for name in self.columns.column_names if name not in columns}
        for name, values in columns.items():
            if name not in CORE[1:]:
                raise ValueError(f"{name!r} cannot be replaced; only {', '.join(CORE[1:])} can")
            if values is not None:
                if len(values) != len(self):
                    raise ValueError(f"{len(values)} values of {name!r} for {len(self)} rows")
                kept[name] = values if isinstance(values, pa.Array) else texts(values)
        return ArrowTable(pa.table(kept), self.pictures, self.name)

    def filled(self, **texts: str) -> ArrowTable:
        """Return the table in which core columns have the given text wherever they had none."""
        return self.replaced(
            **{
                name: filled(self.array(name).cast(pa.string()), text)
                if name in self.columns.column_names
                else pa.repeat(scalar(text, pa.string()), len(self))
                for name, text in texts.items()
            }
        )

    def column(self, name: str) -> list[object]:
        """Return a column as Python values; all None where the source has none of that name."""
        return self._values(name, np.arange(len(self), dtype=np.int64))

    def array(self, name: str) -> pa.Array:
        """Return a column as Arrow holds it; nulls where the source has none of that name."""
        if name not in self.columns.column_names:
            return pa.nulls(len(self))
        return self.columns[name].chunk(0)

    def modalities(self) -> frozenset[str]:
        """Return which of text, image, image+text occur; an instruction does not count as text."""
        text, image = self._has("text"), self._has("image")
        found = {"text": text & ~image, "image": image & ~text, "image+text": text & image}
        return frozenset(name for name, rows in found.items() if rows.any())

    def check_images(self) -> None:
        """Verify that every picture that a row names is there. Raises ImageError that names the first missing ones."""
        if self.pictures is None:
            return
        named, first, count = pc.unique(pc.drop_null(self.array("image"))), list[str](), 0
        for part in _parts(len(named)):
            missing = self.pictures.missing(named[part].to_pylist())
            first, count = [*first, *missing[:SHOWN]][:SHOWN], count + len(missing)
        if first:
            told = listed(first, SHOWN, count)
            raise ImageError(f"{self.name}: {count} of {len(named)} pictures are not there: {told}.")

    def lookup(self, ids: Sequence[str] | pa.Array) -> Rows:
        """Return the row of each id, -1 for an unknown one."""
        known = self.id_array()
        wanted = ids if isinstance(ids, pa.Array) else texts(ids)
        return integers(pc.index_in(wanted.cast(known.type), known), -1)

    def rows_of(self, ids: Sequence[str] | pa.Array, what: str = "ids") -> Rows:
        """Return the row of each id. Raises DataError that names unknown ones; `what` says where they stand."""
        rows = self.lookup(ids)
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            names = [repr(str(ids[int(place)])) for place in unknown]
            raise DataError(f"{what}: {listed(dict.fromkeys(names))} not in {self.name} ({len(self)} rows).")
        return rows

    def _check(self) -> None:
        ids = self.array("id")
        if "id" not in self.columns.column_names or ids.null_count or pc.min(pc.utf8_length(ids)).as_py() == 0:
            raise DataError(f"{self.name}: every row needs an id.")
        order = pc.array_sort_indices(ids)  # takes less memory than counting, and the tie ranks need it anyway
        ordered = ids.take(order)
        twice = pc.unique(ordered[1:].filter(pc.equal(ordered[1:], ordered[:-1]))).to_pylist()
        if twice:
            raise DataError(f"{self.name}: ids that stand more than once: {listed(map(repr, twice))}.")
        self._rank(order)
        bare = np.flatnonzero(~(self._has("text") | self._has("image")))
        if len(bare):
            raise DataError(f"{self.name}: neither text nor picture: {listed(map(repr, self.ids(bare)))}.")
        if self.pictures is None and self._has("image").any():
            raise DataError(f"{self.name}: rows name pictures, but the source has none.")

    def _has(self, name: str) -> Any:
        return flags(pc.is_valid(self.array(name)))

    def _taken(self, name: str, rows: Rows) -> pa.Array:
        return self.array(name).take(numbers(np.asarray(rows, dtype=np.int64)))

    def _values(self, name: str, rows: Rows) -> list[Any]:
        if name not in self.columns.column_names:
            return [None] * len(rows)
        return list(self._taken(name, rows).to_pylist())

    def _open(self, reference: str | None) -> Any:
        return None if reference is None or self.pictures is None else self.pictures.open(reference)

    def _contents(self, name: str, rows: Rows) -> pa.Array:
        if name not in self.columns.column_names:
            return pa.nulls(len(rows))
        values = self._taken(name, rows)
        return digested(values, self.pictures.digest) if name == "image" and self.pictures is not None else values


def lookup(table: ItemTable, ids: Sequence[str] | pa.Array) -> Rows:
    """Return the row of each id in any table, -1 for an unknown one."""
    whole = table if isinstance(table, ArrowTable) else ArrowTable(pa.table({"id": texts(table.ids())}), None, "table")
    return whole.lookup(ids)


def _parts(count: int) -> Iterator[slice]:
    """Yield slices that cover `count` rows, so few at a time that they may become Python objects."""
    return (slice(start, min(start + AT_ONCE, count)) for start in range(0, count, AT_ONCE))


def _whole(table: pa.Table, name: str, where: str) -> pa.Array:
    """Return a column as one array: taking rows from many chunks would join them each time."""
    column = table[name]
    if name in CORE and not _is_text(column.type):
        raise DataError(f"{where}: the column {name!r} must be text, but it is {column.type}.")
    if pa.types.is_null(column.type) or pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if column.nbytes > _LARGE and pa.types.is_string(column.type):
        column = column.cast(pa.large_string())
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind))
