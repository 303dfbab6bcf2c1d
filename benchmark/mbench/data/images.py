"""Where pictures come from: the only module that opens them. A picture is decoded whole, with limits, or refused.

Nothing is converted: mode, orientation flag and size are those of the file, since each adapter follows its own official
preprocessing.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from mbench.core.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 178_000_000
"""Just under the number at which Pillow itself refuses, so that one message covers both."""
MAX_BYTES = 256 * 1024 * 1024
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are decoded in process; those that call other programs (EPS, PDF) are left out."""
DIGEST_SIZE = 16
REMEMBERED = 1 << 17
"""Picture files whose digests are remembered, for all tables of a run: as many as tasks share, in about 50 MB."""


class ImageSource(Protocol):
    """What gives a table the pictures that its `image` column refers to by text."""

    def open(self, reference: str) -> Image:
        """Return the decoded picture. Raises ImageError that names the file or the reference."""

    def digest(self, reference: str) -> bytes:
        """Return a digest of the picture's content: equal contents, equal digests. Raises ImageError."""

    def pixels(self, reference: str) -> int:
        """Return the number of pixels, without decoding; 0 where that cannot be told."""

    def missing(self, references: Iterable[str]) -> list[str]:
        """Return where the pictures that are not there were expected, in the order of `references`."""


def open_picture(path: Path) -> Image:
    """Decode the picture of a file, exactly as the file has it.

    Raises ImageError that names the file: absent, damaged, of an unknown format, or larger than the limits.
    """
    return decode(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a picture file. Raises ImageError when it is absent, unreadable or larger than MAX_BYTES."""
    with _named(path):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ImageError(f"{path}: {size} bytes; pictures may have at most {MAX_BYTES}.")
        return path.read_bytes()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Raise ImageError that names the picture file for what the system says of it."""
    try:
        yield
    except FileNotFoundError:
        raise ImageError(f"{path}: there is no such picture file.") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror}).") from None


def decode(content: bytes, name: str) -> Image:
    """Decode the bytes of a picture; `name` is what messages call it. Raises ImageError."""
    import PIL.Image

    try:
        picture = PIL.Image.open(io.BytesIO(content), formats=FORMATS)
        if picture.width * picture.height <= MAX_PIXELS:
            picture.load()
            return picture
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise ImageError(f"{name}: more pixels than the {MAX_PIXELS} that a picture may have.") from None
    except PIL.UnidentifiedImageError:
        raise ImageError(f"{name}: not a picture in one of the formats {', '.join(FORMATS)}.") from None
    except MemoryError:
        raise
    except Exception as error:
        # A decoder may raise anything on damaged bytes.
        raise ImageError(f"{name}: damaged picture ({type(error).__name__}: {error}).") from None
    size = f"{picture.width} x {picture.height}"
    raise ImageError(f"{name}: {size} pixels; a picture may have at most {MAX_PIXELS}.")


@dataclass(frozen=True, slots=True)
class FolderImages:
    """Pictures as files below `root`; `template` makes a relative path of a reference: `unlabeled2017/{:0>12}.jpg`."""

    root: Path
    template: str = "{}"

    def path(self, reference: str) -> Path:
        """Return the file of a reference. Raises ImageError when it would lie outside of the folder."""
        relative = PurePosixPath(self.template.format(reference))
        if relative.is_absolute() or ".." in relative.parts:
            raise ImageError(f"The picture {reference!r} lies outside of the folder {self.root}.")
        return self.root / relative

    def open(self, reference: str) -> Image:
        """Return the decoded picture. Raises ImageError that names the file."""
        return open_picture(self.path(reference))

    def digest(self, reference: str) -> bytes:
        """Return the digest of the file's bytes. Raises ImageError."""
        path = self.path(reference)
        with _named(path):
            state = path.stat()
        return file_digest(str(path), state.st_size, state.st_mtime_ns)

    def pixels(self, reference: str) -> int:
        """Return width times height as the file's header has it; 0 where it cannot be read."""
        import PIL.Image

        try:
            with PIL.Image.open(self.path(reference), formats=FORMATS) as picture:
                return picture.width * picture.height
        except Exception:
            # Only an estimate of work: what is wrong with the file is said when it is opened.
            return 0

    def missing(self, references: Iterable[str]) -> list[str]:
        """Return the paths of the files that are not there."""
        paths = (self.path(reference) for reference in references)
        return [str(path) for path in paths if not path.is_file()]


@lru_cache(maxsize=REMEMBERED)
def file_digest(path: str, size: int, changed: int) -> bytes:
    """Return the digest of a file's bytes. Raises ImageError.

    Size and time of change are there for the memory alone: a picture that was replaced is read again.
    """
    return hashlib.blake2b(read_bytes(Path(path)), digest_size=DIGEST_SIZE).digest()


SEPARATOR = "|"
EMPTY = ""
SCENE = 4


@dataclass(frozen=True, slots=True)
class TileImages:
    """Pictures made of square RGB tiles whose pixels are in memory.

    A reference is one tile's id, or four joined by `|`: a scene of 2 x 2 in reading order on white, empty ids left
    blank. `pixels_of` maps an id to `size * size * 3` bytes, row by row.
    """

    pixels_of: Mapping[str, bytes]
    size: int
    _digests: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def reference(tiles: Sequence[str]) -> str:
        """Return the reference of one tile or of a scene of four."""
        return SEPARATOR.join(tiles)

    def open(self, reference: str) -> Image:
        """Return the tile, or the scene composed of four. Raises ImageError for an unknown id."""
        import PIL.Image

        tiles = [self._tile(name) for name in reference.split(SEPARATOR)]
        if len(tiles) == 1:
            return tiles[0]
        scene = PIL.Image.new("RGB", (2 * self.size, 2 * self.size), "white")
        for place, tile in enumerate(tiles):
            scene.paste(tile, (place % 2 * self.size, place // 2 * self.size))
        return scene

    def digest(self, reference: str) -> bytes:
        """Return a digest of the pixels and their arrangement. Raises ImageError for an unknown id."""
        names = reference.split(SEPARATOR)
        parts = b"".join(self._tile_digest(name) for name in names)
        return hashlib.blake2b(b"%d,%d:" % (self.size, len(names)) + parts, digest_size=DIGEST_SIZE).digest()

    def pixels(self, reference: str) -> int:
        """Return the number of pixels of the tile or scene."""
        return self.size * self.size * (reference.count(SEPARATOR) + 1)

    def missing(self, references: Iterable[str]) -> list[str]:
        """Return the tile ids that are not there, each once."""
        names = dict.fromkeys(name for reference in references for name in reference.split(SEPARATOR))
        return [name for name in names if name != EMPTY and name not in self.pixels_of]

    def _bytes(self, name: str) -> bytes:
        if name == EMPTY:
            return b"\xff" * (self.size * self.size * 3)
        if name not in self.pixels_of:
            raise ImageError(f"There is no picture {name!r} in the table of pictures.")
        return self.pixels_of[name]

    def _tile(self, name: str) -> Image:
        import PIL.Image

        return PIL.Image.frombytes("RGB", (self.size, self.size), self._bytes(name))

    def _tile_digest(self, name: str) -> bytes:
        if name not in self._digests:
            self._digests[name] = hashlib.blake2b(self._bytes(name), digest_size=DIGEST_SIZE).digest()
        return self._digests[name]
