"""What of a folder of data is known to be right: `.mbench-manifest.json`, so that nothing is hashed or fetched twice.

A file counts as verified while its size and its time of change are those that it had when it was hashed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from mbench.core.errors import DataError
from mbench.core.files import read_json, write_json
from mbench.core.specs import Strict

NAME = ".mbench-manifest.json"
BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Digest:
    """The size and the hashes of a file's content; `git` is the hash of git's blob with that content."""

    size: int
    sha256: str
    git: str

    @staticmethod
    def of(path: Path) -> Digest:
        """Read a file once and return its digest."""
        size = path.stat().st_size
        sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                sha256.update(block)
                git.update(block)
        return Digest(size, sha256.hexdigest(), git.hexdigest())


class Expected(Strict):
    """What is known of a file before it is there."""

    size: int | None = None
    sha256: str | None = None
    git: str | None = None

    @property
    def is_hashed(self) -> bool:
        """Tell whether the content is known, so that a part of it can be continued and the whole verified."""
        return (self.sha256 or self.git) is not None

    def difference(self, found: Digest) -> str:
        """Say what differs; empty where nothing does."""
        for name, wanted, got in (
            ("size", self.size, found.size),
            ("sha256", self.sha256, found.sha256),
            ("git hash", self.git, found.git),
        ):
            if wanted is not None and wanted != got:
                return f"its {name} is {got}, but {wanted} was expected"
        return ""


class Record(Strict):
    """A file that was verified, and the time of its last change in nanoseconds."""

    size: int
    sha256: str
    git: str
    modified: int


class Listing(Strict):
    """The data files of a repository of the Hub at a commit, by path."""

    commit: str
    files: dict[str, Expected]


class Unpacked(Strict):
    """An archive that was unpacked completely: the sha256 of each of its parts, where to, how many files."""

    parts: dict[str, str]
    folder: str
    files: int
    bytes: int


class Manifest(Strict):
    """The verified files, known repositories and unpacked archives of one folder."""

    schema_version: Literal[1] = 1
    files: dict[str, Record] = Field(default_factory=dict)
    repositories: dict[str, Listing] = Field(default_factory=dict)
    unpacked: dict[str, Unpacked] = Field(default_factory=dict)

    @staticmethod
    def read(folder: Path) -> Manifest:
        """Read the manifest of a folder; one that is absent or damaged knows nothing."""
        if not (folder / NAME).is_file():
            return Manifest()
        try:
            return Manifest.model_validate(read_json(folder / NAME))
        except (DataError, ValidationError):
            return Manifest()

    def write(self, folder: Path) -> None:
        """Write the manifest, whole or not at all. Raises OutputError."""
        write_json(folder / NAME, self.model_dump(mode="json"))

    def add(self, folder: Path, path: str, digest: Digest) -> None:
        """Remember a file that was read and found right."""
        modified = (folder / path).stat().st_mtime_ns
        self.files[path] = Record(size=digest.size, sha256=digest.sha256, git=digest.git, modified=modified)

    def known(self, folder: Path, path: str) -> Digest | None:
        """Return the digest of a file that has not changed since it was hashed."""
        record = self.files.get(path)
        if record is None or not (folder / path).is_file():
            return None
        state = (folder / path).stat()
        same = (state.st_size, state.st_mtime_ns) == (record.size, record.modified)
        return Digest(record.size, record.sha256, record.git) if same else None

    def digest(self, folder: Path, path: str) -> Digest:
        """Return the digest of a file that is there, reading it only when it is new or changed."""
        found = self.known(folder, path)
        if found is None:
            found = Digest.of(folder / path)
            self.add(folder, path, found)
        return found
