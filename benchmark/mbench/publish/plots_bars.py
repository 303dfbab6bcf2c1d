"""Scores side by side with their intervals: models within the values of a slice, and a model within its field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbench.core.results import Value
from mbench.publish.plots import (
    CHARACTER,
    HALF,
    Drawing,
    Figure,
    Key,
    Mark,
    Scale,
    both,
    percent_domain,
    percent_ticks,
    shortened,
    x_axis,
)
from mbench.publish.tables import EMPTY, Cell, Head, Name, Row, Table, score
from mbench.publish.text import percent

SYMBOLS = ("circle", "square", "triangle", "diamond", "ring", "cross")
"""Each model has a shape of its own besides its colour (m0 to m5)."""
MOST_LINES = 42
"""Models times kinds that a figure holds; with more kinds it shows fewer models."""
MOST_TASKS = 36
"""Tasks that the profile of a model shows."""
LINE, ROOM = 13.0, 13.0
"""Units between two models of a row, and between two rows."""
TOP, BOTTOM = 12.0, 46.0


@dataclass(frozen=True, slots=True)
class Series:
    """A model's scores on the rows of a figure; None where it has none."""

    name: str
    page: str
    values: tuple[Value | None, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A model among all models of a task: the task's name and page, the model's score, and where the others lie."""

    name: str
    page: str
    own: Value
    low: float
    median: float
    high: float


def slice_bars(id: str, title: str, metric: str, tags: Sequence[str], series: Sequence[Series]) -> Figure | None:
    """Return the scores of up to six models on each value of a slice; None for a single value or no model.

    `series` are the best models first.
    """
    shown = series[: max(2, min(len(SYMBOLS), MOST_LINES // max(len(tags), 1)))]
    if len(tags) < 2 or not shown:
        return None
    about = f"{metric} on each of {len(tags)} kinds of queries, of {_many(len(shown), len(series))}."
    return Figure(
        id,
        title,
        about,
        both(lambda width: _draw_slices(metric, tags, shown, width), HALF),
        _table(tags, series),
        tuple(Key(SYMBOLS[place], f"m{place}", one.name) for place, one in enumerate(shown)),
        ("A line through a symbol is the 95% interval.",),
    )


def _many(shown: int, all_of_them: int) -> str:
    return f"the {shown} best of {all_of_them} models" if shown < all_of_them else f"{shown} models"


def _table(tags: Sequence[str], series: Sequence[Series]) -> Table:
    heads = tuple(Head(one.name, href=one.page, numeric=True) for one in series)
    rows = [
        Row(Name(tag), tuple(score(one.values[place]) for one in series) if series else (EMPTY,))
        for place, tag in enumerate(tags)
    ]
    return Table("Kind", heads, tuple(rows))


def _draw_slices(metric: str, tags: Sequence[str], shown: Sequence[Series], width: float) -> Drawing:
    narrow = width < 500
    most = 14 if narrow else 26
    left = min(max(len(tag) for tag in tags), most) * CHARACTER + 16
    step = len(shown) * LINE + ROOM
    bottom = TOP + step * len(tags)
    x = Scale(*percent_domain(_ends([v for one in shown for v in one.values])), left, width - 14)
    marks = x_axis(x, percent_ticks(x.low, x.high, 4 if narrow else 8), TOP, bottom, f"{metric}, percent")
    for row, tag in enumerate(tags):
        top = TOP + row * step
        marks.append(
            Mark("text", left - 10, top + step / 2 + 4, style="p-label", data=shortened(tag, most), anchor="end")
        )
        marks += [Mark("line", 0, top, width, top, "p-rule")] if row else []
        for nth, one in enumerate(shown):
            middle = top + ROOM / 2 + (nth + 0.5) * LINE
            marks += _measured(one.values[row], x, middle, nth, f"{one.name}, {tag}")
    return Drawing(width, bottom + BOTTOM, tuple(marks), narrow)


def _ends(values: Sequence[Value | None]) -> list[float]:
    return [end for v in values if v for end in (v.value, v.low, v.high) if end is not None]


def _measured(value: Value | None, x: Scale, y: float, nth: int, name: str) -> list[Mark]:
    if value is None:
        return []
    symbol = Mark(SYMBOLS[nth], x(value.value), y, style=f"m{nth}", title=f"{name}: {percent(value.value)}")
    if value.low is None or value.high is None:
        return [symbol]
    return [Mark("line", x(value.low), y, x(value.high), y, f"p-interval m{nth}"), symbol]


def profile(id: str, title: str, name: str, fields: Sequence[Field]) -> Figure | None:
    """Return where one model stands among all on each task; None without tasks."""
    if not fields:
        return None
    shown, left = fields[:MOST_TASKS], len(fields) - MOST_TASKS
    about = f"The score of {name} on {len(shown)} tasks, with the range and the median of all models."
    notes = (f"{left} further tasks stand in the table of all scores.",) if left > 0 else ()
    rows = [Row(Name(one.name, href=one.page), _profile_cells(one)) for one in shown]
    heads = tuple(Head(words, numeric=True) for words in (name, "Lowest", "Median", "Highest"))
    legend = (
        Key("circle", "m0", name),
        Key("square", "p-range", "lowest to highest of all models"),
        Key("tick", "p-median", "their median"),
    )
    return Figure(
        id,
        title,
        about,
        both(lambda width: _draw_profile(name, shown, width)),
        Table("Task", heads, tuple(rows)),
        legend,
        notes,
    )


def _profile_cells(field: Field) -> tuple[Cell, ...]:
    cells = (score(Value(value=value, n=1)) for value in (field.low, field.median, field.high))
    return (score(field.own), *cells)


def _draw_profile(name: str, fields: Sequence[Field], width: float) -> Drawing:
    narrow, step = width < 500, 26.0
    most = 15 if narrow else 30
    left = min(max(len(one.name) for one in fields), most) * CHARACTER + 16
    bottom = TOP + step * len(fields)
    highest = percent_domain([*_ends([one.own for one in fields]), *(one.high for one in fields)])[1]
    x = Scale(0.0, highest, left, width - 14)
    marks = x_axis(x, percent_ticks(x.low, x.high, 4 if narrow else 8), TOP, bottom, "primary metric, percent")
    for row, one in enumerate(fields):
        y = TOP + (row + 0.5) * step
        marks.append(Mark("text", left - 10, y + 4, style="p-label", data=shortened(one.name, most), anchor="end"))
        low, high, middle = x(one.low), x(one.high), x(one.median)
        marks.append(Mark("rect", low, y - 4, max(high - low, 1.0), 8, "p-range", title="all models"))
        marks.append(Mark("line", middle, y - 7, middle, y + 7, "p-median"))
        marks += _measured(one.own, x, y, 0, f"{name}, {one.name}")
    return Drawing(width, bottom + BOTTOM, tuple(marks), narrow)
