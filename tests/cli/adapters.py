"""Adapters in a file, and what a run wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ADAPTER = """
import os, signal
import numpy as np
from mbench.core.specs import ModelCard

class Mine:
    card = ModelCard(id="mine", modalities=["text", "image", "image+text"], uses_instructions=True, license="MIT")

    @classmethod
    def load(cls, options):
        BODY_LOAD
        return cls()

    def encode(self, items, *, role):
        vectors = np.random.default_rng(0).normal(size=(len(items), 4)).astype(np.float32)
        BODY
        return vectors
"""


def adapter(folder: Path, body: str = "pass", load: str = "pass") -> str:
    path = folder / "my_adapter.py"
    path.write_text(ADAPTER.replace("BODY_LOAD", load).replace("BODY", body))
    return f"{path}:Mine"


def results(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file()) if folder.exists() else []


def read(folder: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(next(folder.rglob(name)).read_text())
    return value
