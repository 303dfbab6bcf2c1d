"""Renders every emoji of a drawing style to pixels, once, and keeps them beside the packages."""

from __future__ import annotations

import io
import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.emoji.sources import DEFAULT_CACHE, packages, read_json

STYLES = ("noto", "flat", "3d", "high-contrast")
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Drawing:
    """The SVG of one emoji and the size at which it is drawn."""

    svg: str
    px: int


def normal_hex(code: str) -> str:
    """Code points in lower case without the variation selector fe0f, which carries no meaning of its own."""
    return "-".join(part for part in code.lower().split("-") if part != "fe0f")


@cache
def names(style: str, cache_dir: Path = DEFAULT_CACHE) -> dict[str, str]:
    """hex -> icon name of a style. The 3D package has no map of its own; its names are those of flat."""
    chars = read_json("flat" if style == "3d" else style, "chars.json", cache_dir)
    return {normal_hex(code): name for code, name in chars.items()}


def render_style(style: str, px: int, cache_dir: Path = DEFAULT_CACHE) -> dict[str, Pixels]:
    """hex -> RGBA uint8 [px, px, 4], straight alpha, for every emoji that the style draws.

    The first call renders (a minute for 3d), later ones read `<package>-<px>-resvg<version>.npy`.
    """
    package = packages()[style].archive.removesuffix(".tgz")
    stem = cache_dir / f"{package}-{px}-resvg{version('resvg_py')}"
    array_file, index_file = stem.with_name(stem.name + ".npy"), stem.with_name(stem.name + ".json")
    if not index_file.exists():
        _render_all(style, px, cache_dir, array_file, index_file)
    hexes: list[str] = json.loads(index_file.read_text("utf-8"))
    return dict(zip(hexes, np.load(array_file, mmap_mode="r"), strict=True))


def on_white(rgba: Pixels) -> Pixels:
    """RGBA [..., 4] composited on white, RGB uint8 [..., 3]; integer arithmetic, so the same everywhere."""
    alpha = rgba[..., 3:].astype(np.uint32)
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _render_all(style: str, px: int, cache_dir: Path, array_file: Path, index_file: Path) -> None:
    drawings = dict(_drawings(style, px, cache_dir))
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pixels = pool.map(_rasterize, drawings.values(), chunksize=32)
    np.save(array_file, np.stack(pixels))
    index_file.write_text(json.dumps(list(drawings)), "utf-8")


def _drawings(style: str, px: int, cache_dir: Path) -> Iterator[tuple[str, Drawing]]:
    icons = read_json(style, "icons.json", cache_dir)
    for code, name in sorted(names(style, cache_dir).items()):
        svg = _svg(icons, name)
        if svg is not None:
            yield code, Drawing(svg, px)


def _svg(icons: dict[str, Any], name: str) -> str | None:
    """A whole SVG of an icon, its alias resolved (some hands are the mirror image of another)."""
    alias = icons.get("aliases", {}).get(name, {})
    icon = icons["icons"].get(alias.get("parent", name))
    if icon is None:
        return None
    left, top = icon.get("left", 0), icon.get("top", 0)
    width = icon.get("width", icons.get("width", 16))
    height = icon.get("height", icons.get("height", 16))
    body = icon["body"]
    if alias.get("hFlip"):
        body = f'<g transform="translate({2 * left + width} 0) scale(-1 1)">{body}</g>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" color="#222">{body}</svg>'
    )


def _rasterize(drawing: Drawing) -> Pixels:
    """RGBA [px, px, 4]; a drawing that is not square is centred. No fonts are loaded: the drawings have no text."""
    import resvg_py
    from PIL import Image

    px = drawing.px
    png = resvg_py.svg_to_bytes(svg_string=drawing.svg, width=px, height=px, skip_system_fonts=True)
    image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    canvas = Image.new("RGBA", (px, px))
    image.thumbnail((px, px))
    canvas.paste(image, ((px - image.width) // 2, (px - image.height) // 2))
    return np.asarray(canvas)
