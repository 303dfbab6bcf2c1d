"""How far the numbers of submissions were checked, and what servers answered where the labels are theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mbench.publish.board import Board
from mbench.publish.collect import Entry
from mbench.publish.tables import Mark
from mbench.publish.text import day

RECOMPUTED = "recomputed"
CHECKS = (
    Mark(RECOMPUTED, "A submission's number, computed again from its ranking and the task's judgments."),
    Mark("server", "Given by the benchmark's own server, whose answer lies beside the submission."),
    Mark("not recomputed", "A submission's number that could not be computed again: the judgments are not at hand."),
    Mark("published", "Printed by the authors of a model or benchmark; not measured here, and never ranked."),
)
"""How far a number was checked. One without such a mark comes from a run of the site's own."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A task whose server scored a model: what it answered on which day, and the file of the submission with it."""

    title: str
    page: str
    revision: str
    server: str
    date: str
    said: str
    file: str


@dataclass(frozen=True, slots=True)
class Checked:
    """How far a model's numbers were checked, with the titles of the tasks that it holds for."""

    mark: Mark
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checks:
    """All that is known of how a model's numbers were checked."""

    marks: tuple[Checked, ...]
    answers: tuple[Answered, ...]


def unchecked(entry: Entry) -> tuple[Mark, ...]:
    """Return the mark of a result whose numbers were not computed again here; none for the others."""
    return tuple(mark for mark in CHECKS if mark.word == entry.status != RECOMPUTED)


def checks(board: Board, entries: Sequence[Entry]) -> Checks:
    """Return how far the numbers of a model were checked on which tasks, and what the servers answered."""
    return Checks(_checked(board, entries), tuple(_answers(board, entries)))


def _checked(board: Board, entries: Sequence[Entry]) -> tuple[Checked, ...]:
    titles = {
        mark: tuple(dict.fromkeys(board.title(board.task_of(one)) for one in entries if one.status == mark.word))
        for mark in CHECKS
    }
    return tuple(Checked(mark, tasks) for mark, tasks in titles.items() if tasks)


def _answers(board: Board, entries: Sequence[Entry]) -> Iterator[Answered]:
    for entry in entries:
        if (told := entry.answer) is not None:
            task, revision = board.task_of(entry), entry.result.model.revision
            file = f"{entry.where.rpartition('/results/')[0]}/{told.file}"
            title, page = board.title(task), board.task_page(task)
            yield Answered(title, page, revision, told.server, day(told.date), told.said, file)
