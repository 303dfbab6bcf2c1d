"""What the table of all models is made of, as data for its script: columns, models and scores.

Numbers are whole: 100,000ths of one. A column of scores is a list for each of its parts, in the order of the models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mbench.core.results import Value
from mbench.core.specs import ReferenceScore, TaskSpec
from mbench.data.catalog import Group, Task
from mbench.publish.aligned import QueryColumns
from mbench.publish.board import Board, ModelKey, TaskKey
from mbench.publish.collect import Entry
from mbench.publish.columns import Column, fact
from mbench.publish.places import Places, mean_places, task_places
from mbench.publish.taskview import revision_text, usual_n
from mbench.publish.text import clean, day, plain, without_common_start

UNIT = 100_000


@dataclass(frozen=True, slots=True)
class Section:
    """Tasks that share a table; `group` declares their means, if they are a group."""

    title: str
    description: str
    tasks: tuple[TaskKey, ...]
    group: Group | None


@dataclass(frozen=True, slots=True)
class _Score:
    """One cell: its value, and how it is marked."""

    value: Value
    status: str = ""
    marks: tuple[tuple[str, str], ...] = ()


def board_data(
    board: Board, sections: Sequence[Section], columns: Sequence[Column], queries: QueryColumns
) -> dict[str, Any]:
    """Return all that the table shows. Only `sections` with a result have columns."""
    return {
        "unit": UNIT,
        "groups": [{"id": _id(one), "title": clean(one.title), "about": clean(one.description)} for one in sections],
        "facts": [
            {"id": f"card.{c.key}", "title": clean(c.title), "note": clean(c.note), "numeric": c.head.numeric}
            | {"shown": c.shown}
            for c in columns
        ],
        "models": [_model(board, model, columns) for model in board.models],
        "columns": [one for place, section in enumerate(sections) for one in _columns(board, section, place, queries)],
    }


def _id(section: Section) -> str:
    return section.group.id if section.group else "other"


def _model(board: Board, model: ModelKey, columns: Sequence[Column]) -> dict[str, Any]:
    card = board.model(model).card
    facts = [fact(card, column) for column in columns]
    newest = board.newest(model).isoformat()
    return {
        "id": clean(model.id),
        "title": clean(card.title),
        "revision": clean(model.revision),
        "short": clean(revision_text(model.revision)),
        "href": board.model_page(model.id),
        "mixed": bool(board.model_marks(model)),
        "date": day(newest),
        "license": clean(card.license),
        "open": card.open_weights,
        "instructions": card.uses_instructions,
        "modalities": list(card.modalities),
        "parameters": card.parameters,
        "words": clean(" ".join((model.id, card.title, model.revision, card.license, card.base_model or ""))).lower(),
        "facts": [clean(one.text) for one in facts],
        "sorts": [float(one.sort) if one.sort else None for one in facts],
    }


def _columns(board: Board, section: Section, place: int, queries: QueryColumns) -> Iterator[dict[str, Any]]:
    if section.group:
        yield from _means(board, section.group, place)
    tasks = [task for task in section.tasks if board.on_task(task)]
    titles = without_common_start([board.title(task) for task in tasks])
    for title, task in zip(titles, tasks, strict=True):
        yield {"group": place, "title": clean(title), "kind": "task"} | _task(board, task, queries)


def _means(board: Board, group: Group, place: int) -> Iterator[dict[str, Any]]:
    found = {model: board.group_scores(model, group) for model in board.models}
    for one in group.spec.aggregates:
        scores = {model: means[one.name] for model, means in found.items() if one.name in means}
        members = board.catalog.tasks(one.members or group.spec.members)
        done = {model: board.done(model, members) for model in board.models if model not in scores}
        names = one.name.replace("_", " ")
        head = {"group": place, "id": f"{group.id}.{one.name}", "title": clean(names[:1].upper() + names[1:])}
        yield head | {
            "kind": "mean",
            "metric": f"{len(members)} tasks",
            "full": f"{clean(group.spec.title or group.id)}, {clean(names)}",
            "reported": _reported(group.spec.reference_scores, one.name),
            "done": {str(at): done[model] for at, model in enumerate(board.models) if done.get(model)},
            "seen": _seen_of_mean(board, members, set(scores)),
            **_scores(board.models, {m: _Score(value) for m, value in scores.items()}, mean_places(scores)),
        }


def _task(board: Board, task: TaskKey, queries: QueryColumns) -> dict[str, Any]:
    key, spec = board.primary(task), board.spec(task)
    scores = {model: one for model in board.models if (one := _score(board, model, task, key)) is not None}
    return {
        "id": clean(task.id if spec else f"{task.id}@{task.protocol}"),
        "full": clean(board.title(task)),
        "metric": clean(key),
        "protocol": clean(task.protocol),
        "href": board.task_page(task),
        "citation": clean(spec.citation) if spec else "",
        "reported": _reported(spec.reference_scores if spec else (), key),
        "seen": "".join(_seen(board, model, spec) if model in scores else " " for model in board.models),
        **_scores(board.models, scores, task_places(board, queries.of(task))),
    }


def _seen(board: Board, model: ModelKey, spec: TaskSpec | None) -> str:
    """Return whether a model was trained on a task's data: s(een), u(nseen) or ? for not known."""
    status = board.exposure(board.model(model).card, spec).status if spec else "unknown"
    return {"seen": "s", "unseen": "u", "unknown": "?"}[status]


def _seen_of_mean(board: Board, members: Sequence[Task], models: Collection[ModelKey]) -> str:
    """Return the same for means, a character a model: one task whose data were seen is enough."""
    states = [{_seen(board, model, one.spec) for one in members} if model in models else " " for model in board.models]
    return "".join(next(state for state in "s?u " if state in found) for found in states)


def _score(board: Board, model: ModelKey, task: TaskKey, key: str) -> _Score | None:
    entry = board.find(model, task) or board.partial(model, task)
    if entry is None or key not in entry.result.metrics:
        return None
    marks = tuple((mark.word, clean(mark.reason)) for mark in board.marks(entry))
    return _Score(entry.result.metrics[key], _status(entry), marks)


def _status(entry: Entry) -> str:
    return entry.status


def _scores(models: Sequence[ModelKey], scores: Mapping[ModelKey, _Score], places: Places) -> dict[str, Any]:
    values = [scores[model].value if model in scores else None for model in models]
    usual = usual_n(values)
    ranks = [places.of.get(model) for model in models]
    told = {at: scores[model] for at, model in enumerate(models) if model in scores}
    return {
        "n": usual,
        "value": [None if one is None else _whole(one.value) for one in values],
        "low": [None if one is None or one.low is None else _whole(one.low) for one in values],
        "high": [None if one is None or one.high is None else _whole(one.high) for one in values],
        "ns": {str(at): one.n for at, one in enumerate(values) if one is not None and one.n != usual},
        "by": places.by,
        "best": [None if one is None else one.best for one in ranks],
        "worst": [None if one is None else one.worst for one in ranks],
        "status": {str(at): one.status for at, one in told.items() if one.status},
        "marks": {str(at): list(one.marks) for at, one in told.items() if one.marks},
    }


def _whole(value: float) -> int:
    return round(value * UNIT)


def _reported(found: Sequence[ReferenceScore], metric: str) -> list[dict[str, Any]]:
    return [
        {"model": clean(one.model), "value": _whole(one.value), "source": clean(plain(one.source))}
        for one in found
        if one.metric == metric
    ]
