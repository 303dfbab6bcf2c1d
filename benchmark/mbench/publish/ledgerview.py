"""What the page of the reproduction ledger shows: published numbers by family of tasks, and what was measured here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mbench.core.results import Value
from mbench.publish.board import Board, key_of
from mbench.publish.filenames import page_names
from mbench.publish.ledger import EXPLAINED, Line, Status
from mbench.publish.ledger_family import Families, TableLines
from mbench.publish.plain import points
from mbench.publish.taskview import revision_text
from mbench.publish.text import cited_url, interval

WITHHELD = "The labels are withheld: only the benchmark's own server can measure it."


@dataclass(frozen=True, slots=True)
class Label:
    """The head of a row or a column: a task with its metric, or a published model with its source.

    `id` is the task's; `below` says more: the metric, or what the model is called here.
    """

    title: str
    href: str = ""
    id: str = ""
    below: str = ""
    source: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model of ours has in place of a published number, in percent; `reason` is that of a tolerance."""

    value: str
    interval: str
    difference: str
    status: Status
    model: str
    href: str
    reason: str


@dataclass(frozen=True, slots=True)
class Number:
    """A published number in percent, and all measurements of it; `status` says why there is none."""

    published: str
    remark: str
    status: Status
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row of a table: a number or none for each of its columns."""

    label: Label
    numbers: tuple[Number | None, ...]


@dataclass(frozen=True, slots=True)
class LedgerTable:
    """A table of published numbers: those of one task, or those that tasks with one metric each share."""

    title: str
    href: str
    id: str
    about: str
    first: str
    heads: tuple[Label, ...]
    rows: tuple[LedgerRow, ...]


@dataclass(frozen=True, slots=True)
class LedgerFamily:
    """A family of tasks, its tables, and how many numbers of it were published and measured."""

    id: str
    title: str
    tables: tuple[LedgerTable, ...]
    published: int
    measured: int


@dataclass(frozen=True, slots=True)
class StatusCount:
    """A status, what it means, and of how many lines it is."""

    word: Status
    meaning: str
    n: int


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The whole page."""

    families: tuple[LedgerFamily, ...]
    statuses: tuple[StatusCount, ...]
    published: int
    measured: int


def ledger_view(lines: Sequence[Line], board: Board) -> LedgerView:
    """Return the view of a ledger; models and tasks lead to their pages on the site of `board`."""
    kinds = Families(board.catalog)
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(kinds.of(line.task), []).append(line)
    names = page_names(found)
    order = sorted(found, key=lambda key: (kinds.title(key).lower(), key))
    families = tuple(_family(board, kinds, key, names[key], found[key]) for key in order)
    counts = Counter(line.status for line in lines)
    told = tuple(StatusCount(word, meaning, counts[word]) for word, meaning in EXPLAINED.items() if counts[word])
    return LedgerView(families, told, *_counts(lines))


def _family(board: Board, kinds: Families, key: str, name: str, lines: Sequence[Line]) -> LedgerFamily:
    title = kinds.title(key)
    tables = tuple(_table(board, kinds, title, one) for one in kinds.tables(lines))
    return LedgerFamily(f"family-{name}", title, tables, *_counts(lines))


def _counts(lines: Iterable[Line]) -> tuple[int, int]:
    """Return how many numbers were published, and how many of them were measured."""
    measured: dict[tuple[object, ...], bool] = {}
    for line in lines:
        key = (line.task, line.published.model, line.published.metric, line.published.source)
        measured[key] = measured.get(key, False) or line.measured is not None
    return len(measured), sum(measured.values())


def _table(board: Board, kinds: Families, family: str, found: TableLines) -> LedgerTable:
    alone = found.tasks[0] if len(found.tasks) == 1 else ""
    tasks = {key: Label(key[1]) if alone else _task_label(board, kinds, *key) for key in found.of_tasks}
    if alone:
        tasks = dict(sorted(tasks.items(), key=lambda one: kinds.metric_place(*one[0])))
    models = {key: _model_label(*key, ours) for key, ours in found.of_models.items()}
    cells: dict[tuple[object, object], list[Line]] = {}
    for line in found.lines:
        cells.setdefault((found.task_of(line), found.model_of(line)), []).append(line)
    if alone or len(models) >= len(tasks):
        numbers = [[_number(board, cells.get((task, model), ())) for task in tasks] for model in models]
        first, heads, labels = "Published model", tasks.values(), models.values()
    else:
        numbers = [[_number(board, cells.get((task, model), ())) for model in models] for task in tasks]
        first, heads, labels = "Task", models.values(), tasks.values()
    rows = tuple(LedgerRow(label, tuple(row)) for label, row in zip(labels, numbers, strict=True))
    title = kinds.name(alone) if alone else f"{family}: {len(found.tasks)} {found.kind}"
    about = WITHHELD if alone and found.withheld else ""
    return LedgerTable(title, _page(board, alone), alone, about, first, tuple(heads), rows)


def _task_label(board: Board, kinds: Families, task: str, metric: str) -> Label:
    return Label(kinds.name(task), _page(board, task), task, metric)


def _model_label(model: str, source: str, ours: str) -> Label:
    return Label(model, "", "", f"here: {ours}" if ours else "", source, cited_url(source) or "")


def _number(board: Board, lines: Sequence[Line]) -> Number | None:
    if not lines:
        return None
    first = lines[0]
    measured = tuple(_measured(board, line, line.measured) for line in lines if line.measured is not None)
    remark = first.published.source.partition("; ")[2]
    return Number(f"{100 * first.published.value:.2f}", remark, first.status, measured)


def _measured(board: Board, line: Line, value: Value) -> Measured:
    known = {model.id for model in board.models}
    return Measured(
        f"{100 * value.value:.2f}",
        interval(value.low, value.high),
        points(line.difference),
        line.status,
        " ".join(part for part in (line.model, revision_text(line.revision)) if part),
        board.model_page(line.model) if line.model in known else "",
        line.reason,
    )


def _page(board: Board, task: str) -> str:
    declared = board.catalog.all_tasks.get(task)
    return board.task_page(key_of(declared)) if declared else ""
