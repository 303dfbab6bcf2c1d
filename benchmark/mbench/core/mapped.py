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
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)  # type: ignore[assignment]
    if array is None or array._mmap.size() < WORTH:  # type: ignore[attr-defined]
        return
    if array.mode in SHARED and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
