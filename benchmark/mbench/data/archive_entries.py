"""What is in an archive, one entry after the other, read with distrust: zip, tar, tar.gz, whole or in parts."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

BLOCK = 1024 * 1024
HEADERS = 4 * BLOCK
"""What a tar archive may hold between two files: headers, padding, and what is read ahead."""


class RefusedError(Exception):
    """An archive that breaks a rule; the text says which one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive; `odd` says what it is when it is not a plain one."""

    name: str
    size: int
    odd: str
    open: Callable[[], IO[bytes] | None]


def entries(parts: Sequence[Path], name: str, total: int) -> Iterator[Entry]:
    """Return the entries of the archive called `name` that `parts` make up, without its folders.

    Raises RefusedError when it announces more than `total` bytes, and what zipfile, tarfile and gzip raise.
    """
    with io.BufferedReader(_Joined(parts), BLOCK) as file:
        if name.lower().endswith(".zip"):
            yield from _zip_entries(file, total)
        elif name.lower().endswith("gz"):
            yield from _tar_entries(cast(IO[bytes], gzip.GzipFile(fileobj=file)))
        else:
            yield from _tar_entries(file)


def _zip_entries(file: IO[bytes], total: int) -> Iterator[Entry]:
    with zipfile.ZipFile(file) as pack:
        members = [one for one in pack.infolist() if not one.is_dir()]
        if sum(one.file_size for one in members) > total:
            raise RefusedError(f"it unpacks to more than {total:,} bytes")
        for one in members:
            yield Entry(one.filename, one.file_size, _odd_in_zip(one), partial(pack.open, one))


def _odd_in_zip(member: zipfile.ZipInfo) -> str:
    if member.flag_bits & 1:
        return "encrypted"
    kind = stat.S_IFMT(member.external_attr >> 16)
    return "" if kind in (0, stat.S_IFREG) else "a link" if kind == stat.S_IFLNK else "a special file"


def _tar_entries(file: IO[bytes]) -> Iterator[Entry]:
    metered = _Metered(file)
    with tarfile.open(fileobj=cast(IO[bytes], metered), mode="r|", bufsize=BLOCK, tarinfo=_Header) as pack:
        while (one := pack.next()) is not None:
            # Else every header is kept: gigabytes for millions of pictures.
            pack.members = []  # type: ignore[attr-defined]
            metered.until = pack.offset + HEADERS
            if not one.isdir():
                yield Entry(one.name, one.size, _odd_in_tar(one), partial(pack.extractfile, one))
    while metered.read(BLOCK):  # to the end, where gzip keeps its checksum
        pass


def _odd_in_tar(member: tarfile.TarInfo) -> str:
    if member.issym() or member.islnk():
        return "a link"
    return "" if member.isreg() and not member.issparse() else "a special file"


class _Header(tarfile.TarInfo):
    """A header that must be there: tarfile itself takes a damaged or missing one for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Header:
        return _checked_header(super().fromtarfile, tarfile)


def _checked_header(read: Callable[[tarfile.TarFile], tarfile.TarInfo], pack: tarfile.TarFile) -> _Header:
    try:
        return cast(_Header, read(pack))
    except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
        raise
    except tarfile.HeaderError as error:
        raise tarfile.ReadError(f"no header at byte {pack.offset}: {error}") from None


class _Metered:
    """Hands on what it reads up to the byte `until`, so that headers cannot fill the memory, nor padding the time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._position = file, 0
        self.until = HEADERS

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes. Raises RefusedError past `until`."""
        content = self._file.read(size)
        self._position += len(content)
        if self._position > self.until:
            raise RefusedError("its headers or its padding are larger than any honest archive needs")
        return content


class _Joined(io.RawIOBase):
    """The parts of an archive as one file."""

    def __init__(self, parts: Sequence[Path]) -> None:
        super().__init__()
        self._files = [part.open("rb") for part in parts]
        self._starts = [0]
        for part in parts:
            self._starts.append(self._starts[-1] + part.stat().st_size)
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        for file, start, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            if start <= self._position < end:
                file.seek(self._position - start)
                got = file.readinto(view[: end - self._position])
                self._position += got
                return got
        return 0

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()
