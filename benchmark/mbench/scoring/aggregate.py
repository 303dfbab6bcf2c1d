"""Scores of a group: plain means of its tasks' scores, or nothing where a task is missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from mbench.core.results import TaskResult, Value
from mbench.core.specs import Aggregate, GroupSpec, TaskSpec

PRIMARY = "primary"
"""What an aggregate names as its metric when it averages each task's own primary metric."""


class Declared(Protocol):
    """A task as the catalogue knows it."""

    @property
    def spec(self) -> TaskSpec:
        """Return what the task's file says."""


class Catalogue(Protocol):
    """Whatever can tell which tasks a group's members (ids, groups, patterns) stand for."""

    def tasks(self, names: Sequence[str]) -> Sequence[Declared]:
        """Return the tasks that `names` stand for, each once."""


def aggregate(group: GroupSpec, results: Mapping[str, TaskResult], catalogue: Catalogue) -> dict[str, Value]:
    """Return the group's scores by the name of the aggregate, from the results of one model by task id.

    Every task counts the same, however many queries it has; `n` is the number of tasks. An aggregate that lacks a task
    or a metric of it is left out: a mean of a part is another quantity (`missing` names what it lacks).
    """
    scores = {}
    for one in group.aggregates:
        parts = _parts(group, one, results, catalogue)
        values = [value for value in parts.values() if value is not None]
        if len(values) == len(parts):
            scores[one.name] = _mean(values)
    return scores


def missing(group: GroupSpec, results: Mapping[str, TaskResult], catalogue: Catalogue) -> dict[str, list[str]]:
    """Return what each incomplete aggregate lacks: "task metric" in the order of the catalogue."""
    lacking = {
        one.name: [name for name, value in _parts(group, one, results, catalogue).items() if value is None]
        for one in group.aggregates
    }
    return {name: parts for name, parts in lacking.items() if parts}


def _parts(
    group: GroupSpec, one: Aggregate, results: Mapping[str, TaskResult], catalogue: Catalogue
) -> dict[str, Value | None]:
    """Return the score of each task that the aggregate averages, None where there is none."""
    parts: dict[str, Value | None] = {}
    for task in catalogue.tasks(one.members or group.members):
        name = task.spec.id
        metric = task.spec.primary if one.metric == PRIMARY else one.metric
        parts[f"{name} {metric}"] = results[name].metrics.get(metric) if name in results else None
    return parts


def _mean(values: Sequence[Value]) -> Value:
    """Return the mean of scores, with an interval where each has one.

    The distances of the parts' ends from their values add up as independent errors do, on each side by itself. Source:
    Zou and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27, 2008. Tasks
    that share queries or pictures are not independent: there the interval is too narrow.
    """
    n = len(values)
    value = math.fsum(one.value for one in values) / n
    downs = [one.value - one.low for one in values if one.low is not None]
    ups = [one.high - one.value for one in values if one.high is not None]
    if len(downs) < n or len(ups) < n:
        return Value(value=value, n=n)
    return Value(value=value, n=n, low=value - math.hypot(*downs) / n, high=value + math.hypot(*ups) / n)
