"""What a comparison consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mbench.publish.comparison.operands import Operand
from mbench.scoring.paired import Paired
from mbench.scoring.stats import Method

PRIMARY = "primary"
ALL = "all"


@dataclass(frozen=True, slots=True)
class SliceGap:
    """The difference within the queries of one value of a tag; `part` is what they add to the whole difference."""

    tag: str
    value: str
    paired: Paired
    part: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Result `a` against result `b`, by their labels, under one metric of one task.

    A `chosen` metric is one that was asked for: `adjusted` is its p-value after Holm over all tasks and pairs, `slices`
    are ordered by how much they add to the difference.
    """

    a: str
    b: str
    task: str
    metric: str
    paired: Paired
    chosen: bool
    adjusted: float | None = None
    slices: tuple[SliceGap, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskNote:
    """How the tests of a task are to be read: `clustered` where queries that belong together were drawn together."""

    partial: bool
    variant: str
    clustered: bool
    note: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was compared, what was asked for first, and what was left out."""

    operands: tuple[Operand, ...]
    gaps: tuple[Gap, ...]
    tasks: Mapping[str, TaskNote]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to compare, and how: metrics by key, `primary` (each task's own) or `all`."""

    metrics: tuple[str, ...] = (PRIMARY,)
    seed: int = 0
    method: Method = "percentile"
