"""The one place that knows where the files that ship with mbench lie."""

from __future__ import annotations

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
