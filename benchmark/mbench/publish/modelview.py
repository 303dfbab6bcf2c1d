"""What the page of a model shows: its card, and every score of each of its revisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mbench.core.results import Value
from mbench.core.specs import ModelCard
from mbench.publish.board import Board, ModelKey
from mbench.publish.collect import Entry
from mbench.publish.columns import Column, fact
from mbench.publish.tables import Cell, Head, Name, Row, Table
from mbench.publish.text import day, interval, percent, plain, whole


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of a model's card."""

    title: str
    cell: Cell


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model: the card of its newest result, and a table of all scores for each revision."""

    id: str
    page: str
    card: ModelCard
    facts: tuple[Fact, ...]
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
        facts=_facts(card, columns),
        tables=tuple(_scores(board, model) for model in revisions),
    )


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


def _scores(board: Board, model: ModelKey) -> Table:
    heads = (
        Head("Metric"),
        Head("Score", numeric=True),
        Head("95% interval", numeric=True),
        Head("Queries", numeric=True),
        Head("Run"),
    )
    rows = [row for entry in board.of_model(model) for row in _task_rows(board, entry)]
    return Table("Task", heads, tuple(rows), f"Revision {model.revision}")


def _task_rows(board: Board, entry: Entry) -> list[Row]:
    task = board.task_of(entry)
    name = Name(board.title(task), "", board.task_page(task), board.marks(entry))
    found = entry.result.metrics
    keys = [key for key in board.keys(task) if key in found]
    date = day(str(entry.result.run.get("date", "")))
    first = board.primary(task)
    return [
        Row(replace(name, again=place > 0), _metric_cells(key, found[key], date, chief=key == first))
        for place, key in enumerate(keys)
    ]


def _metric_cells(key: str, value: Value, date: str, *, chief: bool) -> tuple[Cell, ...]:
    return (
        Cell(key),
        Cell(percent(value.value), sort=repr(value.value), numeric=True, best=chief),
        Cell(interval(value.low, value.high), numeric=True),
        Cell(whole(value.n), sort=str(value.n), numeric=True),
        Cell(date),
    )
