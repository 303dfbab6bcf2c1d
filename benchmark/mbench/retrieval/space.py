"""Room for arrays that may be larger than memory: beyond a limit they lie in a file that nobody has to remove."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from mbench.core.errors import OutputError

SHARE = 8
"""An array may take one part in so many of the memory that a run may use."""
FALLBACK = 8 * 1000**3
"""Bytes of memory to assume where the system does not tell."""
ZEROS = 1 << 24


@dataclass(frozen=True, slots=True)
class Space:
    """Where the large arrays of a run go: `memory` bytes are all that it may take (default: what the machine has);
    `folder` holds the files (default: the system's folder for temporary files).
    """

    memory: int | None = None
    folder: Path | None = None

    @property
    def limit(self) -> int:
        """Bytes from which on an array goes to disk."""
        return (_physical() if self.memory is None else self.memory) // SHARE

    @property
    def other(self) -> str:
        """What a user can do to have the files elsewhere."""
        return "set TMPDIR or name a --cache" if self.folder is None else "choose another --cache"

    def array(self, shape: tuple[int, int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return an array of zeros in memory, or mapped from a nameless file that goes away with the array.

        Raises OutputError when the disk has no room for it.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size <= self.limit:
            return np.zeros(shape, dtype=dtype)
        try:
            if self.folder is not None:
                self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as file:
                _reserve(file, size)
                return np.memmap(file, dtype, "r+", shape=shape)
        except OSError as error:
            raise OutputError(
                f"{self.folder or tempfile.gettempdir()}: no room for {size:,} bytes of embeddings "
                f"({error.strerror}). Free space, {self.other}, or allow more --memory."
            ) from None


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the space now: a full disk must be an error, where writing to a map would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, ZEROS):
        file.write(bytes(min(ZEROS, size - start)))
    file.flush()


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return FALLBACK
