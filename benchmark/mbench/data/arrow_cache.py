"""Tables that took long to make, kept as Arrow files and mapped into memory the next time.

A table is kept under the sha256 of the files that it was made of. Hashing takes long too, so a hash is remembered with
the file's path, size and time of change, and computed again only when one of them differs.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from mbench.core.errors import OutputError
from mbench.core.files import file_sha256, fingerprint, write_atomically, write_json
from mbench.core.resources import user_cache

FOLDER = ".mbench-arrow"
HASHES = "sources.json"
CHUNK = 1 << 24
ABANDONED = 3600.0
"""Seconds after which a half-written file belongs to no running process."""


@dataclass(frozen=True, slots=True)
class ArrowCache:
    """Arrow files in one folder; None where nothing can be written: then every table is made anew."""

    folder: Path | None

    @staticmethod
    def beside(root: Path) -> ArrowCache:
        """Keep tables below `root`, or below the user's cache of mbench where `root` cannot be written."""
        elsewhere = user_cache() / "arrow" / fingerprint(str(root.resolve()))
        return ArrowCache(next((one for one in (root / FOLDER, elsewhere) if _writable(one)), None))

    def table(self, name: str, sources: Sequence[Path], recipe: object, make: Callable[[], pa.Table]) -> pa.Table:
        """Return the table that `make` makes of the files `sources`: mapped from disk if it was made before.

        `recipe` is any JSON value that says what else the table depends on. Every column has one chunk. A kept file
        that is damaged is made again; one of the same name whose sources have changed is removed. Raises what `make`
        raises, and DataError for a source that cannot be read.
        """
        if self.folder is None:
            return make().combine_chunks()
        notes = self.folder / HASHES
        key = fingerprint([recipe, [_sha256(path, notes) for path in sources]])
        path = self.folder / f"{name}-{key}.arrow"
        kept = _read(path)
        if kept is not None:
            return kept
        made = make().combine_chunks()
        try:
            _write(path, made)
        except OutputError:
            return made
        _discard(name, path)
        kept = _read(path)
        return made if kept is None else kept


def _sha256(source: Path, notes: Path) -> str:
    """Return the hash that is noted for a file of this size and time of change, or find it out and note it."""
    name, state, known = str(source.resolve()), _state(source), _noted(notes)
    if name not in known or known[name]["state"] != state:
        found = file_sha256(source)
        known = _noted(notes) | {name: {"state": state, "sha256": found}}
        write_json(notes, known)
    return str(known[name]["sha256"])


def _discard(name: str, current: Path) -> None:
    """Remove what was made of other sources, and what a process left half written that was ended."""
    for path in current.parent.glob(f"{name}-{'?' * 16}.arrow*"):
        if not path.name.startswith(current.name):
            path.unlink(missing_ok=True)
    for path in current.parent.glob(f".{name}-{'?' * 16}.arrow*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def _writable(folder: Path) -> bool:
    try:
        write_atomically(folder / ".writable", lambda path: None)
        (folder / ".writable").unlink(missing_ok=True)
    except (OSError, OutputError):
        return False
    return True


def _state(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def _noted(path: Path) -> dict[str, Any]:
    """Return what is remembered of the sources; nothing when the notes are absent or damaged."""
    try:
        known = json.loads(path.read_bytes())
        return {name: one for name, one in known.items() if one.keys() == {"state", "sha256"}}
    except (OSError, ValueError, AttributeError):
        return {}


def _write(path: Path, table: pa.Table) -> None:
    """Write a table as one batch, and beside it its size and checksum."""

    def write(temporary: Path) -> None:
        with pa.ipc.new_file(temporary, table.schema) as file:
            file.write_table(table, max_chunksize=max(1, len(table)))

    write_atomically(path, write)
    write_json(_seal(path), {"bytes": path.stat().st_size, "crc32": _checksum(path)})


def _read(path: Path) -> pa.Table | None:
    """Map a kept table; None when there is none or it is not what was written."""
    try:
        state, seal = path.stat(), json.loads(_seal(path).read_bytes())
        return _mapped(path, state.st_size, state.st_mtime_ns, seal["bytes"], seal["crc32"])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None


@lru_cache(maxsize=64)
def _mapped(path: Path, size: int, modified: int, expected: int, checksum: int) -> pa.Table:
    """The time of change is there for the memory alone: a changed file is read and checked again."""
    if size != expected or _checksum(path) != checksum:
        raise ValueError(f"{path} is damaged")
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _checksum(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found = zlib.crc32(chunk, found)
    return found


def _seal(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
