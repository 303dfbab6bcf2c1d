"""Loops that numba compiles to machine code when they are first called, where numba is installed.

What is written so is written twice: the loop for numba, and numpy, torch or Pillow for everybody else, with the same
result bit for bit. Compiled code is kept beside the source, or in the user's cache, as numba does it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from types import FunctionType
from typing import Any, Generic, ParamSpec

P = ParamSpec("P")


@functools.cache
def available() -> bool:
    """Tell whether loops can be compiled: numba is installed, and nobody has switched it off."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0") and find_spec("numba") is not None


@dataclass
class Payoff:
    """Whether loading or compiling loops, a second or so, has paid: after `enough` work of a kind in this process."""

    enough: int
    done: int = 0

    def worth(self, work: int) -> bool:
        """Tell whether to call loops, and remember that so much `work` was done. (Threads may miss one another's.)"""
        self.done += work
        return self.done > self.enough and available()


class Loop(Generic[P]):
    """A function of arrays and numbers, compiled for the types of its arguments when it is first called with them."""

    def __init__(self, written: Callable[P, None]) -> None:
        functools.update_wrapper(self, written)
        self.written = written

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call the compiled function. Other threads go on while it runs."""
        self.machine(*args, **kwargs)

    @functools.cached_property
    def machine(self) -> Any:
        """What numba makes of it, and of the loops that it calls."""
        import numba

        settings: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}
        written = self._calling_machines()
        try:
            return numba.njit(written, cache=True, **settings)
        except RuntimeError:
            # No folder can be written to: it is compiled anew in each process.
            return numba.njit(written, **settings)

    def _calling_machines(self) -> Any:
        """Return the function with what is compiled in place of the loops that it calls."""
        written: Any = self.written
        code, known = written.__code__, written.__globals__
        called = {name: known[name].machine for name in code.co_names if isinstance(known.get(name), Loop)}
        return functools.update_wrapper(FunctionType(code, {**known, **called}), written) if called else written


def compiled(written: Callable[P, None]) -> Loop[P]:
    """Decorate a loop over numpy arrays that writes to some of them, to be called only where `available()`.

    Sums of floats in it may be added up in any order. The first call compiles, for about a second.
    """
    return Loop(written)
