"""Calls of code that others wrote: whatever it raises comes back as an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mbench.core.errors import MbenchError
from mbench.core.memory import is_out_of_memory

T = TypeVar("T")


def called(work: Callable[[], T], wrong: Callable[[BaseException], Exception]) -> T:
    """Return what `work` returns.

    Raises its MbenchError or KeyboardInterrupt as it is, MemoryError where memory ran out, of a device too, and
    `wrong(error)` for all else, an exit included.
    """
    try:
        return work()
    except (MbenchError, KeyboardInterrupt):
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from None
        raise wrong(error) from error
