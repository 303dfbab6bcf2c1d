"""Small pictures of a task's items, as files of the site: each content once, deterministic, and not without end."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mbench.publish.scripts import SiteFile

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "pictures"
SIDE = 144
"""Pixels of the longer side at most: small ones (drawings, scenes of four) stay as they are."""
QUALITY = 80
EFFORT = 50
"""Of lossless coding, with its second method: more takes four times as long for a twentieth of the bytes."""
MOST_BYTES = 24 * 2**20
"""What all pictures of a site may take together; items beyond it are shown by their words or ids."""


@dataclass(slots=True)
class Pictures:
    """The pictures of a site, added one by one."""

    files: dict[str, SiteFile] = field(default_factory=dict)
    weight: int = 0
    _known: dict[bytes, str] = field(default_factory=dict)

    def add(self, image: Image) -> str:
        """Return the address of a small copy of `image`, or nothing where the site holds enough pictures."""
        small = _small(image)
        key = hashlib.sha256(repr((small.mode, small.size)).encode() + small.tobytes()).digest()
        if key not in self._known:
            if self.weight >= MOST_BYTES:
                return ""
            content = _encoded(small, lossless=small.size == image.size)
            path = f"{FOLDER}/{hashlib.sha256(content).hexdigest()[:16]}.webp"
            self.weight += 0 if path in self.files else len(content)
            self.files[path] = SiteFile(path, content)
            self._known[key] = path
        return self._known[key]


def _small(image: Image) -> Image:
    """Return the picture as RGB on white, at most SIDE pixels on its longer side."""
    import PIL.Image

    if image.mode != "RGB":
        clear = image.convert("RGBA")
        image = PIL.Image.new("RGB", clear.size, "white")
        image.paste(clear, mask=clear.getchannel("A"))
    if max(image.size) <= SIDE:
        return image
    share = SIDE / max(image.size)
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    return image.resize(size, PIL.Image.Resampling.LANCZOS)


def _encoded(image: Image, *, lossless: bool) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=lossless, quality=EFFORT if lossless else QUALITY, method=2)
    return buffer.getvalue()
