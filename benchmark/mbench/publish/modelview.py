"""What the page of a model shows: its card, and every score of each of its revisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from mbench.core.results import Value
from mbench.core.specs import ModelCard
from mbench.data.catalog import Group, Task
from mbench.publish.board import Board, ModelKey, TaskKey, outer_groups
from mbench.publish.checked import Checks, checks
from mbench.publish.collect import Entry, Note
from mbench.publish.columns import Column, fact
from mbench.publish.howto import run_command
from mbench.publish.plots import Figure
from mbench.publish.plots_bars import Field, profile
from mbench.publish.tables import Cell, Head, Name, Row, Table, score
from mbench.publish.text import NONE, day, interval, percent, plain, whole


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of a model's card."""

    title: str
    cell: Cell


@dataclass(frozen=True, slots=True)
class Seen:
    """A task that draws from data that the model was trained on."""

    title: str
    page: str
    reason: str


@dataclass(frozen=True, slots=True)
class Command:
    """What makes the results of a revision again; `revision` is empty where there is only one."""

    revision: str
    text: str


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model: the card of its newest result, and a table of all scores for each revision.

    `seen` are the tasks that draw from what the model was trained on, `history` has a row a revision where there are
    several, `earlier` the results that newer runs replaced, `commands` make the results of each revision again,
    `means` are those of the newest revision, `broken` the files of its submission that cannot be read.
    """

    id: str
    page: str
    card: ModelCard
    means: tuple[Fact, ...]
    facts: tuple[Fact, ...]
    seen: tuple[Seen, ...]
    figure: Figure | None
    commands: tuple[Command, ...]
    history: Table | None
    earlier: Table | None
    broken: tuple[Note, ...]
    checks: Checks
    tables: tuple[Table, ...]


def model_view(board: Board, model_id: str, columns: Sequence[Column]) -> ModelView:
    """Return all that is shown about a model."""
    revisions = [model for model in board.models if model.id == model_id]
    newest = max(revisions, key=lambda model: (board.newest(model), model))
    card = board.model(newest).card
    return ModelView(
        id=model_id,
        page=board.model_page(model_id),
        card=card,
        means=tuple(_means(board, newest)),
        facts=_facts(card, columns),
        seen=_seen(board, newest),
        figure=_profile(board, newest),
        commands=tuple(_command(board, model, several=len(revisions) > 1) for model in revisions),
        history=_history(board, revisions) if len(revisions) > 1 else None,
        earlier=_earlier(board, model_id),
        broken=tuple(one for one in board.collection.broken if one.of == model_id),
        checks=checks(board, [entry for model in revisions for entry in board.of_model(model)]),
        tables=tuple(_scores(board, model) for model in revisions),
    )


def _means(board: Board, model: ModelKey) -> Iterator[Fact]:
    """Yield the first mean of each group that a model has a result in, or how many of its tasks are there."""
    for group, tasks in _averaged(board):
        value, done = _mean(board, model, group), board.done(model, tasks)
        if done:
            yield Fact(_title(group), score(value) if value else Cell(NONE, f"{done} of {len(tasks)} tasks"))


@lru_cache(maxsize=2)
def _averaged(board: Board) -> tuple[tuple[Group, tuple[Task, ...]], ...]:
    """Return the groups with means, and the tasks of the first mean of each. The same for every page."""
    groups = [group for group in outer_groups(board.catalog) if group.spec.aggregates]
    members = [group.spec.aggregates[0].members or group.spec.members for group in groups]
    return tuple((one, tuple(board.catalog.tasks(names))) for one, names in zip(groups, members, strict=True))


def _facts(card: ModelCard, columns: Sequence[Column]) -> tuple[Fact, ...]:
    declared = [Fact(column.title, fact(card, column)) for column in columns]
    others = {
        "Weights": "open" if card.open_weights else "closed",
        "Similarity": card.similarity,
        "Revision": card.revision,
        "Checkpoint": card.checkpoint,
        "Base model": card.base_model,
        "Trained on": "not stated" if card.training_datasets is None else plain(list(card.training_datasets)),
        "Paper": card.paper,
    }
    more = [Fact(title, Cell(text, url=text)) for title, text in others.items() if text]
    titles = {one.title for one in declared}
    return (*declared, *(one for one in more if one.title not in titles))


def _seen(board: Board, model: ModelKey) -> tuple[Seen, ...]:
    return tuple(
        Seen(board.title(task), board.task_page(task), mark.reason)
        for entry in board.of_model(model)
        for task in [board.task_of(entry)]
        for mark in board.marks(entry)
        if mark.word == "trained"
    )


def _command(board: Board, model: ModelKey, *, several: bool) -> Command:
    newest = sorted(board.of_model(model), key=lambda one: str(one.result.run.get("date", "")), reverse=True)
    text = run_command([entry.result for entry in newest], board.catalog)
    return Command(model.revision if several else "", text)


def _history(board: Board, revisions: Sequence[ModelKey]) -> Table:
    """Return a row a revision, newest first: when it was run, on how many tasks, and the means of groups."""
    groups = [group for group, _ in _averaged(board)]
    found = {model: [_mean(board, model, group) for group in groups] for model in revisions}
    shown = [place for place in range(len(groups)) if any(means[place] for means in found.values())]
    heads = (Head("Last run"), Head("Results", numeric=True), *(Head(_title(groups[p]), numeric=True) for p in shown))
    order = sorted(revisions, key=lambda model: (board.newest(model), model), reverse=True)
    rows = [
        Row(
            Name(model.revision, marks=board.model_marks(model)),
            (
                Cell(f"{board.newest(model):%Y-%m-%d}"),
                Cell(whole(len(board.of_model(model))), numeric=True),
                *(score(found[model][place]) for place in shown),
            ),
        )
        for model in order
    ]
    return Table("Revision", heads, tuple(rows), "Revisions")


def _earlier(board: Board, model_id: str) -> Table | None:
    """Return the results of a model that newer runs of the same revision replaced; None where there are none."""
    heads = (Head("Version", numeric=True), Head("Metric"), Head("Score", numeric=True), Head("Run"), Head("Revision"))
    rows = []
    for entry in board.collection.older:
        if entry.result.model.id == model_id:
            task, found = board.task_of(entry), entry.result
            value = found.metrics.get(board.primary(task))
            cells = (Cell(str(found.task.version), numeric=True), Cell(board.primary(task)), score(value))
            when = Cell(day(str(found.run.get("date", ""))))
            name = Name(board.title(task), "", board.task_page(task))
            rows.append(Row(name, (*cells, when, Cell(found.model.revision))))
    return Table("Task", heads, tuple(rows), "Earlier runs") if rows else None


def _mean(board: Board, model: ModelKey, group: Group) -> Value | None:
    return board.group_scores(model, group).get(group.spec.aggregates[0].name)


def _title(group: Group) -> str:
    return f"{group.spec.title or group.id}, {group.spec.aggregates[0].name.replace('_', ' ')}"


def _profile(board: Board, model: ModelKey) -> Figure | None:
    tasks = [task for task in board.tasks if (entry := board.find(model, task)) and not board.outdated(entry)]
    found = [field for task in tasks if (field := _field(board, model, task)) is not None]
    return profile("profile", f"Where {model.id} stands", model.id, found)


def _field(board: Board, model: ModelKey, task: TaskKey) -> Field | None:
    entry, among = board.find(model, task), _spread(board, task)
    value = entry.result.metrics.get(board.primary(task)) if entry else None
    if value is None or among is None:
        return None
    return Field(board.title(task), board.task_page(task), value, *among)


@lru_cache(maxsize=512)
def _spread(board: Board, task: TaskKey) -> tuple[float, float, float] | None:
    """Return lowest, median and highest score of a task; None for fewer than two models. The same for every page."""
    key = board.primary(task)
    sound = [one.result for one in board.on_task(task) if key in one.result.metrics and not board.outdated(one)]
    values = [one.metrics[key].value for one in sound]
    return (min(values), median(values), max(values)) if len({one.model.id for one in sound}) > 1 else None


def _scores(board: Board, model: ModelKey) -> Table:
    numbers = (Head(title, numeric=True) for title in ("Score", "95% interval", "Queries"))
    heads = (Head("Metric"), *numbers, Head("Run"))
    rows = [row for entry in board.of_model(model) for row in _task_rows(board, entry)]
    return Table("Task", heads, tuple(rows), f"Revision {model.revision}")


def _task_rows(board: Board, entry: Entry) -> list[Row]:
    task = board.task_of(entry)
    name = Name(board.title(task), "", board.task_page(task), board.marks(entry))
    found = entry.result.metrics
    keys = [key for key in board.keys(task) if key in found]
    date = day(str(entry.result.run.get("date", "")))
    first = board.primary(task)
    again = Name(name.title, "", name.href, name.marks, again=True)
    return [
        Row(again if place else name, _metric_cells(key, found[key], date, chief=key == first))
        for place, key in enumerate(keys)
    ]


def _metric_cells(key: str, value: Value, date: str, *, chief: bool) -> tuple[Cell, ...]:
    return (
        _word(key),
        Cell(percent(value.value), sort=repr(value.value), numeric=True, best=chief),
        Cell(interval(value.low, value.high), numeric=True),
        _count(value.n),
        _word(date),
    )


@lru_cache(maxsize=4096)
def _word(text: str) -> Cell:
    return Cell(text)


@lru_cache(maxsize=4096)
def _count(n: int) -> Cell:
    return Cell(whole(n), sort=str(n), numeric=True)
