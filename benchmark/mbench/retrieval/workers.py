"""Threads that each run torch on one thread: they share no barrier, so a busy machine slows but never stalls them."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")

CACHED = 128
"""Rows that one thread works on at a time: few enough to stay in the processor's own cache."""
SHARED = 512
"""The same beside other threads: after each operation they compete for the interpreter, so few large ones are best."""

DENORMAL = 1e-41
"""Less than the least float32 that has all its digits."""
UPLOADED = 4096
"""The same for another device, which wants few and large copies."""


class Room(threading.local):
    """Memory for large arrays that a thread uses again and again: fresh memory costs time and falls into pieces.

    `rows` is how many rows of vectors the thread should work on at a time, `loops` whether compiled loops do it.
    """

    def __init__(self, workers: int = 1, device: str = "cpu", loops: bool = False) -> None:
        self.loops = loops
        self.rows = UPLOADED if device != "cpu" else CACHED if workers == 1 else SHARED
        self._kept: dict[str, Tensor] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: torch.dtype, device: str = "cpu") -> Tensor:
        """Return an uninitialised tensor; the one taken before under this name must not be used any more."""
        import torch

        kept = self._kept.get(name)
        if kept is None or kept.dtype != dtype or kept.numel() < prod(shape):
            self._kept[name] = kept = torch.empty(prod(shape), dtype=dtype, device=device)
        return kept[: prod(shape)].view(shape)


def give_back() -> None:
    """Give freed memory back to the system: the C library of Linux holds it for each thread, also for ended ones."""
    if os.name == "posix":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextmanager
def plain_torch() -> Iterator[int]:
    """Hold torch to one thread per caller and to full float32 products, whatever the program around us has set.

    Yields the number of threads that torch would have used.
    """
    import torch

    threads, reduced = torch.get_num_threads(), torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    try:
        with _full_float32():
            yield threads
    finally:
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = reduced


@contextmanager
def whole_denormals() -> Iterator[None]:
    """Take very small numbers as they are, also where the program around us has torch take them for zero.

    Threads that are started meanwhile do so as well.
    """
    if np.float32(DENORMAL) * np.float32(1) != 0:
        yield
        return
    import torch

    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(True)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Multiply float32 as it is, by the setting that the program around us has used; torch refuses a mixture of both.

    One is of torch as a whole, the other, from torch 2.9 on, of each backend.
    """
    import torch

    backends: list[Any] = []
    try:
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
    except RuntimeError:
        backends = [torch.backends.cuda.matmul, torch.backends.mkldnn.matmul]  # type: ignore[attr-defined]
    before = [one.fp32_precision for one in backends]
    for one in backends:
        one.fp32_precision = "ieee"
    try:
        yield
    finally:
        for one, was in zip(backends, before, strict=True):
            one.fp32_precision = was
        if not backends:
            torch.set_float32_matmul_precision(precision)


def run_all(work: Callable[[T], None], parts: Iterable[T], workers: int) -> None:
    """Call `work` on every part, in `workers` threads; the first error stops the rest and is raised."""
    import torch

    todo = list(parts)
    if min(workers, len(todo)) <= 1:
        for part in todo:
            work(part)
        return
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for done in as_completed([pool.submit(work, part) for part in todo]):
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)
