"""How much memory this process has taken, and which errors mean that there was none left."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
PEAK = Path("/proc/self/clear_refs")
MACHINE = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")
_earlier: list[int] = []
"""Peaks that `memory_growth` has made the system forget."""


def peak_memory() -> int | None:
    """Return the largest resident memory of this process so far, in bytes, where the system tells.

    Linux counts a process's parent in `ru_maxrss`, if that was larger when it started this one; its status file does
    not.
    """
    if STATUS.is_file():
        return max((*_earlier, _kilobytes(STATUS, "VmHWM") or 0)) or None
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_growth(work: Callable[[], object]) -> int | None:
    """Do the work and return by how many bytes memory grew at its peak; None where the system does not tell.

    That is the memory of the GPU, once torch has begun to use one, and otherwise the resident memory of this process,
    whose peak is counted from now on.
    """
    cuda = _cuda()
    if cuda is not None:
        cuda.reset_peak_memory_stats()
        before = cuda.memory_allocated()
        work()
        return int(cuda.max_memory_allocated()) - int(before)
    before = _forget_peak()
    work()
    if before is None:
        return None
    return max(0, (_kilobytes(STATUS, "VmHWM") or 0) - before)


def _forget_peak() -> int | None:
    """Begin to count the peak anew, from the resident memory, which is returned; None where that cannot be."""
    earlier = peak_memory()
    try:
        PEAK.write_text("5")
        resident = _kilobytes(STATUS, "VmRSS")
    except OSError:
        return None
    _earlier[:] = [max(*_earlier, earlier or 0)] if _earlier else [earlier or 0]
    return resident


def memory_left() -> int | None:
    """Return how many bytes are free where `memory_growth` measures; None where the system does not tell."""
    cuda = _cuda()
    if cuda is not None:
        return int(cuda.mem_get_info()[0]) + int(cuda.memory_reserved()) - int(cuda.memory_allocated())
    machine = _kilobytes(MACHINE, "MemAvailable") if MACHINE.is_file() else None
    left = [one for one in (machine, _left_to_group()) if one is not None]
    return min(left, default=None)


def uses_gpu() -> bool:
    """Tell whether torch has begun to use a GPU of CUDA."""
    return _cuda() is not None


def _cuda() -> Any:
    """Return `torch.cuda` where it is in use; torch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_initialized() else None


def _kilobytes(path: Path, name: str) -> int | None:
    """Return in bytes what a file of the system gives in kB."""
    found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _left_to_group() -> int | None:
    """Return what the limit of a container leaves, None without one."""
    try:
        return int((GROUP / "memory.max").read_text()) - int((GROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception of any library means that memory ran out."""
    kind = type(error).__name__
    return isinstance(error, MemoryError) or kind == "OutOfMemoryError" or "out of memory" in f"{kind} {error}".lower()
