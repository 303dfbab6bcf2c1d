"""Between Arrow and numpy or Python's own values, without pandas.

`pyarrow.array`, `pyarrow.scalar`, `Array.to_numpy` and all that call them import pandas where it is installed, to see
whether they were given one of its objects: a third of a second that most commands would spend for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

MOST = 2**31 - 1
"""Bytes that the offsets of Arrow's plain text and binary types can tell apart."""


def texts(values: Sequence[str | None]) -> Any:
    """Return texts as an Arrow array of strings; None is null. (Chunked where they take more than 2 GB.)"""
    import pyarrow as pa

    return _joined([None if one is None else one.encode() for one in values], values, pa.string(), np.int32)


def blobs(values: Sequence[bytes | None]) -> Any:
    """Return bytes as an Arrow array of large binaries; None is null."""
    import pyarrow as pa

    return _joined(values, values, pa.large_binary(), np.int64)


def numbers(values: npt.NDArray[Any]) -> Any:
    """Return a numpy array [n] of integers or floats as an Arrow array over the same memory."""
    import pyarrow as pa

    whole = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(whole.dtype), len(whole), [None, pa.py_buffer(whole)])


def measured(values: npt.NDArray[np.float64]) -> Any:
    """Return floats [n] as an Arrow array in which NaN is null."""
    import pyarrow as pa

    known = ~np.isnan(values)
    if known.all():
        return numbers(values)
    whole = np.ascontiguousarray(np.where(known, values, 0.0))
    return pa.Array.from_buffers(pa.float64(), len(whole), [_bits(known), pa.py_buffer(whole)])


def scalar(value: str | bytes | float, kind: Any) -> Any:
    """Return a value as an Arrow scalar of the type `kind`: text, bytes or a number."""
    if isinstance(value, str):
        return texts([value]).cast(kind)[0]
    if isinstance(value, bytes):
        return blobs([value]).cast(kind)[0]
    return numbers(np.array([value])).cast(kind)[0]


def filled(values: Any, value: str | bytes | float) -> Any:
    """Return an Arrow array with `value` in place of its nulls."""
    import pyarrow.compute as pc

    return pc.fill_null(values, scalar(value, values.type))


def integers(values: Any, null: int = 0) -> npt.NDArray[np.int64]:
    """Return an Arrow array of integers as int64 [n], with `null` in place of its nulls."""
    whole = filled(values, null) if values.null_count else values
    place = slice(whole.offset, whole.offset + len(whole))
    found = np.frombuffer(whole.buffers()[1] or b"", dtype=whole.type.to_pandas_dtype())
    return found[place].astype(np.int64, copy=False)


def floats(values: Any) -> npt.NDArray[np.float64]:
    """Return an Arrow array or column of numbers as float64 [n], with NaN in place of its nulls."""
    import pyarrow as pa

    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    array = filled(array.cast(pa.float64()), float("nan"))
    place = slice(array.offset, array.offset + len(array))
    return np.frombuffer(array.buffers()[1] or b"", dtype=np.float64)[place]


def flags(values: Any) -> npt.NDArray[np.bool_]:
    """Return an Arrow array of booleans without nulls as bool [n]."""
    bits = np.frombuffer(values.buffers()[1] or b"", dtype=np.uint8)
    place = slice(values.offset, values.offset + len(values))
    return np.unpackbits(bits, bitorder="little")[place].astype(np.bool_)


def _joined(encoded: Sequence[bytes | None], values: Sequence[Any], kind: Any, width: npt.DTypeLike) -> Any:
    """Return an array of variable length: where each value ends, and all of them one after the other."""
    import pyarrow as pa

    ends = np.cumsum([0, *(0 if one is None else len(one) for one in encoded)])
    if width is np.int32 and ends[-1] > MOST:
        return pa.array(values, kind)
    known = np.array([one is not None for one in encoded], dtype=bool)
    data = pa.py_buffer(b"".join(one for one in encoded if one is not None))
    bits = None if known.all() else _bits(known)
    return pa.Array.from_buffers(kind, len(encoded), [bits, pa.py_buffer(ends.astype(width)), data])


def _bits(known: npt.NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.py_buffer(np.packbits(known, bitorder="little"))
