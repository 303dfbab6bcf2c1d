"""Arrays that are mapped from files: what was read of them need not stay in this process's memory."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

SHARED = ("r", "r+", "w+")
"""Modes in which the file has all that was written; in the other one, a page that is dropped would be lost."""
WORTH = 2 * 1000**3
"""Bytes of a file from which on it is done: mapping pages again takes about 5% of the time of a light search."""


def forget(array: npt.NDArray[Any]) -> None:
    """Drop the pages of a mapped array; they are read again where they are touched. Other arrays are left alone.

    Without it a scan of a file that is larger than memory would look as if it took all of it: the system counts every
    page that was touched, although it could take them back.
    """
    whole = _mapping(array)
    if whole is None or whole._mmap.size() < WORTH:  # type: ignore[attr-defined]
        return
    if whole.mode in SHARED and hasattr(mmap, "MADV_DONTNEED"):
        whole._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]


def is_mapped(array: npt.NDArray[Any]) -> bool:
    """Return whether the array, or what it is a view of, is mapped from a file."""
    return _mapping(array) is not None


def _mapping(array: npt.NDArray[Any] | None) -> np.memmap[Any, Any] | None:
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array
