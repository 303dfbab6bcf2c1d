from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from mbench.core import memory
from mbench.core.memory import host_memory_left, is_out_of_memory, memory_growth, memory_left, uses_gpu


class OutOfMemoryError(Exception):
    """As libraries name theirs."""


def test_the_peak_rises_with_what_is_held_and_does_not_fall_after() -> None:
    program = (
        "from mbench.core.memory import peak_memory as peak\n"
        "before = peak()\n"
        "held = bytearray(b'x') * 100_000_000\n"
        "high = peak()\n"
        "del held\n"
        "print(high - before, peak() - high)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    risen, later = map(int, done.stdout.split())
    assert 90_000_000 < risen < 150_000_000 and abs(later) < 1_000_000


def test_exhaustion_is_known_by_type_name_or_message() -> None:
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(OutOfMemoryError())
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


@pytest.mark.parametrize(
    "told",
    [
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to ...",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "MPS backend out of memory (MPS allocated: 9 GB)",
    ],
)
def test_libraries_that_say_it_otherwise_are_understood(told: str) -> None:
    assert is_out_of_memory(RuntimeError(told))


def test_what_torch_raises_on_a_processor_is_exhaustion() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**15)
    assert is_out_of_memory(raised.value)
    assert is_out_of_memory(torch.OutOfMemoryError("..."))


@dataclass
class Gpus:
    """As `torch.cuda`: of each device what its tensors take, the most so far, and what is free beyond the reserved."""

    held: list[int]
    free: list[int]
    peak: list[int] = field(default_factory=list)
    cached: int = 0

    def __post_init__(self) -> None:
        self.peak = list(self.held)

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return len(self.held)

    def memory_allocated(self, device: int) -> int:
        return self.held[device]

    def memory_reserved(self, device: int) -> int:
        return self.held[device] + self.cached

    def max_memory_allocated(self, device: int) -> int:
        return self.peak[device]

    def reset_peak_memory_stats(self, device: int) -> None:
        self.peak[device] = self.held[device]

    def mem_get_info(self, device: int) -> tuple[int, int]:
        assert self.held[device], "asking an idle device would make a context on it"
        return self.free[device], 10**12

    def take(self, device: int, amount: int) -> None:
        """Allocate and free."""
        self.peak[device] = max(self.peak[device], self.held[device] + amount)


def gpus(monkeypatch: pytest.MonkeyPatch, held: list[int], free: list[int], cached: int = 0) -> Gpus:
    found = Gpus(held, free, cached=cached)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=found))
    return found


@pytest.mark.parametrize("device", [0, 1])
def test_a_model_on_any_gpu_is_measured_where_it_is(monkeypatch: pytest.MonkeyPatch, device: int) -> None:
    """With --device cuda:1 the growth of the idle first GPU would be 0, as if everything fitted."""
    held = [0, 0]
    held[device] = 100
    cuda = gpus(monkeypatch, held, free=[70, 50], cached=5)
    cuda.peak[device] = 900
    assert uses_gpu()
    assert memory_growth(lambda: cuda.take(device, 30)) == 30
    assert memory_left() == [70, 50][device] + 5


def test_of_a_model_on_several_gpus_the_tightest_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = gpus(monkeypatch, [10, 20, 0], free=[70, 50, 1])

    def work() -> None:
        cuda.take(0, 30)
        cuda.take(1, 7)

    assert memory_growth(work) == 30 and memory_left() == 50


def test_a_gpu_that_holds_nothing_is_not_where_the_model_is(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, [0], free=[1])
    assert not uses_gpu() and memory_left() != 1


@pytest.mark.parametrize(
    ("limit", "taken", "files", "left"), [("1000", 900, 0, 100), ("1000", 990, 600, 610), ("1000", 1100, 0, 0)]
)
def test_pages_of_files_are_free_to_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, taken: int, files: int, left: int
) -> None:
    """Reading a large pool fills a container with them; batches of one item would follow."""
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(f"{taken}\n")
    lines = ["anon 7", "inactive_anon 5", f"inactive_file {files // 3}", f"active_file {files - files // 3}"]
    (tmp_path / "memory.stat").write_text("\n".join(lines))
    assert host_memory_left() == left
    (tmp_path / "memory.max").write_text("max")
    assert host_memory_left() != left
