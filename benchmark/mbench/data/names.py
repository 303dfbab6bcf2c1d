"""Names of files that others chose: which of them may be written below a folder, and what kind of file they promise."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

TABLES = (".json", ".jsonl", ".parquet", ".tsv", ".txt", ".csv")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
PART = re.compile(r"(?P<whole>.+)\.part-?(?P<number>\d+|[a-z]{2,}|\*)", re.IGNORECASE)

MAX_PART_BYTES = 255
MAX_PATH_BYTES = 1024


def safe_path(name: str) -> PurePosixPath:
    """Return a name as a path below any folder it is put into. Raises ValueError that says why it may not be used."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute():
        raise ValueError("not a relative path")
    if "\\" in name or re.match("[A-Za-z]:", name):
        raise ValueError("it has a backslash or a drive letter")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ValueError("it has characters that no name can have")
    if any(_seen(part) in ("", ".", "..") for part in path.parts):
        raise ValueError("it leads out of its folder")
    if len(name.encode()) > MAX_PATH_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in path.parts):
        raise ValueError("it is too long")
    return path


def is_archive(name: str) -> bool:
    """Tell whether a file is an archive that can be unpacked, or a part of one: `images.tar.gz.part-00`."""
    return whole_name(name).lower().endswith(ARCHIVES)


def is_picture(name: str) -> bool:
    """Tell whether a file is a picture."""
    return name.lower().endswith(PICTURES)


def is_data(name: str) -> bool:
    """Tell whether a file may be taken from others at all: tables, pictures, archives; nothing that runs or hides."""
    hidden = any(part.startswith(".") for part in PurePosixPath(name).parts)
    return not hidden and (name.lower().endswith(TABLES + PICTURES) or is_archive(name))


def whole_name(name: str) -> str:
    """Return the name of the archive that a part belongs to; other names as they are."""
    match = PART.fullmatch(name)
    return match["whole"] if match else name


def whole_archives(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the parts of each archive among `names`, in order; an archive in one piece is its own only part.

    Raises ValueError when numbered parts are not consecutive, which means that some are missing.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(filter(is_archive, names)):
        found.setdefault(whole_name(name), []).append(name)
    for whole, parts in found.items():
        numbers = [match["number"] for match in map(PART.fullmatch, parts) if match]
        if numbers and numbers[0].isdecimal():
            first = int(numbers[0])
            if first > 1 or [int(one) for one in numbers] != list(range(first, first + len(parts))):
                raise ValueError(f"{whole}: its parts are not consecutive: {', '.join(numbers)}")
    return found


def _seen(part: str) -> str:
    """Return a part of a path as the most lenient file system may read it: compatibility forms, no invisible signs."""
    folded = unicodedata.normalize("NFKC", part)
    return "".join(c for c in folded if unicodedata.category(c) != "Cf").strip(" ")
