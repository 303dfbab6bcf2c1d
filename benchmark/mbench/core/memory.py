"""How much memory this process has taken, and which errors mean that there was none left."""

from __future__ import annotations

import sys


def peak_memory() -> int | None:
    """Return the largest resident memory of this process so far, in bytes, where the system tells."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception of any library means that memory ran out."""
    kind = type(error).__name__
    return isinstance(error, MemoryError) or kind == "OutOfMemoryError" or "out of memory" in f"{kind} {error}".lower()
