"""Whether searches run in compiled loops."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mbench.retrieval.vectors import NUMBERS


@contextmanager
def looping(loops: bool) -> Iterator[None]:
    """Use loops from the first number on, where they can be compiled; or never."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NUMBERS, "enough", -1 if loops else sys.maxsize)
        yield
