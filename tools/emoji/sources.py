"""Fetches the pinned npm packages and reads members straight out of the verified archives."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

DEFAULT_CACHE = Path("build/emoji")
PINS = Path(__file__).with_name("packages.json")


class SourceError(RuntimeError):
    """A package could not be fetched, or is not the one that is pinned."""


@dataclass(frozen=True)
class Package:
    """One pinned npm package; `integrity` is npm's `sha512-<base64>` of the tarball."""

    name: str
    version: str
    integrity: str

    @property
    def archive(self) -> str:
        """File name that `npm pack` gives the tarball."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


@cache
def packages() -> dict[str, Package]:
    """The pinned packages by role: the four drawing styles and `names`."""
    return {role: Package(**pin) for role, pin in json.loads(PINS.read_text("utf-8")).items()}


def integrity(path: Path) -> str:
    """npm's integrity string of a file."""
    return "sha512-" + base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode("ascii")


@cache
def archive(role: str, cache_dir: Path = DEFAULT_CACHE) -> Path:
    """The verified tarball of a role, fetched with `npm pack` when the cache lacks it.

    Raises SourceError when npm fails or the tarball differs from the pin; a wrong file is never read.
    """
    package = packages()[role]
    path = cache_dir / package.archive
    if not path.exists():
        _pack(package, cache_dir)
    found = integrity(path)
    if found != package.integrity:
        raise SourceError(
            f"{path}: expected {package.integrity}, found {found}. Remove the file and build again; "
            f"if it stays so, the published package no longer is the one pinned in {PINS.name}."
        )
    return path


def _pack(package: Package, cache_dir: Path) -> None:
    cache_dir.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    try:
        subprocess.run(command, cwd=cache_dir, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise SourceError("npm is needed to build the emoji data, and was not found on the PATH.") from error
    except subprocess.CalledProcessError as error:
        raise SourceError(f"`{' '.join(command)}` failed: {error.stderr.strip()}") from error


def read_text(role: str, member: str, cache_dir: Path = DEFAULT_CACHE) -> str:
    """Text of one member of a package. Nothing is unpacked to disk, so no path in an archive can escape."""
    with tarfile.open(archive(role, cache_dir), "r:gz") as tar:
        handle = tar.extractfile(f"package/{member}")
        if handle is None:
            raise SourceError(f"{packages()[role].archive}: {member} is not a plain file.")
        return handle.read().decode("utf-8")


def read_json(role: str, member: str, cache_dir: Path = DEFAULT_CACHE) -> Any:
    """Parsed JSON of one member of a package."""
    return json.loads(read_text(role, member, cache_dir))
