"""The items that the conformance checks give to an adapter: ordinary ones, and those that break careless code.

All are made here and always the same; nothing is read from disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mbench.core.specs import ModelCard
from mbench.core.types import Item

if TYPE_CHECKING:
    from PIL.Image import Image

INSTRUCTIONS = ("Find a picture of the same animal.", "Describe the colour of the background in one word.")
WORDS = (
    "a cat",
    "A red cat and two dogs are playing on the green mat, aren't they?",
    "The dog is older than the cat; both of them look at a bird in front of the window. " * 8,
)
SIZES = ((64, 48), (150, 220), (330, 90))
ORIENTATION = 0x0112
QUARTER_TURN = 6
SIDE = 72

TEXTS = {
    "a single letter": "a",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308 \u2603 \U0001f408",
    "right to left": "\u05d7\u05ea\u05d5\u05dc \u05d0\u05d3\u05d5\u05dd \u0642\u0637\u0629 \u0628\u0646\u064a\u0629",
    "other scripts": "\u8d64\u3044\u732b \u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u043a\u043e\u0442 \ub178\ub780",
    "combining marks": "Z\u0351\u036b\u0343a\u0301l\u0328\u0334g\u0322o\u0323",
    "quotes and markup": '{text} {0} %s "quoted" <b>&amp;</b> \\n $ *',
    "signs of tokenizers": "<|endoftext|> </s> [SEP] <|im_end|> <image> <|image_pad|>",
    "3,500 words": "a red cat and a blue dog " * 500,
    "one word of 6,000 letters": "cat" * 2000,
}
BLANK_TEXTS = {
    "an empty text": "",
    "white space": " \t\n\r ",
    "control characters": "\x00\x01\x07\x1b\u200b\u200e\ufeff",
}
"""Texts of which nothing may be left: a zero vector is no failure."""


def drawing(seed: int, width: int = SIDE, height: int = SIDE) -> Image:
    """Return coloured blocks in RGB, without symmetry, the same for the same arguments."""
    from PIL import Image

    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)


def ordinary(card: ModelCard, instruction: str | None = INSTRUCTIONS[0]) -> list[Item]:
    """Return items of all modalities of `card`, short and long, of several sizes, every second with the instruction."""
    return [
        Item(
            f"{modality}-{place}",
            text=WORDS[place] if "text" in modality else None,
            image=drawing(place, *SIZES[place]) if "image" in modality else None,
            instruction=instruction if place % 2 else None,
        )
        for modality in card.modalities
        for place in range(len(SIZES))
    ]


def of_modality(modality: str, item_id: str, text: str = WORDS[1], image: Image | None = None) -> Item:
    """Return an item of a modality, of `text` and `image` as far as they belong to it."""
    picture = (image or drawing(1)) if "image" in modality else None
    return Item(item_id, text if "text" in modality else None, picture)


def worded(card: ModelCard, item_id: str, text: str) -> Item | None:
    """Return an item with `text`, alone or beside a picture; None where the model embeds no text."""
    modality = _first(card, "text")
    return None if modality is None else of_modality(modality, item_id, text=text)


def pictured(card: ModelCard, item_id: str, image: Image) -> Item | None:
    """Return an item with `image`, alone or beside a text; None where the model embeds no picture."""
    modality = _first(card, "image")
    return None if modality is None else of_modality(modality, item_id, image=image)


def turned(image: Image) -> Image:
    """Return the picture with an EXIF flag that asks viewers to turn it by 90 degrees."""
    from PIL.Image import Exif

    exif, flagged = Exif(), image.copy()
    exif[ORIENTATION] = QUARTER_TURN
    flagged.info["exif"] = exif.tobytes()
    return flagged


def _first(card: ModelCard, part: str) -> str | None:
    return next((one for one in (part, "image+text") if one in card.modalities), None)


def _plain(width: int, height: int) -> Image:
    from PIL import Image

    return Image.new("RGB", (width, height), (200, 30, 90))


def _of_mode(mode: str) -> Image:
    return drawing(5).convert(mode)


def _transparent() -> Image:
    picture = _of_mode("RGBA")
    picture.putalpha(0)
    return picture


def _palette_with_transparency() -> Image:
    picture = _of_mode("P")
    picture.info["transparency"] = 0
    return picture


def _ramp(dtype: Any) -> Image:
    from PIL import Image

    return Image.fromarray((np.arange(SIDE * SIDE) * 12).reshape(SIDE, SIDE).astype(dtype))


PICTURES: dict[str, Callable[[], Image]] = {
    "1 x 1": lambda: _plain(1, 1),
    "8000 x 1": lambda: _plain(8000, 1),
    "1 x 3000": lambda: _plain(1, 3000),
    "RGBA": lambda: _of_mode("RGBA"),
    "RGBA, wholly transparent": _transparent,
    "CMYK": lambda: _of_mode("CMYK"),
    "16 bits of grey (I;16)": lambda: _ramp(np.uint16),
    "32 bits of grey (I)": lambda: _ramp(np.int32),
    "palette (P)": lambda: _of_mode("P"),
    "palette with transparency": _palette_with_transparency,
    "grey (L)": lambda: _of_mode("L"),
    "grey with alpha (LA)": lambda: _of_mode("LA"),
    "black and white (1)": lambda: _of_mode("1"),
}
