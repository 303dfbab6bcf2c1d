"""Columns of text that grow batch by batch in files, so that a table larger than memory can be put together."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mbench.core.errors import OutputError

LARGEST = 2**31 - 1
"""Bytes of text that a column with offsets of 32 bits can hold."""


def gathered(batches: Iterable[pa.RecordBatch], folder: Path) -> pa.Table:
    """Return the batches, text columns of one schema, as a table of one chunk a column that is mapped from `folder`.

    The files have no names: they are gone when the table is, however the process ends. A column of more than
    `LARGEST` bytes becomes a large string; no batch gives no columns. Raises OutputError when the folder cannot hold
    them.
    """
    try:
        with ExitStack() as files:
            columns: dict[str, _Column] = {}
            for batch in batches:
                if not columns:
                    columns = {field.name: _Column(field.type, folder, files) for field in batch.schema}
                for name, column in columns.items():
                    column.append(batch.column(name))
            return pa.table({name: column.array() for name, column in columns.items()})
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror or error}).") from None


class _Column:
    """The bytes of all texts in one file, where each ends in another, and which are there."""

    def __init__(self, kind: pa.DataType, folder: Path, files: ExitStack) -> None:
        self._kind = kind
        self._texts, self._offsets = (files.enter_context(_unnamed(folder)) for _ in range(2))
        self._offsets.write(bytes(8))
        self._valid: list[npt.NDArray[np.bool_]] = []
        self._size = 0

    def append(self, values: pa.Array) -> None:
        """Write one batch at the end."""
        large = values.cast(pa.large_string())
        _, offsets, texts = large.buffers()
        ends = np.frombuffer(offsets, np.int64)[large.offset : large.offset + len(large) + 1]
        if texts is not None:
            self._texts.write(memoryview(texts)[ends[0] : ends[-1]])
        self._offsets.write((ends[1:] - ends[0] + self._size).tobytes())
        self._valid.append(large.is_valid().to_numpy(zero_copy_only=False))
        self._size += int(ends[-1] - ends[0])

    def array(self) -> pa.Array:
        """Return the column as one array, of the narrower type where it fits."""
        valid = np.concatenate(self._valid)
        kind = self._kind if self._size <= LARGEST else pa.large_string()
        offsets = _mapped(self._offsets)
        if not pa.types.is_large_string(kind):
            offsets = pa.py_buffer(np.frombuffer(offsets, np.int64).astype(np.int32))
        present = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
        return pa.Array.from_buffers(kind, len(valid), [present, offsets, _mapped(self._texts)])


def _unnamed(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder)


def _mapped(file: IO[bytes]) -> pa.Buffer:
    file.flush()
    if not file.tell():
        return pa.py_buffer(b"")
    return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
