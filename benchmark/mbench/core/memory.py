"""How much memory this process has taken, and which errors mean that there was none left."""

from __future__ import annotations

import re
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory() -> int | None:
    """Return the largest resident memory of this process so far, in bytes, where the system tells.

    Linux counts a process's parent in `ru_maxrss`, if that was larger when it started this one; its status file does
    not.
    """
    found = re.search(r"^VmHWM:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE) if STATUS.is_file() else None
    if found:
        return int(found[1]) * 1024
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
