"""The query explorer: a sample of a task's queries with what answers them, and what each model found first.

Only data that may be shown are opened (see `openings`). Of submissions nothing is shown but which of the task's own
candidates they rank first: an id that the task does not have is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mbench.core.results import RANKINGS
from mbench.core.types import EvalData, Item, Rows
from mbench.publish.aligned import ranked
from mbench.publish.board import Board, TaskKey
from mbench.publish.collect import Entry
from mbench.publish.explorer_pictures import Pictures
from mbench.publish.explorer_sample import DRAWN, sample, telling
from mbench.publish.names import model_label
from mbench.publish.openings import Openings
from mbench.publish.scripts import SiteFile, script_file

TOP = 5
RIGHT_SHOWN = 4
MOST_MODELS = 60
"""So many models of a task can be looked at, its best ones: beyond it the page's data would grow without end."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An item in words and, where it has one, the address of its small picture."""

    label: str
    picture: str
    words: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate that a model ranks, and whether it answers the query."""

    thing: Thing
    right: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model found for a query, best first."""

    found: tuple[Found, ...]

    @property
    def right(self) -> bool:
        """Tell whether the first candidate answers the query."""
        return bool(self.found) and self.found[0].right


@dataclass(frozen=True, slots=True)
class Tag:
    """A kind of query."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Question:
    """A query: what it asks, its tags, what answers it (`more` answers are not listed), and what two models found."""

    id: str
    text: str
    instruction: str
    picture: str
    tags: tuple[Tag, ...]
    truth: tuple[Thing, ...]
    more: int
    answers: tuple[Answers, ...]


@dataclass(frozen=True, slots=True)
class Explored:
    """A model that can be looked at: its name as the page of comparisons has it, and its page."""

    name: str
    page: str


@dataclass(frozen=True, slots=True)
class ExplorerView:
    """The page of a task: its sampled questions with the answers of the first two `models`, and the others' script."""

    task_id: str
    protocol: str
    title: str
    task_page: str
    page: str
    asked: int
    private: bool
    tags: tuple[Tag, ...]
    questions: tuple[Question, ...]
    models: tuple[Explored, ...]
    script: str
    file: SiteFile


def explorer_views(board: Board, openings: Openings, pictures: Pictures) -> Iterator[ExplorerView]:
    """Yield a view for each task with results whose data may be shown; `pictures` gets what they show."""
    for task in board.tasks:
        data = openings.data(task.id) if board.spec(task) and ranked(board, task) else None
        if data is not None and "relevant" in data.judgments.labels:
            yield _Explorer(board, task, data, pictures).view(private=openings.private)


def explorer_page(board: Board, task: TaskKey) -> str:
    """Return the address of a task's explorer."""
    return board.task_page(task).replace("tasks/", "explore/", 1)


class _Explorer:
    def __init__(self, board: Board, task: TaskKey, data: EvalData, pictures: Pictures) -> None:
        self.board, self.task, self.data, self.pictures = board, task, data, pictures
        spec = board.spec(task)
        self.slices = spec.slices if spec else []
        self.rows = sample(data, self.slices, DRAWN)
        self.things: dict[int, Thing] = {}

    def view(self, *, private: bool) -> ExplorerView:
        entries = ranked(self.board, self.task)[:MOST_MODELS]
        self.board.evidence.expect(entries, RANKINGS)
        queries = self.data.queries.ids(self.rows)
        found = self._sampled([(entry, one) for entry in entries if (one := self._found(entry, queries))])
        questions = tuple(self._questions([one for _, one in found[:2]]))
        models = tuple(
            Explored(model_label(self.board, entry.result.model), self.board.model_page(entry.result.model.id))
            for entry, _ in found
        )
        page = explorer_page(self.board, self.task)
        script = script_file(
            f"explore-{page.split('/')[1][:-5]}", "explore", self._script(questions, models, [one for _, one in found])
        )
        return ExplorerView(
            task_id=self.task.id,
            protocol=self.task.protocol,
            title=self.board.title(self.task),
            task_page=self.board.task_page(self.task),
            page=page,
            asked=len(self.data.queries),
            private=private,
            tags=tuple(dict.fromkeys(tag for question in questions for tag in question.tags)),
            questions=questions,
            models=models,
            script=script.path,
            file=script,
        )

    def _found(self, entry: Entry, queries: Sequence[str]) -> list[Rows] | None:
        """Return the candidate rows that a model ranks first for each sampled query; unknown ids are left out."""
        lists = self.board.evidence.tops(entry, queries, TOP)
        if lists is None or not all(query in lists for query in queries):
            return None
        return [self._known(lists[query]) for query in queries]

    def _sampled(self, found: list[tuple[Entry, list[Rows]]]) -> list[tuple[Entry, list[Rows]]]:
        """Keep the queries that are shown, half of them such that only one of the first two models is right."""
        right = [self._right_first(one) for _, one in found[:2]]
        lead = right[0] - right[1] if len(right) > 1 else np.zeros(len(self.rows), dtype=np.int64)
        drawn, self.rows = self.rows, telling(self.data, self.slices, self.rows, lead)
        places = np.searchsorted(drawn, self.rows).tolist()
        return [(entry, [one[place] for place in places]) for entry, one in found]

    def _right_first(self, found: list[Rows]) -> Rows:
        """Return 1 for each query whose first candidate answers it, else 0."""
        right = self.data.judgments.labels["relevant"]
        firsts = zip(self.rows.tolist(), found, strict=True)
        return np.array([len(one) > 0 and one[0] in right[row] for row, one in firsts], dtype=np.int64)

    def _known(self, ids: Sequence[str]) -> Rows:
        from mbench.data.table import lookup

        rows = lookup(self.data.corpus, ids)
        return rows[rows >= 0]

    def _questions(self, shown: Sequence[list[Rows]]) -> Iterator[Question]:
        items = self.data.queries.items(self.rows)
        for place, (row, item) in enumerate(zip(self.rows.tolist(), items, strict=True)):
            right = self.data.judgments.labels["relevant"][row]
            yield Question(
                id=item.id,
                text=item.text or "",
                instruction=item.instruction or "",
                picture=self.pictures.add(item.image) if item.image is not None else "",
                tags=tuple(self._tags(row)),
                truth=tuple(self._thing(one) for one in right[:RIGHT_SHOWN].tolist()),
                more=max(0, len(right) - RIGHT_SHOWN),
                answers=tuple(Answers(tuple(self._judged(row, found[place]))) for found in shown),
            )

    def _judged(self, query: int, rows: Rows) -> Iterator[Found]:
        right = set(self.data.judgments.labels["relevant"][query].tolist())
        for row in rows.tolist():
            yield Found(self._thing(row), row in right)

    def _tags(self, row: int) -> Iterator[Tag]:
        for name in self.slices:
            tags = self.data.judgments.tags[name]
            yield from (Tag(name, tags.values[place]) for place in tags.members[row].tolist())

    def _thing(self, row: int) -> Thing:
        if row not in self.things:
            (item,) = self.data.corpus.items(np.array([row], dtype=np.int64))
            self.things[row] = _thing(item, self.pictures)
        return self.things[row]

    def _script(
        self, questions: Sequence[Question], models: Sequence[Explored], found: Sequence[list[Rows]]
    ) -> dict[str, Any]:
        """Return all shown candidates, and for each model a text a query: the places of what it found, right with +."""
        tops = [[self._coded(row, rows) for row, rows in zip(self.rows.tolist(), one, strict=True)] for one in found]
        places = {row: place for place, row in enumerate(self.things)}
        return {
            "things": [[one.label, one.picture, one.words] for one in self.things.values()],
            "queries": [[f"{tag.name}: {tag.value}" for tag in one.tags] for one in questions],
            "models": [
                {
                    "name": one.name,
                    "page": one.page,
                    "tops": [" ".join(f"{places[row]}{mark}" for row, mark in top) for top in model],
                }
                for one, model in zip(models, tops, strict=True)
            ],
        }

    def _coded(self, query: int, rows: Rows) -> list[tuple[int, str]]:
        right = set(self.data.judgments.labels["relevant"][query].tolist())
        for row in rows.tolist():
            self._thing(row)
        return [(row, "+" if row in right else "") for row in rows.tolist()]


def _thing(item: Item, pictures: Pictures) -> Thing:
    picture = pictures.add(item.image) if item.image is not None else ""
    return Thing(item.text or item.id, picture, bool(item.text))
