"""The figures of each group: quality against size, and all models on all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mbench.core.results import Value
from mbench.data.catalog import Group
from mbench.publish.board import Board, ModelKey, TaskKey, key_of, outer_groups
from mbench.publish.names import model_label
from mbench.publish.plots import Figure, doubling_ticks, log_ticks
from mbench.publish.plots_heat import HeatHead, HeatMap, HeatRow, heat_map
from mbench.publish.plots_scatter import Cost, Sample, scatter
from mbench.publish.text import magnitude, whole, without_common_start

PARAMETERS = Cost("parameters", "parameters", "parameters", magnitude, log_ticks)
DIMENSION = Cost("dimension", "dimensions", "dimensions of an embedding", whole, doubling_ticks)


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """A group's figures; `missing` says why there are no scatter plots, where there are none."""

    id: str
    title: str
    scatters: tuple[Figure, ...]
    heat: HeatMap | None
    missing: str


def group_figures(board: Board) -> tuple[GroupFigures, ...]:
    """Return the figures of every group with results, and a map of the tasks that are in none."""
    groups = [_group(board, group) for group in outer_groups(board.catalog)]
    grouped = {key_of(task) for group in outer_groups(board.catalog) for task in board.catalog.tasks([group.id])}
    rest = [task for task in board.tasks if task not in grouped and board.on_task(task)]
    other = heat_map("heat-other", "Other tasks: models and tasks", _heads(board, rest), _rows(board, rest))
    groups.append(GroupFigures("other", "Other tasks", (), other, ""))
    return tuple(one for one in groups if one.scatters or one.heat)


def _group(board: Board, group: Group) -> GroupFigures:
    tasks = [key_of(task) for task in board.catalog.tasks([group.id])]
    shown = [task for task in tasks if board.on_task(task)]
    title = group.spec.title or group.id
    heat = heat_map(f"heat-{group.id}", f"{title}: models and tasks", _heads(board, shown), _rows(board, shown))
    scatters = _scatters(board, group, title) if shown and group.spec.aggregates else ()
    missing = "" if scatters else "Fewer than two models have a current result on every task and state their size."
    return GroupFigures(group.id, title, scatters, heat, missing)


def _scatters(board: Board, group: Group, title: str) -> tuple[Figure, ...]:
    name = group.spec.aggregates[0].name
    scores = {model: board.group_scores(model, group).get(name) for model in board.models}
    found = {model: value for model, value in scores.items() if value or _any(board, model, group)}
    words = name.replace("_", " ").capitalize()
    drawn = [
        scatter(f"{cost.id}-{group.id}", f"{title}: {words.lower()} against {cost.title}", words, cost, samples)
        for cost in (PARAMETERS, DIMENSION)
        if (samples := [_sample(board, model, value, cost) for model, value in found.items()])
    ]
    return tuple(one for one in drawn if one is not None)


def _any(board: Board, model: ModelKey, group: Group) -> bool:
    return any(board.find(model, key_of(task)) for task in board.catalog.tasks([group.id]))


def _sample(board: Board, model: ModelKey, quality: Value | None, cost: Cost) -> Sample:
    card = board.model(model).card
    return Sample(model_label(board, model), board.model_page(model.id), getattr(card, cost.id), quality)


def _heads(board: Board, tasks: Sequence[TaskKey]) -> list[HeatHead]:
    titles = without_common_start([board.title(task) for task in tasks])
    return [HeatHead(title, board.task_page(task)) for title, task in zip(titles, tasks, strict=True)]


def _rows(board: Board, tasks: Sequence[TaskKey]) -> list[HeatRow]:
    models = [model for model in board.models if any(board.find(model, task) for task in tasks)]
    return [
        HeatRow(
            model_label(board, model),
            board.model_page(model.id),
            tuple(_primary(board, model, task) for task in tasks),
            tuple(_stale(board, model, task) for task in tasks),
        )
        for model in models
    ]


def _primary(board: Board, model: ModelKey, task: TaskKey) -> Value | None:
    entry = board.find(model, task)
    return entry.result.metrics.get(board.primary(task)) if entry else None


def _stale(board: Board, model: ModelKey, task: TaskKey) -> bool:
    entry = board.find(model, task)
    return entry is not None and board.outdated(entry)
