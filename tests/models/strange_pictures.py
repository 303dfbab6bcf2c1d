"""Pictures of every mode and odd size that a data set may hold."""

from __future__ import annotations

import numpy as np
from PIL import Image


def drawing(seed: int, width: int = 72, height: int = 72) -> Image.Image:
    """Coloured noise in blocks, the same for the same seed."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)


def palette_with_transparency() -> Image.Image:
    picture = drawing(5).convert("P")
    picture.info["transparency"] = 0
    return picture


STRANGE = {
    "one pixel": Image.new("RGB", (1, 1), "red"),
    "a line": Image.new("RGB", (8000, 1), "blue"),
    "a column": Image.new("RGB", (1, 3000), "blue"),
    "RGBA": drawing(5).convert("RGBA"),
    "transparent": Image.new("RGBA", (72, 72), (10, 20, 30, 0)),
    "palette": drawing(5).convert("P"),
    "palette with transparency": palette_with_transparency(),
    "grey": drawing(5).convert("L"),
    "grey with alpha": drawing(5).convert("LA"),
    "bits": drawing(5).convert("1"),
    "16 bits": Image.fromarray(np.arange(72 * 72, dtype=np.uint16).reshape(72, 72) * 12),
    "32 bits": Image.fromarray(np.arange(72 * 72, dtype=np.int32).reshape(72, 72) * 12),
    "float": Image.fromarray(np.full((72, 72), np.nan, dtype=np.float32)),
    "CMYK": drawing(5).convert("CMYK"),
    "YCbCr": drawing(5).convert("YCbCr"),
    "large": drawing(5, 1000, 700),
}
