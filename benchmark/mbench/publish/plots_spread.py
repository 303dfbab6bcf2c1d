"""How scores are spread: every query's value of a metric, and the similarity of right and wrong first candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mbench.core.types import Floats
from mbench.publish.plots import (
    CHARACTER,
    HALF,
    Drawing,
    Figure,
    Key,
    Mark,
    Scale,
    Tick,
    both,
    nice_step,
    polyline,
    shortened,
    x_axis,
)
from mbench.publish.tables import Cell, Head, Name, Row, Table
from mbench.publish.text import NONE, percent, whole

BINS = 40
TOP, BOTTOM = 10.0, 46.0
BAND = 46.0
"""Units that a model has in height."""

NEARLY = 0.95
ABOUT = (
    "How similar each query's first candidate is to it, by the model's own score. Each model has the scale of its own "
    "scores; only shapes compare."
)
ABOUT_PARTED = (
    "How similar each query's first candidate is to it, by the model's own score: right ones upwards, wrong ones "
    "downwards. Where the two lie apart, the score tells how far an answer can be trusted. Each model has the scale of "
    "its own scores; only shapes compare."
)
PARTED = (Key("square", "p-right", "right first candidates"), Key("square", "p-wrong", "wrong ones"))


@dataclass(frozen=True, slots=True)
class FirstScores:
    """A model's score of each query's first candidate, [n] each; `right` tells which of them answer (None: unknown)."""

    name: str
    page: str
    scores: Floats
    right: Floats | None


@dataclass(frozen=True, slots=True)
class QueryValues:
    """A model's value of a metric for each judged query, [n]."""

    name: str
    page: str
    values: Floats


def first_scores_figure(id: str, title: str, models: Sequence[FirstScores]) -> Figure | None:
    """Return one histogram a model of the scores at rank 1, right answers above wrong ones; None without models."""
    known = [one for one in models if len(one.scores) > 1]
    if not known:
        return None
    parted = all(one.right is not None for one in known)
    about = ABOUT_PARTED if parted else ABOUT
    legend = PARTED if parted else (Key("square", "p-first", "first candidates"),)
    table = _first_table(known, parted)
    return Figure(id, title, about, both(lambda width: _draw_first(known, parted, width), HALF), table, legend)


def _first_table(models: Sequence[FirstScores], parted: bool) -> Table:
    parts = {"Right": _right, "Wrong": _wrong} if parted else {"Queries": _all}
    heads = [*parts, *(f"{name}: median score" for name in parts)]
    rows = [
        Row(Name(one.name, href=one.page), tuple(Cell(text, numeric=True) for text in _summary(one, parts.values())))
        for one in models
    ]
    return Table("Model", tuple(Head(title, numeric=True) for title in heads), tuple(rows))


def _summary(one: FirstScores, parts: Iterable[Callable[[FirstScores], Floats]]) -> list[str]:
    found = [part(one) for part in parts]
    medians = (f"{np.median(scores):.3g}" if len(scores) else NONE for scores in found)
    return [*(whole(len(scores)) for scores in found), *medians]


def _all(one: FirstScores) -> Floats:
    return one.scores


def _right(one: FirstScores) -> Floats:
    return one.scores[:0] if one.right is None else one.scores[one.right > 0]


def _wrong(one: FirstScores) -> Floats:
    return one.scores[:0] if one.right is None else one.scores[~(one.right > 0)]


def _draw_first(models: Sequence[FirstScores], parted: bool, width: float) -> Drawing:
    narrow = width < 500
    left, step = (118.0 if narrow else 150.0), BAND + 22
    marks = []
    for place, one in enumerate(models):
        middle = TOP + place * step + (0.5 if parted else 1.0) * BAND
        marks += _band(one, Scale(*_ends(one.scores), left, width - 10), middle, parted, 15 if narrow else 20)
    return Drawing(width, TOP + len(models) * step, tuple(marks), narrow)


def _ends(scores: Floats) -> tuple[float, float]:
    low, high = float(scores.min()), float(scores.max())
    room = max(high - low, abs(high) * 1e-6, 1e-9) * 0.02
    return low - room, high + room


def _band(one: FirstScores, x: Scale, middle: float, parted: bool, most: int) -> list[Mark]:
    height = BAND / 2 if parted else BAND
    parts = [("right", _right(one), -1), ("wrong", _wrong(one), 1)] if parted else [("first", _all(one), -1)]
    edges = np.linspace(x.low, x.high, BINS + 1)
    counts = [np.histogram(scores, edges)[0] for _, scores, _ in parts]
    tallest = max(1, *(int(one.max()) for one in counts))
    below = middle + (height if parted else 0) + 12
    low, high = f"{one.scores.min():.3g}", f"{one.scores.max():.3g}"
    marks = [
        Mark("path", style=f"p-{name}", data=_outline(found, edges, x, middle, way * height / tallest), title=one.name)
        for (name, _, way), found in zip(parts, counts, strict=True)
    ]
    ends = [Mark("text", x(float(one.scores.min())), below, style="p-tick", data=low)]
    ends += [Mark("text", x(float(one.scores.max())), below, style="p-tick", data=high, anchor="end")] * (low != high)
    label = Mark("text", x.start - 12, middle + 4, style="p-label", data=shortened(one.name, most), anchor="end")
    return [label, *marks, Mark("line", x.start, middle, x.end, middle, "p-axis"), *ends]


def _outline(counts: Floats, edges: Floats, x: Scale, base: float, unit: float) -> str:
    points = [(x(float(edges[0])), base)]
    for nth, count in enumerate(counts):
        level = base + float(count) * unit
        points += [(x(float(edges[nth])), level), (x(float(edges[nth + 1])), level)]
    return polyline([*points, (x(float(edges[-1])), base)], closed=True)


def query_values_figure(id: str, title: str, metric: str, models: Sequence[QueryValues]) -> Figure | None:
    """Return the shares of queries by their value, a bar a model; None where nearly every value is 0 or 1.

    Hit rates say all with their mean; graded metrics can have one mean from many half right or from few right queries.
    """
    known = [one for one in models if len(one.values)]
    if all(np.isin(one.values, (0.0, 1.0)).mean() > NEARLY for one in known):
        return None
    about = f"The share of queries with no, a low, a middle, a high and the full value of {metric}."
    legend = tuple(Key("square", style, words) for style, words in zip(_SHARE_STYLES, _SHARE_WORDS, strict=True))
    rows = [
        Row(Name(one.name, href=one.page), tuple(Cell(percent(s), numeric=True) for s in _shares(one.values)))
        for one in known
    ]
    table = Table("Model", tuple(Head(words, numeric=True) for words in _SHARE_WORDS), tuple(rows))
    return Figure(id, title, about, both(lambda width: _draw_shares(known, width), HALF), table, legend)


_SHARE_WORDS = ("0", "up to 1/3", "up to 2/3", "below 1", "1")
_SHARE_STYLES = ("s0", "s1", "s2", "s3", "s4")


def _shares(values: Floats) -> list[float]:
    inner = values[(values > 0) & (values < 1)]
    counts = [
        np.count_nonzero(values <= 0),
        *np.histogram(inner, [0, 1 / 3, 2 / 3, 1])[0],
        np.count_nonzero(values >= 1),
    ]
    return [int(count) / len(values) for count in counts]


def _draw_shares(models: Sequence[QueryValues], width: float) -> Drawing:
    narrow, step = width < 500, 28.0
    most = 15 if narrow else 26
    left = min(max(len(one.name) for one in models), most) * CHARACTER + 16
    bottom = TOP + step * len(models)
    x = Scale(0.0, 1.0, left, width - 14)
    marks = x_axis(x, _hundred(4 if narrow else 10), TOP, bottom, "share of queries, percent")
    for row, one in enumerate(models):
        top, start = TOP + row * step + 5, 0.0
        marks.append(Mark("text", left - 10, top + 13, style="p-label", data=shortened(one.name, most), anchor="end"))
        for style, words, share in zip(_SHARE_STYLES, _SHARE_WORDS, _shares(one.values), strict=True):
            if share:
                wide = x(start + share) - x(start)
                title = f"{one.name}, {words}: {percent(share)}"
                marks.append(Mark("rect", x(start), top, wide, step - 10, f"p-share {style}", title=title))
            start += share
    return Drawing(width, bottom + BOTTOM, tuple(marks), narrow)


def _hundred(wanted: int) -> list[Tick]:
    step = int(nice_step(100, wanted))
    return [Tick(at / 100, str(at)) for at in range(0, 101, step)]
