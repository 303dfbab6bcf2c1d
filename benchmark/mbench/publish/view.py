"""What the site shows, as records for the templates: the tables of the first page, and all other pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from mbench.core.specs import TaskSpec
from mbench.data.catalog import Group
from mbench.publish.aligned import QueryColumns
from mbench.publish.board import Board, ModelKey, TaskKey, key_of, outer_groups
from mbench.publish.boarddata import Section, board_data
from mbench.publish.checked import CHECKS
from mbench.publish.collect import Note
from mbench.publish.columns import Column, fact
from mbench.publish.modelview import ModelView, model_view
from mbench.publish.scripts import as_json
from mbench.publish.tables import EMPTY, Cell, Head, Mark, Name, Row, Table, mark_best, score
from mbench.publish.taskview import TaskView, n_text, revision_text, task_view, usual_n
from mbench.publish.text import day, moment, plain, without_common_start

OTHER = "Tasks of no group, and protocols that this catalogue does not declare."
MARKS = (
    Mark("partial", "The run was limited; the number is out of the running and in no mean."),
    Mark("outdated", "The task has changed since the run; the number is out of the running and in no mean."),
    Mark("trained", "The model was trained on data that the task draws from."),
    Mark("mixed", "The results of the row come from different weights or settings of the model."),
)
"""What the marks mean, in general; each mark gives the particulars."""


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group with results: a table of models and tasks, the tasks behind its columns, and those without a result."""

    title: str
    description: str
    table: Table
    tasks: tuple[TaskView, ...]
    missing: tuple[TaskView, ...]


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """A group that no model has a result on."""

    title: str
    description: str
    tasks: tuple[TaskView, ...]


@dataclass(frozen=True, slots=True)
class SiteView:
    """Everything on the site.

    `n_rows` counts the revisions of models, which are the rows of tables, `n_measured` the tasks with results. `newest`
    is the day of the last run, or empty; `data` is what board-data.js reads, as JSON.
    """

    groups: tuple[GroupView, ...]
    unmeasured: tuple[Unmeasured, ...]
    tasks: tuple[TaskView, ...]
    models: tuple[ModelView, ...]
    marks: tuple[Mark, ...]
    broken: tuple[Note, ...]
    left_out: tuple[Note, ...]
    n_rows: int
    n_results: int
    n_measured: int
    newest: str
    data: Markup

    @property
    def pages(self) -> dict[str, str]:
        """The addresses of the models' pages, by their ids."""
        return {model.id: model.page for model in self.models}


def site_view(board: Board, columns: Sequence[Column], queries: QueryColumns) -> SiteView:
    """Return everything that the templates render. Ranks come from tests on `queries`."""
    views = {task: task_view(board, task) for task in board.tasks}
    sections = _sections(board)
    measured = [one for one in sections if _measured(board, one)]
    shown = [column for column in columns if column.shown]
    dates = [str(entry.result.run.get("date", "")) for entry in board.collection.entries]
    return SiteView(
        groups=tuple(_group(board, one, views, shown) for one in measured),
        unmeasured=tuple(
            Unmeasured(one.title, one.description, tuple(views[task] for task in one.tasks))
            for one in sections
            if one not in measured
        ),
        tasks=tuple(views.values()),
        models=tuple(model_view(board, name, shown) for name in sorted({model.id for model in board.models})),
        marks=_marks(board),
        broken=board.collection.broken,
        left_out=board.collection.left_out,
        n_rows=len(board.models),
        n_results=len(dates),
        n_measured=sum(bool(board.on_task(task)) for task in board.tasks),
        newest=day(max(dates, key=moment, default="")),
        data=Markup(as_json(board_data(board, measured, columns, queries))),  # noqa: S704 (as_json escapes markup)
    )


def _marks(board: Board) -> tuple[Mark, ...]:
    used = {mark.word for entry in board.collection.entries for mark in board.marks(entry)}
    used |= {mark.word for model in board.models for mark in board.model_marks(model)}
    used |= {"partial"} if board.collection.partial else set()
    used |= {entry.status for entry in board.collection.entries}
    used |= {"published"} if any(spec.reference_scores for spec in _specs(board)) else set()
    return tuple(mark for mark in (*MARKS, *CHECKS) if mark.word in used)


def _specs(board: Board) -> Iterator[TaskSpec]:
    return (spec for task in board.tasks if board.on_task(task) and (spec := board.spec(task)))


def _sections(board: Board) -> list[Section]:
    sections = [_section(board, group) for group in outer_groups(board.catalog)]
    grouped = {task for section in sections for task in section.tasks}
    rest = tuple(task for task in board.tasks if task not in grouped)
    return [*sections, Section("Other tasks", OTHER, rest, None)] if rest else sections


def _section(board: Board, group: Group) -> Section:
    tasks = tuple(key_of(task) for task in board.catalog.tasks([group.id]))
    return Section(group.spec.title or group.id, group.spec.description, tasks, group)


def _measured(board: Board, section: Section) -> bool:
    return any(board.on_task(task) for task in section.tasks)


def _group(board: Board, section: Section, views: Mapping[TaskKey, TaskView], columns: Sequence[Column]) -> GroupView:
    shown = tuple(task for task in section.tasks if board.on_task(task))
    return GroupView(
        title=section.title,
        description=section.description,
        table=_table(board, section, shown, columns),
        tasks=tuple(views[task] for task in shown),
        missing=tuple(views[task] for task in section.tasks if task not in shown),
    )


def _table(board: Board, section: Section, tasks: tuple[TaskKey, ...], columns: Sequence[Column]) -> Table:
    models = [model for model in board.models if any(board.find(model, task) for task in tasks)]
    usual = {task: usual_n(e.result.metrics.get(board.primary(task)) for e in board.on_task(task)) for task in tasks}
    means = _mean_heads(board, section)
    heads = (*means, *_task_heads(board, tasks, usual), *(column.head for column in columns))
    rows = [
        Row(
            _name(board, model),
            (
                *_means(board, model, section),
                *(_score(board, model, task, usual[task]) for task in tasks),
                *(fact(board.model(model).card, column) for column in columns),
            ),
            _search_text(board, model),
        )
        for model in models
    ]
    marked = mark_best(rows, range(len(means) + len(tasks)))
    return Table("Model", heads, tuple(sorted(marked, key=_by_first_score)))


def _mean_heads(board: Board, section: Section) -> tuple[Head, ...]:
    if section.group is None:
        return ()
    spec = section.group.spec
    sizes = [len(board.catalog.tasks(one.members or spec.members)) for one in spec.aggregates]
    titles = [one.name.replace("_", " ").capitalize() for one in spec.aggregates]
    explained = "Plain mean over all of its tasks, for models with a current result on each."
    return tuple(
        Head(title, n=f"{size} tasks", explained=explained, numeric=True, sorted_down=place == 0)
        for place, (title, size) in enumerate(zip(titles, sizes, strict=True))
    )


def _means(board: Board, model: ModelKey, section: Section) -> tuple[Cell, ...]:
    if section.group is None:
        return ()
    found, spec = board.group_scores(model, section.group), section.group.spec
    parts = [board.catalog.tasks(one.members or spec.members) for one in spec.aggregates]
    return tuple(
        score(found[one.name]) if one.name in found else _gap(board.done(model, tasks), len(tasks))
        for one, tasks in zip(spec.aggregates, parts, strict=True)
    )


def _gap(done: int, size: int) -> Cell:
    return replace(EMPTY, below=f"{done} of {size} tasks" if done else "")


def _task_heads(board: Board, tasks: Sequence[TaskKey], usual: Mapping[TaskKey, int | None]) -> tuple[Head, ...]:
    titles = without_common_start([board.title(task) for task in tasks])
    return tuple(
        Head(title, board.primary(task), n_text(usual[task]), href=board.task_page(task), numeric=True)
        for title, task in zip(titles, tasks, strict=True)
    )


def _score(board: Board, model: ModelKey, task: TaskKey, usual: int | None) -> Cell:
    entry = board.find(model, task)
    if entry is None:
        return EMPTY
    value = entry.result.metrics.get(board.primary(task))
    return score(value, usual_n=usual, stale=board.outdated(entry), marks=board.marks(entry))


def _name(board: Board, model: ModelKey) -> Name:
    return Name(model.id, revision_text(model.revision), board.model_page(model.id), board.model_marks(model))


def _search_text(board: Board, model: ModelKey) -> str:
    card = board.model(model).card
    parts = (model.id, card.title, model.revision, card.license, card.base_model or "", plain(list(card.modalities)))
    return " ".join(parts).lower()


def _by_first_score(row: Row) -> tuple[float, str]:
    first = row.cells[0].sort if row.cells else ""
    return (-float(first) if first else 1.0, row.name.title)
