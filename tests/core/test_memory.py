from __future__ import annotations

import subprocess
import sys

from mbench.core.memory import is_out_of_memory


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
