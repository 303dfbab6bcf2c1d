"""The one place that knows where the files that ship with mbench lie, and where it keeps its own."""

from __future__ import annotations

import os
from pathlib import Path

from mbench.core.errors import DataError

PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """Return the shipped folder `name` (tasks, leaderboard): inside an installed package, or in the repository.

    Raises DataError when neither is there, which means a damaged installation.
    """
    places = (PACKAGE / f"_{name}", PACKAGE.parent.parent / name)
    for place in places:
        if place.is_dir():
            return place
    raise DataError(
        f"The folder {name!r} that ships with mbench is in none of {places[0]}, {places[1]}: install again."
    )


def user_cache() -> Path:
    """Return the folder for what is kept between runs: $MBENCH_CACHE, else mbench below the user's cache folder."""
    named = os.environ.get("MBENCH_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mbench"
