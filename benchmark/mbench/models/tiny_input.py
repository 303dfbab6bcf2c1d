"""What the embedded models see of an item: hashed words and small squares of pixels."""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

BUCKETS = 2048
TEXT_PLACES = 32
INSTRUCTION_PLACES = 24
PLACES = TEXT_PLACES + INSTRUCTION_PLACES
CELL_PX = 48
SCENE_PX = 96
PLAIN_LIMIT_PX = 96

_STEM_LETTERS = 5
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


def words(text: str) -> list[str]:
    """Lower-case words and single signs, accents and typographic apostrophes made plain."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("’", "'"))
    return _WORD.findall("".join(letter for letter in plain if not unicodedata.combining(letter)))


def _bucket(key: str) -> int:
    """1 .. BUCKETS - 1; 0 means that there is no word."""
    return zlib.crc32(key.encode("utf-8")) % (BUCKETS - 1) + 1


@lru_cache(maxsize=65536)
def _word_row(word: str) -> tuple[int, int, int]:
    return _bucket(word), _bucket("#" + word), _bucket("^" + word[:_STEM_LETTERS])


@lru_cache(maxsize=65536)
def tokens(text: str, instruction: str = "") -> NDArray[np.int64]:
    """Tokens [n, 4] of a text and its instruction: two hashes of the word, one of its first letters, its place.

    Two hashes keep apart words that collide in one; the first letters tie "animal" to "animals". Places
    0-31 belong to the text and 32-55 to the instruction, so that neither depends on the other's length.
    Words beyond the 32nd of a text and the 24th of an instruction are cut.
    """
    spoken = [(word, place) for place, word in enumerate(words(text)[:TEXT_PLACES])]
    spoken += [(word, TEXT_PLACES + place) for place, word in enumerate(words(instruction)[:INSTRUCTION_PLACES])]
    return np.array([(*_word_row(word), place) for word, place in spoken], dtype=np.int64).reshape(-1, 4)


def pad_tokens(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Stack token arrays into [n, longest, 4]; 0 in the first column marks the padding, which the net masks."""
    padded = np.zeros((len(rows), max((len(row) for row in rows), default=0), 4), dtype=np.int64)
    for line, row in zip(padded, rows, strict=True):
        line[: len(row)] = row
    return padded


def side_px(image: Image.Image) -> int:
    """48 for pictures of at most 96 x 96 (one thing, a glyph), 96 for larger ones (a scene of several things)."""
    return CELL_PX if max(image.size) <= PLAIN_LIMIT_PX else SCENE_PX


def pixels(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Any picture as uint8 [side, side, 3]: alpha on white, the long edge scaled to `side`, centred on white."""
    from PIL import Image

    scale = side / max(image.size)
    size = tuple(min(side, max(1, round(edge * scale))) for edge in image.size)
    small = _rgb(image).resize((size[0], size[1]), Image.Resampling.BILINEAR)
    if size == (side, side):
        return np.asarray(small)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return np.asarray(canvas)


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        drawn = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey values of 16 bits (integers beyond 255) shifted down to 8; others clipped to 0-255."""
    grey = np.nan_to_num(values.astype(np.float64))
    if np.issubdtype(values.dtype, np.integer) and (values.dtype.itemsize == 2 or grey.max() > 255):
        grey = grey / 257
    return np.clip(grey, 0, 255).astype(np.uint8)
