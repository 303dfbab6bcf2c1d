"""Keeping other libraries from the network while they load a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any


@contextmanager
def hub_offline(wanted: bool) -> Iterator[None]:
    """Keep what asks the Hugging Face Hub inside the block from the network, if `wanted`, as HF_HUB_OFFLINE does."""
    if not wanted or find_spec("huggingface_hub") is None:
        yield
        return
    from huggingface_hub import constants

    switches: Any = constants
    before = switches.HF_HUB_OFFLINE
    switches.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        switches.HF_HUB_OFFLINE = before
