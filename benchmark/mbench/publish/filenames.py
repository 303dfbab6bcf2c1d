"""Names for the files of pages, whatever the ids of models and tasks hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mbench.core.files import fingerprint
from mbench.core.results import safe_name

LONGEST_NAME = 80


def page_names(ids: Iterable[str]) -> Mapping[str, str]:
    """Give each id its own file name, also where file systems ignore case: all but plain ids get a hash."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for one in sorted(set(ids)):
        name = safe_name(one)[:LONGEST_NAME]
        if name.lower() in taken or name != one:
            name = f"{name}-{fingerprint(one)[:8]}"
        taken.add(name.lower())
        names[one] = name
    return names
