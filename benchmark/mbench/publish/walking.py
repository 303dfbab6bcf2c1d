"""Finding the results below a folder that anybody may have filled: nothing is opened, no link is followed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mbench.core.errors import UserError

DEPTH = 3
"""`<model>/<revision>/<task>.json`"""
DEEPEST = 5
"""`<submission>/results/<model>/<revision>/<task>.json`"""
RESULT = re.compile(r"[^.]+\.json")
"""Other JSON files are server files and the like."""

Names = tuple[str, ...]


def result_places(root: Path, *, submissions: bool) -> list[Names]:
    """Return in order where results lie below `root`, each as the names on the way to it.

    A link to a folder in the place of a result is among them: whoever reads it refuses it. Raises UserError for a
    folder that cannot be read.
    """
    places = _walk(root, (), DEEPEST if submissions else DEPTH)
    return sorted(one for one in places if len(one) >= DEPTH and (not submissions or one[1] == "results"))


def _walk(folder: Path | str, above: Names, most: int) -> Iterator[Names]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}).") from None
    for entry in entries:
        place = (*above, entry.name)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, place, most) if len(place) < most else ()
        elif RESULT.fullmatch(entry.name) or _links_to_a_folder(entry):
            yield place


def _links_to_a_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:  # in a circle, or where nobody may look
        return False
