"""How the lines of the reproduction ledger stand together: by family of tasks, and in it by tables as papers have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from mbench.data.catalog import Catalog
from mbench.publish.board import outer_groups
from mbench.publish.ledger import Line

TaskMetric = tuple[str, str]
ModelSource = tuple[str, str]


@dataclass(frozen=True, slots=True)
class TableLines:
    """Lines that share a table: of one task under all metrics, or of tasks that have one metric each."""

    lines: tuple[Line, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks and groups, each once."""
        return tuple(dict.fromkeys(line.task for line in self.lines))

    @property
    def of_tasks(self) -> tuple[TaskMetric, ...]:
        """The tasks with their metrics, each once."""
        return tuple(dict.fromkeys(map(self.task_of, self.lines)))

    @property
    def of_models(self) -> Mapping[ModelSource, str]:
        """The published models with their sources, and what they are called here: nothing where they are not."""
        found: dict[ModelSource, str] = {}
        for line in self.lines:
            found[self.model_of(line)] = found.get(self.model_of(line)) or line.model
        return found

    @property
    def withheld(self) -> bool:
        """Whether nobody but a server can measure any of it."""
        return any(line.status == "withheld" for line in self.lines)

    @property
    def kind(self) -> str:
        """What the tasks are, for people: means of groups have names as metrics."""
        return "tasks" if any("@" in line.published.metric for line in self.lines) else "means"

    @staticmethod
    def task_of(line: Line) -> TaskMetric:
        """Return the task and the metric of a line."""
        return line.task, line.published.metric

    @staticmethod
    def model_of(line: Line) -> ModelSource:
        """Return the published model of a line and its source, without what is told of the one number."""
        return line.published.model, line.published.source.partition("; ")[0]


class Families:
    """The families of a catalogue's tasks: each group that is part of no other, and tasks whose ids begin alike."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._family: dict[str, str] = {}
        members = {name: {task.id for task in catalog.tasks([name])} for name in catalog.all_groups}
        for group in outer_groups(catalog):
            inside = {name for name, tasks in members.items() if tasks <= members[group.id]} | members[group.id]
            self._family |= {one: group.id for one in inside if one not in self._family}

    def of(self, task: str) -> str:
        """Return the family of a task or group."""
        return self._family.get(task) or task.partition("-")[0]

    def title(self, family: str) -> str:
        """Return the name of a family for people: its group's, or the words that its tasks' titles begin with."""
        if family in self.catalog.all_groups:
            return self.catalog.all_groups[family].spec.title or family
        kin = [one for one in self.catalog.all_tasks.values() if self.of(one.id) == family]
        words = zip(*(one.spec.title.replace(",", "").split() for one in kin), strict=False)
        return " ".join(first for first, *_ in takewhile(lambda same: len(set(same)) == 1, words)) or family

    def name(self, task: str) -> str:
        """Return the name of a task or group for people."""
        declared = self.catalog.all_tasks.get(task) or self.catalog.all_groups.get(task)
        return (declared.spec.title if declared else "") or task

    def metric_place(self, task: str, metric: str) -> tuple[bool, int, str]:
        """Return by what the metrics of a task or group are sorted: as they are declared."""
        group, declared = self.catalog.all_groups.get(task), self.catalog.all_tasks.get(task)
        keys = [one.name for one in group.spec.aggregates] if group else declared.spec.keys if declared else []
        return metric not in keys, keys.index(metric) if metric in keys else 0, metric

    def tables(self, lines: Sequence[Line]) -> Iterator[TableLines]:
        """Yield the lines of one family by their tables: means of groups first."""
        metrics: dict[str, set[str]] = {}
        for line in lines:
            metrics.setdefault(line.task, set()).add(line.published.metric)
        parts: dict[tuple[bool, str], list[Line]] = {}
        for line in lines:
            is_task = line.task in self.catalog.all_tasks
            alone = len(metrics[line.task]) > 1
            parts.setdefault((is_task, line.task if alone else ""), []).append(line)
        yield from (TableLines(tuple(found)) for _, found in sorted(parts.items(), key=lambda part: part[0][0]))
