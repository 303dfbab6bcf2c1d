"""The files of a submission: listed without following a link, opened without waiting for a device."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mbench.publish.submission import limits
from mbench.publish.submission.notes import Notes

CARD, ADAPTER, RESULTS = "card.yaml", "adapter.py", "results"
AT_THE_TOP = (CARD, ADAPTER, "README.md", "LICENSE", "LICENSE.md", "LICENSE.txt")
"""The files beside results/. The adapter is for people to read; nothing here imports it."""
SERVER = ".server.json"
"""The ending of what a benchmark's server answered."""
RESULT_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9_]+)?\.(json|trec)|[a-z0-9-]+\.(ranking|queries)\.parquet")
"""`<task>.json`, its Parquet files, `<task>[.<pool>].trec`, `<task>.server.json`, files that went to a server."""


@dataclass(frozen=True, slots=True)
class File:
    """A regular file: its place below the submission, with slashes, its path and its size in bytes."""

    name: str
    path: Path
    size: int

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders and the file name below the submission."""
        return tuple(self.name.split("/"))


class UnsafeFileError(Exception):
    """A file that changed into something else, or grew, between listing and reading."""


def list_files(folder: Path, notes: Notes) -> list[File]:
    """Return the files below `folder` that a submission may hold, by name; notes say what else there is.

    Links, devices, files in wrong places and too large ones are noted as errors and left out. Nothing is opened.
    """
    found = list(islice(_walk(folder, folder, notes, 0), limits.FILES + 1))
    if len(found) > limits.FILES:
        notes.add("too-many-files", "", f"more than {limits.FILES} files")
        return []
    files = [file for file in found if _allowed(file, notes)]
    total = sum(file.size for file in files)
    if total > limits.TOTAL_BYTES:
        notes.add("too-large", "", f"{total} bytes in all; at most {limits.TOTAL_BYTES} are allowed")
        return []
    return sorted(files, key=lambda one: one.name)


def read_bytes(file: File, most: int) -> bytes:
    """Return the bytes of a listed file, at most `most`. Raises UnsafeFileError for another or a larger file."""
    try:
        handle = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UnsafeFileError(f"cannot be read ({error.strerror})") from None
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UnsafeFileError("is not a plain file")
        data = stream.read(most + 1)
    if len(data) > most:
        raise UnsafeFileError(f"more than {most} bytes, which none of its kind has")
    return data


def _walk(root: Path, folder: Path, notes: Notes, depth: int) -> Iterator[File]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        notes.add("unreadable", _below(root, folder), f"cannot be read ({error.strerror})")
        return
    for entry in entries:
        name = _below(root, Path(entry.path))
        state = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(state.st_mode):
            notes.add("symlink", name, "a symbolic link; put the file itself there")
        elif stat.S_ISDIR(state.st_mode):
            yield from _folder(root, Path(entry.path), name, notes, depth)
        elif not stat.S_ISREG(state.st_mode):
            notes.add("not-a-file", name, "neither a file nor a folder: a device, a pipe or a socket")
        else:
            yield File(name, Path(entry.path), state.st_size)


def _folder(root: Path, path: Path, name: str, notes: Notes, depth: int) -> Iterator[File]:
    if depth == 0 and name != RESULTS:
        notes.add("unexpected-file", name, f"the only folder of a submission is {RESULTS}/")
    elif depth + 1 >= limits.DEPTH:
        notes.add("too-deep", name, "results lie in results/<model>/<revision>/, no deeper")
    else:
        yield from _walk(root, path, notes, depth + 1)


def _below(root: Path, path: Path) -> str:
    """Return the place below the submission; bytes that are no UTF-8 are shown as such."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def _allowed(file: File, notes: Notes) -> bool:
    *folders, name = file.parts
    known = RESULT_NAME.fullmatch(name) if len(folders) in (2, 3) else name in AT_THE_TOP and not folders
    if not known:
        expected = "card.yaml, adapter.py, README.md, LICENSE and results/<model>/<revision>/<task>.json with its files"
        notes.add("unexpected-file", file.name, f"not a file of a submission; expected are {expected}")
    elif file.size > limits.FILE_BYTES:
        notes.add("too-large", file.name, f"{file.size} bytes; a file has at most {limits.FILE_BYTES}")
    elif file.size == 0:
        notes.add("empty-file", file.name, "an empty file")
    else:
        return True
    return False


def is_result(name: str) -> bool:
    """Tell whether a file name is that of a task's or a group's result: `<id>.json`."""
    return name.endswith(".json") and name.count(".") == 1
