"""Which files the data of a task are made of, what is known of each, and how it is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath

from mbench.core.errors import DownloadError, SpecError, listed, nearest
from mbench.core.specs import FileSpec, HubSpec, SourceSpec
from mbench.data import http, hub
from mbench.data.manifest import Expected, Listing
from mbench.data.names import is_archive, is_data, is_picture, safe_path

SMALL_ARCHIVE = 64 * 1024 * 1024
"""Archives up to this size, in bytes, count as tables; larger ones, and those of unknown size, as pictures."""

Get = Callable[[Path, int], None]
"""Writes a file into a partial one of which so many bytes are there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a task: its path below the source's folder, where it comes from (nowhere: `get` is None), and whether
    it is an archive, which is unpacked to the folder `unpack`, and one of pictures.
    """

    path: str
    expected: Expected
    origin: str = ""
    get: Get | None = None
    unpack: str | None = None
    pictures: bool | None = None

    @property
    def is_large(self) -> bool:
        """Tell whether it is a picture or an archive of them, which embeddings made elsewhere do not need."""
        size = self.expected.size
        if self.pictures is not None:
            return self.pictures
        return is_picture(self.path) or (is_archive(self.path) and (size is None or size > SMALL_ARCHIVE))


def wanted_files(source: SourceSpec, folder: Path, listing: Listing | None) -> list[Wanted]:
    """Return the files of a source: tables first, then archives, then the files of archives.

    Without the `listing` of its repository the files on disk stand for those of a pattern; a pattern that none fits
    stands for itself. Raises SpecError for a path that leads out of the folder, and DownloadError for a pattern that
    fits nothing in the listing.
    """
    found = {one.path: one for one in _from_hub(source.hub, folder, listing)}
    for file in source.files:
        found[file.path] = _merged(file, found.get(file.path))
    for one in found.values():
        _check(one)
    return sorted(found.values(), key=lambda one: (one.get is None, is_archive(one.path), one.path))


def _merged(file: FileSpec, known: Wanted | None) -> Wanted:
    """What the task declares of a file goes before what the Hub says; the Hub goes before a plain address."""
    expected = Expected(size=file.bytes, sha256=file.sha256)
    if known is not None:
        if not expected.is_hashed:
            expected = known.expected
        return Wanted(file.path, expected, known.origin, known.get, file.unpack or known.unpack, file.pictures)
    get = partial(_get_plain, file.url) if file.url else None
    return Wanted(file.path, expected, file.url or "", get, file.unpack, file.pictures)


def _get_plain(url: str, partial_file: Path, offset: int) -> None:
    http.download(url, partial_file, offset)


def _from_hub(spec: HubSpec | None, folder: Path, listing: Listing | None) -> Iterator[Wanted]:
    if spec is None:
        return
    if listing is None:
        yield from (_of(spec, name, Expected(), "") for name in _guessed(spec, folder))
        return
    lacking = [one for one in spec.include if not any(fnmatchcase(name, one) for name in listing.files)]
    if lacking:
        near = nearest(lacking[0], listing.files)
        raise DownloadError(
            f"{hub.address(spec)}: at revision {spec.revision} it has no file that fits {listed(map(repr, lacking))}."
            + (f" Its names are like {listed(near)}." if near else "")
        )
    for name, expected in listing.files.items():
        if _is_included(spec, name):
            yield _of(spec, name, expected, listing.commit)


def _of(spec: HubSpec, name: str, expected: Expected, commit: str) -> Wanted:
    path = str(PurePosixPath(spec.folder) / name)
    get = hub.getter(spec, commit, name, expected.size) if commit else None
    unpack = spec.unpack if is_archive(name) else None
    return Wanted(path, expected, f"{hub.address(spec)} (revision {spec.revision})", get, unpack)


def _is_included(spec: HubSpec, name: str) -> bool:
    if not spec.include:
        return not (is_archive(name) or is_picture(name))
    return any(fnmatchcase(name, pattern) for pattern in spec.include)


def _guessed(spec: HubSpec, folder: Path) -> Iterator[str]:
    root = folder / spec.folder
    for pattern in spec.include or ["*"]:
        there = [path.relative_to(root).as_posix() for path in root.glob(pattern) if path.is_file()]
        yield from [name for name in there if is_data(name)] or [pattern]


def _check(one: Wanted) -> None:
    for name in (one.path, *([] if one.unpack in (None, ".") else [one.unpack or ""])):
        try:
            safe_path(name)
        except ValueError as error:
            raise SpecError(f"source: the path {name!r} of a file cannot be used: {error}.") from None
    if one.get is not None and not is_data(one.path):
        raise SpecError(f"source: {one.path!r} is none of the kinds of data files that are fetched.")
