"""Unpacking archives that nobody vouches for: plain data files below one folder, within limits, or an error.

A file appears under its name only when it is whole, so that work that was interrupted goes on where it stopped. Nothing
of an archive is run, no link is made, and modes and owners of its files are ignored.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mbench.core.errors import DownloadError
from mbench.data.archive_entries import BLOCK, Entry, RefusedError, entries
from mbench.data.names import is_data, safe_path, whole_name

TEMPORARY = ".mbench-unpacking"
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, RecursionError, UnicodeError)


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may become: so many files, so many bytes, and so many times its own size (from `free` on)."""

    files: int = 20_000_000
    bytes: int = 2 * 10**12
    ratio: int = 200
    free: int = 64 * 1024 * 1024

    def total(self, packed: int) -> int:
        """Return how many bytes an archive of `packed` bytes may unpack to."""
        return min(self.bytes, max(self.free, self.ratio * packed))


@dataclass(slots=True)
class Contents:
    """What an archive gave: files and bytes; how many files were there already; how many are no data and left out."""

    files: int = 0
    bytes: int = 0
    there: int = 0
    left_out: int = 0


def unpack(parts: Sequence[Path], folder: Path, limits: Limits | None = None) -> Contents:
    """Unpack an archive, which may come in several parts, below `folder`.

    Files that are there with the right size are kept. Raises DownloadError that names archive and member: damaged,
    larger than `limits`, links or devices, a name that leads out of the folder or occurs twice; and OSError.
    """
    limits = limits or Limits()
    total = limits.total(sum(part.stat().st_size for part in parts))
    folder.mkdir(parents=True, exist_ok=True)
    writer = _Writer(folder.resolve(), limits.files, total)
    try:
        for entry in entries(parts, whole_name(parts[0].name), total):
            writer.take(entry)
    except RefusedError as error:
        raise DownloadError(f"{parts[0]}: the archive is refused: {error}. Nothing more of it is unpacked.") from None
    except DAMAGED as error:
        raise DownloadError(f"{parts[0]}: the archive is damaged ({type(error).__name__}: {error}).") from None
    except RuntimeError as error:  # what zipfile raises for passwords and unknown compression
        raise DownloadError(f"{parts[0]}: the archive cannot be read ({error}).") from None
    finally:
        (folder / TEMPORARY).unlink(missing_ok=True)
    return writer.contents


@dataclass(slots=True)
class _Writer:
    """Writes entries below `folder`, counting, and refuses what breaks a rule."""

    folder: Path
    most_files: int
    most_bytes: int
    contents: Contents = field(default_factory=Contents)
    _announced: int = 0
    _names: set[str] = field(default_factory=set)
    _parents: set[Path] = field(default_factory=set)

    def take(self, entry: Entry) -> None:
        """Write one entry, unless it is there or no data file."""
        path = self._place(entry)
        self._announced += entry.size
        if self._announced > self.most_bytes:
            raise RefusedError(f"it unpacks to more than {self.most_bytes:,} bytes")
        if len(self._names) > self.most_files:
            raise RefusedError(f"it holds more than {self.most_files:,} files")
        if not is_data(str(path.relative_to(self.folder))):
            self.contents.left_out += 1
            return
        self.contents.files += 1
        self.contents.bytes += entry.size
        if _is_whole(path, entry.size):
            self.contents.there += 1
        else:
            self._write(entry, path)

    def _place(self, entry: Entry) -> Path:
        if entry.odd:
            raise RefusedError(f"{entry.name!r} is {entry.odd}, and only plain files are unpacked")
        try:
            relative = safe_path(entry.name)
        except ValueError as error:
            raise RefusedError(f"the name {entry.name!r} is not safe ({error})") from None
        key = unicodedata.normalize("NFC", str(relative))
        if key in self._names:
            raise RefusedError(f"the name {entry.name!r} occurs twice")
        self._names.add(key)
        return self.folder / relative

    def _write(self, entry: Entry, path: Path) -> None:
        self._make_parent(path)
        temporary = self.folder / TEMPORARY
        source = entry.open()
        if source is None:
            raise RefusedError(f"{entry.name!r} has no content")
        with source, temporary.open("wb") as target:
            shutil.copyfileobj(source, target, BLOCK)
            written = target.tell()
        if written != entry.size:
            raise EOFError(f"{entry.name!r} has {written:,} bytes, but {entry.size:,} were announced")
        temporary.replace(path)

    def _make_parent(self, path: Path) -> None:
        """Make the folder of a file; a link that lies there already must not lead out."""
        if path.parent in self._parents:
            return
        if not path.parent.resolve().is_relative_to(self.folder):
            raise RefusedError(f"{path.parent} is a link that leads out of {self.folder}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._parents.add(path.parent)


def _is_whole(path: Path, size: int) -> bool:
    try:
        state = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(state.st_mode) and state.st_size == size
