"""How scores are spread: every query's value of a metric, and the similarity of right and wrong first candidates."""

from __future__ import annotations

from collections.abc import Sequence
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
from mbench.publish.text import percent, whole

BINS = 40
TOP, BOTTOM = 10.0, 46.0
BAND = 46.0
"""Units that a model has in height."""

NEARLY = 0.95


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
    about = (
        "How similar each query's first candidate is to it, by the model's own score: right ones upwards, wrong ones "
        "downwards. Where the two lie apart, the score tells how far an answer can be trusted. Each model has the "
        "scale of its own scores; only shapes compare."
    )
    legend = (Key("square", "p-right", "right first candidates"), Key("square", "p-wrong", "wrong ones"))
    return Figure(id, title, about, both(lambda width: _draw_first(known, width), HALF), _first_table(known), legend)


def _first_table(models: Sequence[FirstScores]) -> Table:
    heads = ("Right", "Wrong", "Median score if right", "Median score if wrong")
    rows = [
        Row(Name(one.name, href=one.page), tuple(Cell(text, numeric=True) for text in _summary(one))) for one in models
    ]
    return Table("Model", tuple(Head(title, numeric=True) for title in heads), tuple(rows))


def _summary(one: FirstScores) -> tuple[str, ...]:
    right, wrong = _parted(one)
    medians = (f"{np.median(part):.3g}" if len(part) else "–" for part in (right, wrong))
    return (whole(len(right)), whole(len(wrong)), *medians)


def _parted(one: FirstScores) -> tuple[Floats, Floats]:
    if one.right is None:
        return np.zeros(0), one.scores
    return one.scores[one.right > 0], one.scores[~(one.right > 0)]


def _draw_first(models: Sequence[FirstScores], width: float) -> Drawing:
    narrow = width < 500
    left = 118.0 if narrow else 190.0
    marks = []
    for place, one in enumerate(models):
        middle = TOP + (place + 0.5) * (BAND + 22)
        marks += _band(one, Scale(*_ends(one.scores), left, width - 10), middle, 15 if narrow else 26)
    height = TOP + len(models) * (BAND + 22)
    return Drawing(width, height, tuple(marks), narrow)


def _ends(scores: Floats) -> tuple[float, float]:
    low, high = float(scores.min()), float(scores.max())
    room = max(high - low, abs(high) * 1e-6, 1e-9) * 0.02
    return low - room, high + room


def _band(one: FirstScores, x: Scale, middle: float, most: int) -> list[Mark]:
    edges = np.linspace(x.low, x.high, BINS + 1)
    right, wrong = (np.histogram(part, edges)[0] for part in _parted(one))
    tallest = max(int(right.max()), int(wrong.max()), 1)
    half = BAND / 2
    ends = [
        Tick(float(one.scores.min()), f"{one.scores.min():.3g}"),
        Tick(float(one.scores.max()), f"{one.scores.max():.3g}"),
    ]
    ticks = ends if ends[0].text != ends[1].text else ends[:1]
    return [
        Mark("text", x.start - 12, middle + 4, style="p-label", data=shortened(one.name, most), anchor="end"),
        Mark(
            "path", style="p-right", data=_outline(right, edges, x, middle, -half / tallest), title=f"{one.name}: right"
        ),
        Mark(
            "path", style="p-wrong", data=_outline(wrong, edges, x, middle, half / tallest), title=f"{one.name}: wrong"
        ),
        Mark("line", x.start, middle, x.end, middle, "p-axis"),
        *(
            Mark("text", x(t.value), middle + half + 12, style="p-tick", data=t.text, anchor=anchor)
            for t, anchor in zip(ticks, ("start", "end"), strict=False)
        ),
    ]


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
