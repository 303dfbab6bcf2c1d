"""One file from the network to its place: under another name until it is whole and right."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from mbench.core.errors import DownloadError
from mbench.data.manifest import Digest
from mbench.data.patience import Patience, Tell, TransientError, patiently
from mbench.data.wanted import Get, Wanted


def receive(one: Wanted, get: Get, path: Path, tell: Tell, patience: Patience) -> Digest:
    """Download a file to `path` and return its digest. A part of it that is there is continued if it can be verified.

    A file of another content that lies there is kept as `<name>.replaced`. Raises DownloadError when the server does
    not send it or sends another content than expected, and OSError when the disk refuses.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / _partial_name(one)
    continued = _fill(one, get, partial, tell, patience)
    problem = one.expected.difference(found := Digest.of(partial))
    if problem and continued:  # what was there may have been wrong, so begin again, once
        partial.unlink()
        _fill(one, get, partial, tell, patience)
        problem = one.expected.difference(found := Digest.of(partial))
    if problem:
        partial.unlink()
        raise DownloadError(
            f"{path}: {one.origin} does not send what was declared: {problem}. What it sent was removed. Fetch again "
            "later; if it stays so, the file has been changed or the network alters it."
        )
    _put(partial, path, tell)
    return found


def _fill(one: Wanted, get: Get, partial: Path, tell: Tell, patience: Patience) -> bool:
    """Complete a partial file and tell whether anything of it had been there before a request."""
    size = one.expected.size
    continued = False

    def attempt() -> None:
        nonlocal continued
        there = partial.stat().st_size if one.expected.is_hashed else 0
        offset = 0 if size is not None and there > size else there
        continued = continued or offset > 0
        if offset != size:
            get(partial, offset)
            reached = partial.stat().st_size
            if size is not None and reached < size:
                raise TransientError(f"it ended after {reached:,} of {size:,} bytes", reached=reached)

    partial.touch()
    try:
        patiently(attempt, one.path, tell, patience)
    except BaseException:
        if not one.expected.is_hashed or partial.stat().st_size == 0:
            partial.unlink()
        raise
    return continued


def _put(partial: Path, path: Path, tell: Tell) -> None:
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    if path.is_file():
        old = path.with_name(f"{path.name}.replaced")
        path.replace(old)
        tell(f"{path}: replaced, since it was not what is declared; the old file is {old.name}")
    partial.replace(path)


def _partial_name(one: Wanted) -> str:
    """Name a partial file after the content that it is to have, so that no other version is ever continued."""
    key = one.expected.sha256 or one.expected.git or hashlib.sha256(one.path.encode()).hexdigest()
    return f".mbench-{key[:20]}.part"
