"""Results joined with what is declared: which model has which score on which task, and what limits it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from mbench.core.results import ModelRef, TaskResult, Value
from mbench.core.specs import ModelCard, TaskSpec
from mbench.data.catalog import Catalog, Group, Task
from mbench.publish.collect import Collection, Entry
from mbench.publish.contamination import Verdict, verdict
from mbench.publish.evidence import Evidence
from mbench.publish.filenames import page_names
from mbench.publish.tables import Mark
from mbench.publish.text import moment
from mbench.scoring.aggregate import aggregate

FIRST = "emoji"
"""The group whose table opens the site: everyone can measure on it, since its data ships with mbench."""
MIXED = Mark("mixed", "The results of this row come from different weights or settings of the model.")


class ModelKey(NamedTuple):
    """A row of the tables: a model and its revision. It is looked up too often for anything slower than a tuple."""

    id: str
    revision: str


class TaskKey(NamedTuple):
    """A column of the tables: a task and its protocol, since scores of two protocols do not compare."""

    id: str
    protocol: str


class Place(NamedTuple):
    """Where a score stands: its row and its column."""

    model: ModelKey
    task: TaskKey


class Board:
    """All results of the site, by model and task."""

    def __init__(self, collection: Collection, catalog: Catalog) -> None:
        self.collection, self.catalog = collection, catalog
        self.evidence = Evidence()
        self._found: dict[TaskKey, dict[ModelKey, Entry]] = {}
        for entry in collection.entries:
            self._found.setdefault(self.task_of(entry), {})[_place(entry).model] = entry
        self._partial = {_place(entry): entry for entry in collection.partial}
        self.models = tuple(sorted({model for found in self._found.values() for model in found}))
        self.revisions = Counter(model.id for model in self.models)
        self.tasks = _in_order(catalog, set(self._found))
        known = (*collection.entries, *collection.partial, *collection.older)
        self._stale = {id(entry) for entry in known if self._changed(entry)}
        self._of_model = {model: self._row(model) for model in self.models}
        of = self._of_model.items()
        self._mixed = {model for model, found in of if len({e.result.model.fingerprint for e in found}) > 1}
        self._newest = {model: max(found, key=_date) for model, found in self._of_model.items()}
        self._on_task = {task: self._column(task) for task in self.tasks}
        self._keys = {task: self._all_keys(task) for task in self.tasks}
        self._exposures: dict[tuple[str, tuple[str, ...] | None, str | None], Verdict] = {}
        self._marks: dict[int, tuple[Mark, ...]] = {}
        self._counting: dict[ModelKey, dict[str, TaskResult]] = {}
        self._means: dict[tuple[ModelKey, str], dict[str, Value]] = {}
        self._model_pages = page_names(model.id for model in self.models)
        self._task_pages = page_names(self._task_name(task) for task in self.tasks)

    def find(self, model: ModelKey, task: TaskKey) -> Entry | None:
        """Return the result of `model` on `task`, if there is one."""
        return self._found.get(task, {}).get(model)

    def partial(self, model: ModelKey, task: TaskKey) -> Entry | None:
        """Return the result of a limited run of `model` on `task`, which stands where there is no whole one."""
        return self._partial.get(Place(model, task))

    def earlier(self, model: ModelKey, task: TaskKey) -> list[Entry]:
        """Return the results of `model` on `task` that a newer run replaced, newest first."""
        return [entry for entry in reversed(self.collection.older) if _place(entry) == Place(model, task)]

    def _column(self, task: TaskKey) -> tuple[Entry, ...]:
        found = self._found.get(task, {})
        return tuple(found[model] for model in sorted(found))

    def _row(self, model: ModelKey) -> tuple[Entry, ...]:
        return tuple(entry for task in self.tasks if (entry := self.find(model, task)))

    def _all_keys(self, task: TaskKey) -> tuple[str, ...]:
        spec = self.spec(task)
        known = spec.keys if spec else []
        found = {key for entry in self.on_task(task) for key in entry.result.metrics}
        return (*known, *sorted(found - set(known), key=_natural))

    def on_task(self, task: TaskKey) -> tuple[Entry, ...]:
        """Return the results on `task`, in the order of the models."""
        return self._on_task[task]

    def of_model(self, model: ModelKey) -> tuple[Entry, ...]:
        """Return the results of `model`, in the order of the tasks."""
        return self._of_model[model]

    def spec(self, task: TaskKey) -> TaskSpec | None:
        """Return the declaration of `task`; none for an unknown task and for another protocol than the declared one."""
        declared = self.catalog.all_tasks.get(task.id)
        return declared.spec if declared and declared.spec.protocol == task.protocol else None

    def model(self, model: ModelKey) -> ModelRef:
        """Return what the newest result of `model` says about it."""
        return self._newest[model].result.model

    def newest(self, model: ModelKey) -> datetime:
        """Return when `model` was last run."""
        return _date(self._newest[model])

    def model_marks(self, model: ModelKey) -> tuple[Mark, ...]:
        """Return what limits comparisons along a row."""
        return (MIXED,) if model in self._mixed else ()

    def keys(self, task: TaskKey) -> tuple[str, ...]:
        """Return the metric keys of `task`: as declared, then others that results have."""
        return self._keys[task]

    def primary(self, task: TaskKey) -> str:
        """Return the metric key that stands for `task`; the first one where it is not declared."""
        spec = self.spec(task)
        return spec.primary if spec else next(iter(self.keys(task)), "")

    def title(self, task: TaskKey) -> str:
        """Return the name of `task` for people; another protocol than the declared one is part of it."""
        spec = self.spec(task)
        if spec:
            return spec.title or task.id
        return f"{task.id} ({task.protocol})"

    def outdated(self, entry: Entry) -> bool:
        """Tell whether the task has changed since the run, so that its number does not compare with newer ones."""
        return id(entry) in self._stale

    def _changed(self, entry: Entry) -> bool:
        declared = self.catalog.all_tasks.get(entry.result.task.id)
        return declared is not None and entry.result.task.fingerprint != declared.fingerprint

    def marks(self, entry: Entry) -> tuple[Mark, ...]:
        """Return what limits the scores of a result."""
        if id(entry) not in self._marks:
            self._marks[id(entry)] = self._marked(entry)
        return self._marks[id(entry)]

    def _marked(self, entry: Entry) -> tuple[Mark, ...]:
        spec = self.spec(self.task_of(entry))
        if spec is None:
            return ()
        marks = []
        if entry.result.partial:
            counts = entry.result.counts
            marks.append(Mark("partial", f"Measured on {counts.queries} queries and {counts.candidates} candidates."))
        if self.outdated(entry):
            marks.append(Mark("outdated", _what_changed(entry.result, spec)))
        found = self.exposure(entry.result.model.card, spec)
        if found.status == "seen":
            marks.append(Mark("trained", f"{found.reason[:1].upper()}{found.reason[1:]}."))
        return tuple(marks)

    def exposure(self, card: ModelCard, spec: TaskSpec) -> Verdict:
        """Return whether a model has seen the data of a task, judged once for all models with the same training."""
        data = card.training_datasets
        key = (spec.id, None if data is None else tuple(data), card.base_model)
        if key not in self._exposures:
            self._exposures[key] = verdict(card, spec)
        return self._exposures[key]

    def group_scores(self, model: ModelKey, group: Group) -> dict[str, Value]:
        """Return the means of `group` by name: those for whose every task the model has a current result."""
        key = (model, group.id)
        if key not in self._means:
            self._means[key] = aggregate(group.spec, self._current(model), self.catalog)
        return self._means[key]

    def done(self, model: ModelKey, tasks: Iterable[Task]) -> int:
        """Return on how many of `tasks` a model has a current result."""
        current = self._current(model)
        return sum(task.id in current for task in tasks)

    def _current(self, model: ModelKey) -> dict[str, TaskResult]:
        if model not in self._counting:
            found = [one for one in self.of_model(model) if self.spec(self.task_of(one)) and not self.outdated(one)]
            self._counting[model] = {entry.result.task.id: entry.result for entry in found}
        return self._counting[model]

    def model_page(self, model_id: str) -> str:
        """Return the address of a model's page from the root of the site."""
        return f"models/{self._model_pages[model_id]}.html"

    def task_page(self, task: TaskKey) -> str:
        """Return the address of a task's page from the root of the site."""
        return f"tasks/{self._task_pages[self._task_name(task)]}.html"

    def _task_name(self, task: TaskKey) -> str:
        return task.id if self.spec(task) else f"{task.id}@{task.protocol}"

    @staticmethod
    def task_of(entry: Entry) -> TaskKey:
        """Return the column that a result stands in."""
        return TaskKey(entry.result.task.id, entry.result.task.protocol)


def outer_groups(catalog: Catalog) -> list[Group]:
    """Return the groups that are part of no other, in the order of the site."""
    groups = catalog.all_groups.values()
    inner = {member for group in groups for member in group.spec.members}
    return sorted((group for group in groups if group.id not in inner), key=lambda group: (group.id != FIRST, group.id))


def _in_order(catalog: Catalog, found: set[TaskKey]) -> tuple[TaskKey, ...]:
    """Return all tasks, as the groups list them, then those of no group, then those that nobody declares."""
    grouped = [key_of(task) for group in outer_groups(catalog) for task in catalog.tasks([group.id])]
    declared = [key_of(task) for task in catalog.all_tasks.values()]
    return tuple(dict.fromkeys([*grouped, *declared, *sorted(found)]))


def key_of(task: Task) -> TaskKey:
    """Return the column that a declared task has."""
    return TaskKey(task.id, task.spec.protocol)


def _place(entry: Entry) -> Place:
    model = entry.result.model
    return Place(ModelKey(model.id, model.revision), Board.task_of(entry))


def _date(entry: Entry) -> datetime:
    return moment(str(entry.result.run.get("date", "")))


def _what_changed(result: TaskResult, spec: TaskSpec) -> str:
    if result.task.version != spec.version:
        return f"Measured on version {result.task.version} of the task; version {spec.version} is current."
    return f"Measured on other data or settings than version {spec.version} of the task has now."


def _natural(key: str) -> tuple[str, int]:
    number = re.search(r"@(\d{1,9})$", key)
    return (key.partition("@")[0], int(number[1]) if number else 0)
