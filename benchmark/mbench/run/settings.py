"""What a run was asked to do, apart from which models and tasks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from mbench.core.resources import user_cache

ABLATIONS = ("text-only", "image-only", "no-reference")
REPORTS = ("control", "stability")
CODES: tuple[Literal["int8", "binary"], ...] = ("int8", "binary")


@dataclass(frozen=True, slots=True)
class Extras:
    """What is measured beside the scores: names of ABLATIONS, of REPORTS, numbers of dimensions, names of CODES."""

    ablate: tuple[str, ...] = ()
    report: tuple[str, ...] = ()
    dims: tuple[int, ...] = ()
    quantize: tuple[str, ...] = ()

    def flags(self) -> str:
        """Return the flags that ask for something, as the user would write them; empty where nothing is asked."""
        asked = {one.name: getattr(self, one.name) for one in fields(self)}
        return " ".join(f"--{name} {','.join(map(str, values))}" for name, values in asked.items() if values)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a run. `cache` None keeps embeddings for this run only; `memory` bounds them and search, in bytes.

    `search_device` is where the filter of a search multiplies; `offline` forbids to fetch data that are not on disk.
    """

    output: Path = Path("results")
    data_root: Path | None = None
    cache: Path | None = None
    batch_size: int | None = None
    limit: int | None = None
    instructions: str = "default"
    memory: int | None = None
    search_device: str = "cpu"
    seed: int = 0
    overwrite: bool = False
    offline: bool = False
    extras: Extras = Extras()

    @property
    def variant(self) -> str:
        """What sets the run apart from the task's official protocol; empty for an official run."""
        return "" if self.instructions == "default" else f"instructions={self.instructions}"


def default_cache() -> Path:
    """Return the folder for embeddings where none is named."""
    return user_cache()
