"""A heat map of models x tasks: a table whose cells are coloured, so that it reads as one without colours too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbench.core.results import Value

STEPS = 9
"""Colours of the sequential scale, h0 (lowest of the column) to h8 (highest)."""
MOST_ROWS = 100
"""The best models of a larger site; its first page has all of them."""
WORDY = 24
"""Up to so many columns the cells have a decimal."""


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A score in percent and its colour class; no class for what does not compare or is not there."""

    text: str
    style: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class HeatLine:
    """A model and its cells."""

    name: str
    page: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class HeatHead:
    """A task: its name and page."""

    title: str
    page: str


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Models (best first) x tasks."""

    id: str
    title: str
    about: str
    heads: tuple[HeatHead, ...]
    lines: tuple[HeatLine, ...]
    dense: bool


@dataclass(frozen=True, slots=True)
class HeatRow:
    """A model's scores in the order of the columns; None where there is none, `stale` where it does not compare."""

    name: str
    page: str
    scores: tuple[Value | None, ...]
    stale: tuple[bool, ...]


def heat_map(id: str, title: str, heads: Sequence[HeatHead], rows: Sequence[HeatRow]) -> HeatMap | None:
    """Return the map, or None for fewer than two models or tasks. Each column has its own scale, lowest to highest."""
    if len(rows) < 2 or len(heads) < 2:
        return None
    dense = len(heads) > WORDY
    columns = [_column([_current(row, place) for row in rows]) for place in range(len(heads))]
    lines = [
        HeatLine(
            row.name, row.page, tuple(_cell(row, place, columns[place][nth], dense) for place in range(len(heads)))
        )
        for nth, row in enumerate(rows)
    ]
    order = sorted(range(len(rows)), key=lambda nth: (-_standing(columns, nth), rows[nth].name))
    best = f"The best {MOST_ROWS} of " if len(rows) > MOST_ROWS else ""
    about = (
        f"{best}{len(rows)} models on {len(heads)} tasks. The colour runs in each column from its lowest score to its "
        "highest, so that tasks of different difficulty compare; the numbers are percent."
    )
    return HeatMap(id, title, about, tuple(heads), tuple(lines[nth] for nth in order[:MOST_ROWS]), dense)


def _current(row: HeatRow, place: int) -> float | None:
    value = row.scores[place]
    return None if value is None or row.stale[place] else value.value


def _column(values: Sequence[float | None]) -> list[float | None]:
    """Return each value's place between the lowest (0) and the highest (1) of the column; 0.5 where all are equal."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return [None if v is None else (v - low) / (high - low) if high > low else 0.5 for v in values]


def _standing(columns: Sequence[Sequence[float | None]], nth: int) -> float:
    """Return the mean of a row's places: where it stands among the models on the tasks that it has."""
    known = [value for column in columns if (value := column[nth]) is not None]
    return sum(known) / len(known) if known else -1.0


def _cell(row: HeatRow, place: int, share: float | None, dense: bool) -> HeatCell:
    value = row.scores[place]
    if value is None:
        return HeatCell("")
    text = f"{100 * value.value:.0f}" if dense else f"{100 * value.value:.1f}"
    if share is None:
        return HeatCell(text, style="stale", title="outdated")
    return HeatCell(text, style=f"h{min(STEPS - 1, int(share * STEPS))}")
