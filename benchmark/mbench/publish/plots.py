"""What figures are made of: scales, ticks, and a few marks that one template draws as SVG.

Geometry is computed here and rounded to a tenth of a unit, so that a figure has the same bytes wherever it is built.
Colours are CSS classes; all words go through the template, which escapes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mbench.publish.tables import Table

WIDE, HALF, NARROW = 760.0, 540.0, 350.0
"""Units, which are CSS pixels where there is room: figures are drawn for a desk (two abreast: half) and a phone."""
CHARACTER = 6.3
"""The mean width of a character of a label, in units."""

OUTLINES = {
    "circle": "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0Z",
    "ring": "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0Z",
    "square": "m-4.5-4.5h9v9h-9Z",
    "triangle": "m0-5.5l5.5 10h-11Z",
    "diamond": "m0-6l6 6l-6 6l-6-6Z",
    "cross": "m-4.5-4.5l9 9m0-9l-9 9",
    "bar": "m0-6v12",
    "tick": "m0-7v14",
}
"""Symbols, drawn from their middle."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A line, rectangle, symbol, path or text. `style` are CSS classes; `title` is shown where one points.

    `shape` is line (x, y to x2, y2), rect (x, y, width x2, height y2), path (`data`), text (`data` at x, y), or a
    symbol: circle, square, triangle, diamond, ring, cross.
    """

    shape: str
    x: float = 0.0
    y: float = 0.0
    x2: float = 0.0
    y2: float = 0.0
    style: str = ""
    data: str = ""
    title: str = ""
    anchor: str = "start"

    @property
    def at(self) -> tuple[str, str]:
        """The place of a text, as it is written."""
        return number(self.x), number(self.y)

    @property
    def path(self) -> str:
        """The outline of anything but a text."""
        if self.shape == "path":
            return self.data
        if self.shape == "line":
            return polyline([(self.x, self.y), (self.x2, self.y2)])
        if self.shape == "rect":
            return f"M{number(self.x)} {number(self.y)}h{number(self.x2)}v{number(self.y2)}h{number(-self.x2)}Z"
        return f"M{number(self.x)} {number(self.y)}{OUTLINES[self.shape]}"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure at one width."""

    width: float
    height: float
    marks: tuple[Mark, ...]
    narrow: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A line of a legend: the symbol, its class, and what it stands for."""

    shape: str
    style: str
    text: str

    @property
    def path(self) -> str:
        """The outline of the symbol in a box of 16 x 16."""
        return f"M8 8{OUTLINES[self.shape]}"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its words: `about` says what is seen, `table` holds the numbers, `notes` tell what is not drawn."""

    id: str
    title: str
    about: str
    drawings: tuple[Drawing, ...]
    table: Table
    legend: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its words."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `low` to `start` and `high` to `end`, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return where `value` is drawn."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return self.start + (at - low) / (high - low) * (self.end - self.start)


def both(draw: Callable[[float], Drawing], wide: float = WIDE) -> tuple[Drawing, ...]:
    """Return a figure drawn for a desk and for a phone."""
    return draw(wide), draw(NARROW)


def number(value: float) -> str:
    """Return a coordinate with at most one decimal."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def polyline(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """Return the path through `points`."""
    steps = " ".join(f"{'L' if place else 'M'}{number(x)} {number(y)}" for place, (x, y) in enumerate(points))
    return steps + ("Z" if closed else "")


def nice_step(span: float, wanted: int) -> float:
    """Return 1, 2 or 5 times a power of ten that cuts `span` into about `wanted` parts."""
    rough = span / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)


def percent_domain(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis for fractions: from 0 unless all values are far from it, in steps of 5 percent."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    start = 0.0 if low < 0.4 * high else math.floor(low * 20) / 20
    end = min(1.0, math.ceil((high + 1e-9) * 20) / 20)
    return start, max(end, start + 0.05)


def percent_ticks(low: float, high: float, wanted: int = 5) -> list[Tick]:
    """Return round percentages between two fractions."""
    step = max(1.0, nice_step(100 * (high - low), wanted))
    first, last = math.ceil(100 * low / step - 1e-9), math.floor(100 * high / step + 1e-9)
    return [Tick(place * step / 100, f"{place * step:g}") for place in range(first, last + 1)]


def log_domain(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of a logarithmic axis with room beside the outermost values: at least from half to double."""
    low, high = min(values), max(values)
    room = max((high / low) ** 0.08, 2.0 if low == high else 1.5)
    return low / room, high * room


def log_ticks(low: float, high: float, words: Callable[[int], str], wanted: int) -> list[Tick]:
    """Return round numbers between `low` and `high`: powers of ten, with others in between where there is room."""
    for steps in ((1, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1, 3), (1,)):
        found = [
            step * 10**power
            for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for step in steps
            if power >= 0 and low <= step * 10**power <= high
        ]
        if len(found) <= wanted:
            break
    return [Tick(value, words(value)) for value in found]


def doubling_ticks(low: float, high: float, words: Callable[[int], str], wanted: int) -> list[Tick]:
    """Return powers of two between `low` and `high`, every second or fourth where they would crowd."""
    powers = [2**power for power in range(64) if low <= 2**power <= high]
    step = max(1, math.ceil(len(powers) / wanted))
    return [Tick(value, words(value)) for value in powers[::step]]


def shortened(text: str, most: int) -> str:
    """Return `text`, cut to `most` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def x_axis(scale: Scale, ticks: Sequence[Tick], top: float, bottom: float, title: str) -> list[Mark]:
    """Return grid lines, their words and the title of a horizontal axis."""
    marks = [Mark("line", scale(t.value), top, scale(t.value), bottom, "p-grid") for t in ticks]
    marks += [Mark("text", scale(t.value), bottom + 16, style="p-tick", data=t.text, anchor="middle") for t in ticks]
    return [*marks, Mark("text", scale.end, bottom + 34, style="p-title", data=title, anchor="end")]


def y_axis(scale: Scale, ticks: Sequence[Tick], left: float, right: float, title: str) -> list[Mark]:
    """Return grid lines, their words and the title (above the axis) of a vertical axis."""
    marks = [Mark("line", left, scale(t.value), right, scale(t.value), "p-grid") for t in ticks]
    marks += [Mark("text", left - 8, scale(t.value) + 4, style="p-tick", data=t.text, anchor="end") for t in ticks]
    return [*marks, Mark("text", 0, scale.end - 12, style="p-title", data=title)]
