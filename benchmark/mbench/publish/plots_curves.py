"""Quality against the size of a stored embedding: shortened and quantised embeddings of the results that have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbench.core.extras import Point
from mbench.publish.plots import (
    HALF,
    Drawing,
    Figure,
    Key,
    Mark,
    Scale,
    both,
    doubling_ticks,
    log_domain,
    percent_domain,
    percent_ticks,
    polyline,
    x_axis,
    y_axis,
)
from mbench.publish.plots_bars import SYMBOLS
from mbench.publish.tables import Cell, Head, Name, Row, Table, score
from mbench.publish.text import percent, whole

HEIGHT = 360.0
TOP, LEFT, BOTTOM, RIGHT = 34.0, 40.0, 46.0, 14.0


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one model on one task."""

    name: str
    page: str
    points: tuple[Point, ...]


def curves_figure(id: str, title: str, metric: str, curves: Sequence[Curve]) -> Figure | None:
    """Return the curves of up to six models, a line for each precision; None where no model has two points."""
    known = [one for one in curves if sum(metric in point.metrics for point in one.points) > 1]
    if not known:
        return None
    shown = known[: len(SYMBOLS)]
    about = (
        f"{metric} of embeddings that were cut to fewer dimensions or stored with fewer bits, against the bytes that "
        "one candidate takes. Lines join the dimensions of one precision: full for float32, dashed for int8, dotted "
        "for binary."
    )
    legend = tuple(Key(SYMBOLS[place], f"m{place}", one.name) for place, one in enumerate(shown))
    return Figure(
        id, title, about, both(lambda width: _draw(shown, metric, width), HALF), _table(known, metric), legend
    )


def _table(curves: Sequence[Curve], metric: str) -> Table:
    heads = (Head("Precision"), *(Head(t, numeric=True) for t in ("Dimensions", "Bytes", metric, "Tied at the cut")))
    rows = [
        Row(
            Name(one.name, href=one.page),
            (
                Cell(point.precision),
                Cell(whole(point.dims), numeric=True),
                Cell(whole(point.bytes_per_candidate), numeric=True),
                score(point.metrics.get(metric)),
                Cell(percent(point.tied_at_cut), numeric=True),
            ),
        )
        for one in curves
        for point in _ordered(one.points)
    ]
    return Table("Model", heads, tuple(rows))


def _ordered(points: Sequence[Point]) -> list[Point]:
    return sorted(points, key=lambda point: (point.precision, point.bytes_per_candidate, point.dims))


def _draw(curves: Sequence[Curve], metric: str, width: float) -> Drawing:
    bottom, narrow = HEIGHT - BOTTOM, width < 500
    points = [point for one in curves for point in one.points if metric in point.metrics]
    x = Scale(*log_domain([float(p.bytes_per_candidate) for p in points]), LEFT, width - RIGHT, log=True)
    y = Scale(*percent_domain([p.metrics[metric].value for p in points]), bottom, TOP)
    marks = [
        *x_axis(x, doubling_ticks(x.low, x.high, whole, 5 if narrow else 10), TOP, bottom, "bytes of an embedding"),
        *y_axis(y, percent_ticks(y.low, y.high), LEFT, width - RIGHT, f"{metric}, percent"),
        *(mark for nth, one in enumerate(curves) for mark in _lines(one, metric, nth, x, y)),
    ]
    return Drawing(width, HEIGHT, tuple(marks), narrow)


def _lines(curve: Curve, metric: str, nth: int, x: Scale, y: Scale) -> list[Mark]:
    marks = []
    for precision in dict.fromkeys(point.precision for point in _ordered(curve.points)):
        points = [p for p in _ordered(curve.points) if p.precision == precision and metric in p.metrics]
        places = [(x(p.bytes_per_candidate), y(p.metrics[metric].value)) for p in points]
        if len(places) > 1:
            marks.append(Mark("path", style=f"p-curve p-{precision} m{nth}", data=polyline(places)))
        for point, (across, down) in zip(points, places, strict=True):
            words = f"{curve.name}, {point.dims} x {precision}: {percent(point.metrics[metric].value)}"
            marks.append(Mark(SYMBOLS[nth], across, down, style=f"m{nth}", title=words))
    return marks
