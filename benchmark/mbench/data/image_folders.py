"""Pictures that lie in one of several folders, as archives that were unpacked side by side leave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mbench.data.images import FolderImages

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class SpreadImages:
    """Pictures below several folders: each is taken from the first one that has it."""

    folders: tuple[FolderImages, ...]

    @staticmethod
    def below(root: Path, templates: Sequence[str]) -> SpreadImages:
        """Make one folder of each template of a path relative to `root`, such as `VG_100K/{}.jpg`."""
        return SpreadImages(tuple(FolderImages(root, template) for template in templates))

    def open(self, reference: str) -> Image:
        """Return the decoded picture. Raises ImageError that names the file."""
        return self._holder(reference).open(reference)

    def digest(self, reference: str) -> bytes:
        """Return the digest of the file's bytes. Raises ImageError."""
        return self._holder(reference).digest(reference)

    def pixels(self, reference: str) -> int:
        """Return width times height as the file's header has it; 0 where it cannot be read."""
        return self._holder(reference).pixels(reference)

    def missing(self, references: Iterable[str]) -> list[str]:
        """Return the files that no folder has, by their path in the first one."""
        absent = list(references)
        for folder in self.folders:
            absent = [one for one in absent if not folder.path(one).is_file()]
        return [str(self.folders[0].path(one)) for one in absent]

    def _holder(self, reference: str) -> FolderImages:
        having = (folder for folder in self.folders if folder.path(reference).is_file())
        return next(having, self.folders[0])
