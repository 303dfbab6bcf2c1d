"""Loops that numba compiles to machine code when they are first called, where numba is installed.

What is written so is written twice: the loop for numba, and numpy, torch or Pillow for everybody else. Pictures and
scores are the same bit for bit; only the bounds by which a search drops candidates may differ in their last bits.
Compiled code is kept beside the source, or in the user's cache, as numba does it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def available() -> bool:
    """Tell whether loops can be compiled: numba is there and works, and nobody has switched it off.

    It is imported to see: next to a newer numpy or another llvmlite it is installed, and fails.
    """
    try:
        import numba
    except Exception:
        return False
    return not numba.config.DISABLE_JIT


@dataclass
class Payoff:
    """Whether loading or compiling loops, a second or so, has paid: after `enough` work of a kind in this process."""

    enough: int
    done: int = 0

    def worth(self, work: int) -> bool:
        """Tell whether to call loops, and remember that so much `work` was done. (Threads may miss one another's.)"""
        self.done += work
        return self.done > self.enough and available()


class Part:
    """What is put into loops that call it: `made` returns it in numba's terms, and imports numba to do so."""

    def __init__(self, made: Callable[[], Any]) -> None:
        functools.update_wrapper(self, made)
        self.made = made

    def __call__(self, *args: Any) -> Any:
        """Stand in a loop: only compiled loops call it."""
        raise TypeError(f"{self.made.__name__} is there for compiled loops alone")

    @functools.cached_property
    def machine(self) -> Any:
        """What numba puts into the loops."""
        return self.made()

    def again(self) -> Any:
        """Return the same: nothing of it is kept on disk."""
        return self.machine


class Loop(Generic[P, R]):
    """A function of arrays and numbers, compiled for the types of its arguments when it is first called with them.

    Unless it is `exact`, sums of floats may be added up in any order.
    """

    def __init__(self, written: Callable[P, R], exact: bool = False) -> None:
        functools.update_wrapper(self, written)
        self.written, self.exact = written, exact

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the compiled function. Other threads go on while it runs."""
        found: R
        try:
            found = self.machine(*args, **kwargs)
        except Exception:
            # The disk may be full, or what was kept on it damaged, which shows as all kinds of errors.
            self.machine = self.again()
            found = self.machine(*args, **kwargs)
        return found

    @functools.cached_property
    def machine(self) -> Any:
        """What numba makes of it, kept on disk for other processes if any folder can be written to."""
        try:
            return self._made(kept=True)
        except RuntimeError:
            return self.again()

    def again(self) -> Any:
        """Return the same, compiled for this process alone."""
        return self._made(kept=False)

    def _made(self, *, kept: bool) -> Any:
        import numba

        freedom: Any = False if self.exact else {"reassoc", "contract", "nsz"}
        return numba.njit(self._calling(kept), cache=kept, nogil=True, fastmath=freedom)

    def _calling(self, kept: bool) -> Any:
        """Return the function with what is compiled in place of the loops that it calls."""
        written: Any = self.written
        code, known = written.__code__, written.__globals__
        loops = {name: known[name] for name in code.co_names if isinstance(known.get(name), Loop | Part)}
        called = {name: loop.machine if kept else loop.again() for name, loop in loops.items()}
        return functools.update_wrapper(FunctionType(code, {**known, **called}), written) if called else written


def compiled(written: Callable[P, R]) -> Loop[P, R]:
    """Decorate a loop over numpy arrays, which may write to some of them, to be called only where `available()`.

    Sums of floats in it may be added up in any order. The first call compiles, for about a second. Loops that it calls
    and constants stand in the same file: what is kept on disk is compiled anew when that file changes, no other.
    """
    return Loop(written)


def compiled_exactly(written: Callable[P, R]) -> Loop[P, R]:
    """Decorate a loop as `compiled` does, whose sums are added up as they are written."""
    return Loop(written, exact=True)
