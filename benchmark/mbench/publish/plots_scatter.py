"""Quality against what a model costs: parameters or embedding size on a logarithmic axis, with the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mbench.core.errors import listed
from mbench.core.results import Value
from mbench.publish.plots import (
    HALF,
    Drawing,
    Figure,
    Key,
    Mark,
    Scale,
    Tick,
    both,
    log_domain,
    percent_domain,
    percent_ticks,
    polyline,
    shortened,
    x_axis,
    y_axis,
)
from mbench.publish.plots_labels import Anchor, Box, place_labels
from mbench.publish.tables import Cell, Head, Name, Row, Table, score
from mbench.publish.text import NONE

HEIGHT = 400.0
TOP, LEFT, BOTTOM, RIGHT = 34.0, 40.0, 46.0, 14.0
LONGEST_LABEL = 26
NAMED = 8
"""Models that a note names; the table below the figure has all."""
Ticks = Callable[[float, float, Callable[[int], str], int], list[Tick]]


@dataclass(frozen=True, slots=True)
class Sample:
    """A model with what it costs (None: its card does not say) and how good it is (None: not measured on all tasks).

    A baseline can cost nothing: 0 has no place on a logarithmic axis.
    """

    name: str
    page: str
    cost: int | None
    quality: Value | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What stands on the horizontal axis: its words in a sentence and on the axis, and how its numbers are written."""

    id: str
    title: str
    axis: str
    words: Callable[[int], str]
    ticks: Ticks


@dataclass(frozen=True, slots=True)
class _Point:
    name: str
    cost: int
    quality: Value
    front: bool


def scatter(id: str, title: str, quality: str, cost: Cost, samples: Sequence[Sample]) -> Figure | None:
    """Return the figure, or None where fewer than two models have both numbers."""
    points = _points(samples)
    if len(points) < 2:
        return None
    best = [point.name for point in points if point.front]
    about = (
        f"{quality} of {len(points)} models against {cost.title} on a logarithmic axis. No model is both smaller and "
        f"better than those on the Pareto front: {', '.join(best)}."
    )
    return Figure(
        id,
        title,
        about,
        both(lambda width: _draw(points, quality, cost, width), HALF),
        _table(samples, quality, cost),
        _LEGEND,
        _notes(samples, cost),
    )


_LEGEND = (
    Key("circle", "p-front", "on the Pareto front"),
    Key("ring", "p-other", "another is no larger and better"),
    Key("bar", "p-error", "95% interval"),
)


def _points(samples: Sequence[Sample]) -> list[_Point]:
    known = [(s.name, s.cost, s.quality) for s in samples if s.cost and s.quality]
    return [
        _Point(name, cost, quality, not any(_dominates(c, q.value, cost, quality.value) for _, c, q in known))
        for name, cost, quality in sorted(known, key=lambda one: (-one[2].value, one[1], one[0]))
    ]


def _dominates(cost: int, quality: float, other_cost: int, other_quality: float) -> bool:
    return cost <= other_cost and quality >= other_quality and (cost < other_cost or quality > other_quality)


def _notes(samples: Sequence[Sample], cost: Cost) -> tuple[str, ...]:
    reasons = {
        f"they have no {cost.title} (baselines)": [s for s in samples if s.quality and s.cost == 0],
        f"their cards do not state the {cost.title}": [s for s in samples if s.quality and s.cost is None],
        "they lack a current result on some of the tasks": [s for s in samples if s.cost and not s.quality],
    }
    return tuple(
        f"Not drawn, since {reason}: {listed(sorted({s.name for s in found}), NAMED)}."
        for reason, found in reasons.items()
        if found
    )


def _draw(points: Sequence[_Point], quality: str, cost: Cost, width: float) -> Drawing:
    bottom, narrow = HEIGHT - BOTTOM, width < 500
    x = Scale(*log_domain([p.cost for p in points]), LEFT, width - RIGHT, log=True)
    ends = [end for p in points for end in (p.quality.value, p.quality.low, p.quality.high) if end is not None]
    y = Scale(*percent_domain(ends), bottom, TOP)
    marks = [
        *x_axis(x, cost.ticks(x.low, x.high, cost.words, 4 if narrow else 9), TOP, bottom, cost.axis),
        *y_axis(y, percent_ticks(y.low, y.high), LEFT, width - RIGHT, f"{quality}, percent"),
        Mark("path", style="p-frontline", data=polyline(_steps(points, x, y))),
        *(mark for p in points for mark in _point_marks(p, x, y, cost)),
        *_labels(points, x, y, Box(LEFT + 2, TOP - 6, width, bottom), _lines(_steps(points, x, y))),
    ]
    return Drawing(width, HEIGHT, tuple(marks), narrow)


def _steps(points: Sequence[_Point], x: Scale, y: Scale) -> list[tuple[float, float]]:
    front = sorted({(p.cost, p.quality.value) for p in points if p.front})
    path = []
    for place, (cost, value) in enumerate(front):
        if place:
            path.append((x(cost), y(front[place - 1][1])))
        path.append((x(cost), y(value)))
    return [*path, (x.end, y(front[-1][1]))]


def _point_marks(point: _Point, x: Scale, y: Scale, cost: Cost) -> list[Mark]:
    across, value = x(point.cost), point.quality
    marks = []
    if value.low is not None and value.high is not None:
        marks.append(Mark("line", across, y(value.low), across, y(value.high), "p-error"))
    title = f"{point.name}: {100 * value.value:.1f}, {cost.words(point.cost)} {cost.title}"
    shape, style = ("circle", "p-front") if point.front else ("ring", "p-other")
    return [*marks, Mark(shape, across, y(value.value), style=style, title=title)]


def _lines(path: Sequence[tuple[float, float]]) -> list[Box]:
    """Return the room that the parts of a path take."""
    return [Box(min(x, x2) - 1, min(y, y2) - 1, max(x, x2) + 1, max(y, y2) + 1) for (x, y), (x2, y2) in pairwise(path)]


def _labels(points: Sequence[_Point], x: Scale, y: Scale, frame: Box, lines: Sequence[Box]) -> list[Mark]:
    order = sorted(points, key=lambda p: (not p.front, -p.quality.value, p.name))
    anchors = [Anchor(x(p.cost), y(p.quality.value), shortened(p.name, LONGEST_LABEL)) for p in order]
    return [Mark("text", one.x, one.y, style="p-label", data=one.text) for one in place_labels(anchors, frame, lines)]


def _table(samples: Sequence[Sample], quality: str, cost: Cost) -> Table:
    heads = (Head(cost.axis, numeric=True), Head(quality, numeric=True))
    order = sorted(samples, key=lambda s: (-(s.quality.value if s.quality else -1.0), s.name))
    rows = [Row(Name(s.name, href=s.page), (_cost(s, cost), score(s.quality))) for s in order]
    return Table("Model", heads, tuple(rows))


def _cost(sample: Sample, cost: Cost) -> Cell:
    if sample.cost is None:
        return Cell(NONE, numeric=True)
    return Cell(cost.words(sample.cost), sort=str(sample.cost), numeric=True)
