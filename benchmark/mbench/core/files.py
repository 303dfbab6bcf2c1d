"""Writing that is all or nothing, and JSON in one canonical form."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mbench.core.errors import DataError, OutputError


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no NaN or infinity: equal values, equal text. Raises ValueError on NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: Any) -> str:
    """Return 16 hex digits of the sha256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex. Raises DataError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def read_json(path: Path) -> Any:
    """Parse a JSON file, refusing duplicate keys and NaN. Raises DataError that names the file and the line."""
    try:
        return json.loads(path.read_bytes().decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return values


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` with a temporary path beside `path`, flush it to disk and rename it: readers see all or nothing.

    Raises OutputError when the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be written ({error.strerror}); choose another folder.") from None
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}).") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, atomically. Raises OutputError."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8", newline="\n")

    write_atomically(path, write)


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON with sorted keys, atomically. Raises OutputError, and ValueError on NaN or infinity."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def require_writable(folder: Path) -> None:
    """Prove that files can be written in `folder`, or in what it would be made in, before work starts for it.

    Raises OutputError. Nothing is left behind.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            return
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); choose another folder.") from None


def finite(value: float) -> bool:
    """Tell whether a number may stand in a result."""
    return math.isfinite(value)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
