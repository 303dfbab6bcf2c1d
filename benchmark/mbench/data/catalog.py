"""Which tasks and groups there are: found in folders of YAML, checked, fingerprinted, and chosen by name."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from mbench.core import resources
from mbench.core.declared import spec_from
from mbench.core.errors import SpecError, UnknownNameError, UserError
from mbench.core.files import fingerprint
from mbench.core.specs import GroupSpec, TaskSpec
from mbench.data.yaml import read_yaml

ENTRY_POINTS = "mbench.tasks"
HINT = "`mbench tasks` lists all."
WHEREABOUTS: Any = {
    "files": {"__all__": {"url", "unpack", "pictures"}},
    "hub": {"folder", "unpack"},
    "folder": True,
    "shipped": True,
}
"""What of a source says only where its files come from and go to; so do archives as a whole."""


@dataclass(frozen=True, slots=True)
class Task:
    """A declared task, the file that declares it, and the hash of everything in it that can move a score."""

    spec: TaskSpec
    path: Path
    fingerprint: str

    @property
    def id(self) -> str:
        """The task's id."""
        return self.spec.id


@dataclass(frozen=True, slots=True)
class Group:
    """A declared group of tasks and the file that declares it."""

    spec: GroupSpec
    path: Path

    @property
    def id(self) -> str:
        """The group's id."""
        return self.spec.id


@dataclass(frozen=True, slots=True)
class Catalog:
    """All tasks and groups by id, in the order of their ids."""

    all_tasks: Mapping[str, Task]
    all_groups: Mapping[str, Group]

    @staticmethod
    def read(task_dirs: Sequence[Path] = ()) -> Catalog:
        """Read what ships with mbench, what installed packages add (entry points `mbench.tasks`), and `task_dirs`.

        Raises SpecError for a file that does not follow its schema, an id that two files claim or a member that does
        not exist, and UserError for a folder that is not there.
        """
        folders = [resources.folder("tasks"), *_plugged_in(), *task_dirs]
        tasks: dict[str, Task] = {}
        groups: dict[str, Group] = {}
        for path in _files(folders):
            one = _declared(path)
            known = tasks.get(one.id) or groups.get(one.id)
            if known is not None:
                raise SpecError(f"{path}: the id {one.id!r} is taken by {known.path}; choose another.")
            if isinstance(one, Task):
                tasks[one.id] = one
            else:
                groups[one.id] = one
        catalog = Catalog(dict(sorted(tasks.items())), dict(sorted(groups.items())))
        for group in groups.values():
            catalog._check(group)
        return catalog

    def tasks(self, patterns: Sequence[str]) -> list[Task]:
        """Return the tasks that ids, group ids and globs over task ids name: each once, in the order first named.

        Raises UnknownNameError for a pattern that names nothing.
        """
        named = {task.id: task for pattern in patterns for task in self._named(pattern)}
        return list(named.values())

    def task(self, name: str) -> Task:
        """Return the task of that id. Raises UnknownNameError, and UserError when it is a group's."""
        if name in self.all_groups:
            members = ", ".join(task.id for task in self.tasks([name]))
            raise UserError(f"{name!r} is a group; name one of its tasks: {members}.")
        if name not in self.all_tasks:
            raise UnknownNameError("task", name, self.all_tasks, HINT)
        return self.all_tasks[name]

    def group(self, name: str) -> Group:
        """Return the group of that id. Raises UnknownNameError."""
        if name not in self.all_groups:
            raise UnknownNameError("group", name, self.all_groups, HINT)
        return self.all_groups[name]

    def groups_of(self, patterns: Sequence[str]) -> list[Group]:
        """Return the groups that `patterns` name by id, each once, in the order named: those to be averaged."""
        return [self.all_groups[name] for name in dict.fromkeys(patterns) if name in self.all_groups]

    def _named(self, pattern: str) -> Iterator[Task]:
        if pattern in self.all_tasks:
            yield self.all_tasks[pattern]
        elif pattern in self.all_groups:
            for member in self.all_groups[pattern].spec.members:
                yield from self._named(member)
        else:
            matching = fnmatch.filter(self.all_tasks, pattern)
            if not matching:
                raise UnknownNameError("task or group", pattern, [*self.all_tasks, *self.all_groups], HINT)
            yield from (self.all_tasks[name] for name in matching)

    def _check(self, group: Group, inside: tuple[str, ...] = ()) -> None:
        if group.id in inside:
            raise SpecError(f"{group.path}: the group contains itself: {' > '.join((*inside, group.id))}.")
        listed = [*group.spec.members, *(name for one in group.spec.aggregates for name in one.members)]
        for name in listed:
            if name in self.all_groups:
                self._check(self.all_groups[name], (*inside, group.id))
                continue
            try:
                self.tasks([name])
            except UnknownNameError as error:
                raise SpecError(f"{group.path}: members: {error}") from None


def task_fingerprint(spec: TaskSpec) -> str:
    """Return the hash of what can move a score: data, protocol and metrics, but no words about them.

    Where the files of the source carry their sha256, the hash covers the data too.
    """
    files = [file for file in spec.source.files if file.unpack is None]
    spec = spec.model_copy(update={"source": spec.source.model_copy(update={"files": files})})
    parts = spec.model_dump(
        mode="json",
        include={"id", "version", "protocol", "kind", "query", "candidates", "averages", "slices", "source"},
        exclude={"source": WHEREABOUTS},
    )
    metrics = [metric.key for metric in spec.metrics]
    return fingerprint(parts | {"metrics": metrics, "slice_metric": spec.sliced})


def _declared(path: Path) -> Task | Group:
    document = read_yaml(path)
    if isinstance(document.value, dict) and "members" in document.value:
        return Group(spec_from(GroupSpec, document.value, str(path), document.lines), path)
    spec: TaskSpec = spec_from(TaskSpec, document.value, str(path), document.lines)
    return Task(spec, path, task_fingerprint(spec))


def _files(folders: Sequence[Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder of tasks (--task-dir expects one with YAML files).")
        for path in sorted(folder.rglob("*.yaml")):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _plugged_in() -> Iterator[Path]:
    for point in entry_points(group=ENTRY_POINTS):
        yield _folder_of(point)


def _folder_of(point: EntryPoint) -> Path:
    where = f"The entry point {point.name!r} ({point.value}) of the group {ENTRY_POINTS}"
    try:
        value = point.load()
        value = value() if callable(value) else value
    except Exception as error:
        raise SpecError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(value, str | Path) or not Path(value).is_dir():
        raise SpecError(f"{where} must give the path of a folder with YAML files; it gave {value!r}.")
    return Path(value)
