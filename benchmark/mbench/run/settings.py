"""What a run was asked to do, apart from which models and tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mbench.core.resources import user_cache


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a run. `cache` None keeps embeddings in memory only; `memory` bounds the search, in bytes.

    `offline` forbids to fetch data that are not on disk.
    """

    output: Path = Path("results")
    data_root: Path | None = None
    cache: Path | None = None
    batch_size: int | None = None
    limit: int | None = None
    instructions: str = "default"
    memory: int | None = None
    seed: int = 0
    overwrite: bool = False
    offline: bool = False

    @property
    def variant(self) -> str:
        """What sets the run apart from the task's official protocol; empty for an official run."""
        return "" if self.instructions == "default" else f"instructions={self.instructions}"


def default_cache() -> Path:
    """Return the folder for embeddings where none is named."""
    return user_cache()
