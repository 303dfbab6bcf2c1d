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

    That is the memory of the GPU where it grew most, where torch has put something on one, and otherwise the resident
    memory of this process, whose peak is counted from now on.
    """
    cuda, devices = _cuda()
    if devices:
        for device in devices:
            cuda.reset_peak_memory_stats(device)
        before = [cuda.memory_allocated(device) for device in devices]
        work()
        return max(int(cuda.max_memory_allocated(one)) - int(was) for one, was in zip(devices, before, strict=True))
    resident = _forget_peak()
    work()
    if resident is None:
        return None
    return max(0, (_kilobytes(STATUS, "VmHWM") or 0) - resident)


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
    """Return how many bytes are free where `memory_growth` measures, of several GPUs on the fullest one; None where
    the system does not tell.
    """
    cuda, devices = _cuda()
    if not devices:
        return host_memory_left()
    return min(
        int(cuda.mem_get_info(one)[0]) + int(cuda.memory_reserved(one)) - int(cuda.memory_allocated(one))
        for one in devices
    )


def host_memory_left() -> int | None:
    """Return how many bytes of the machine's memory are left to this process; None where the system does not tell."""
    machine = _kilobytes(MACHINE, "MemAvailable") if MACHINE.is_file() else None
    left = [one for one in (machine, _left_to_group()) if one is not None]
    return min(left, default=None)


def uses_gpu() -> bool:
    """Tell whether torch has put something on a GPU of CUDA."""
    return bool(_cuda()[1])


def _cuda() -> tuple[Any, list[int]]:
    """Return `torch.cuda` and the devices that hold something of this process; torch is not imported for it."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None, []
    return torch.cuda, [one for one in range(torch.cuda.device_count()) if torch.cuda.memory_allocated(one)]


def _kilobytes(path: Path, name: str) -> int | None:
    """Return in bytes what a file of the system gives in kB."""
    found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _left_to_group() -> int | None:
    """Return what the limit of a container leaves, None without one. Pages of files count as free: they give way."""
    try:
        taken = int((GROUP / "memory.current").read_text())
        stat = (GROUP / "memory.stat").read_text()
        files = sum(map(int, re.findall(r"^(?:in)?active_file (\d+)$", stat, re.MULTILINE)))
        return max(0, int((GROUP / "memory.max").read_text()) - max(0, taken - files))
    except (OSError, ValueError):
        return None


LACKING = ("out of memory", "allocate memory", "not enough memory", "status_alloc_failed")
"""What torch says on a GPU and on a CPU, the system, and NVIDIA's libraries."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception of any library means that memory ran out."""
    kind = type(error).__name__
    told = f"{kind} {error}".lower()
    return isinstance(error, MemoryError) or kind == "OutOfMemoryError" or any(one in told for one in LACKING)
