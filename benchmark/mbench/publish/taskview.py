"""What the page of a task shows: how it is measured, every metric and slice of every model, and how each came about."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mbench.core.results import Value
from mbench.core.specs import ModelCard, TaskSpec
from mbench.publish.board import Board, TaskKey
from mbench.publish.checked import unchecked
from mbench.publish.collect import Entry
from mbench.publish.metricwords import metric_words
from mbench.publish.plots import Figure
from mbench.publish.plots_task import task_figures
from mbench.publish.tables import Cell, Head, Name, Row, Table, mark_best, score
from mbench.publish.text import NONE, cited_url, magnitude, minute, percent, plain, whole

NO_REVISION = ModelCard.model_fields["revision"].default
YEAR = 3.2e7
"""Seconds; what claims to have taken longer is not added up."""
DETAILED = 50
"""So many of a task's best results are shown with slices and provenance: all of them would make a page of megabytes."""
SHARES = ("tied_at_cut", "wrong_modality")
"""Diagnostics that are shares of queries or answers."""
RUN_FIRST = ("date", "seconds", "device", "dtype", "batch_size", "seed", "instructions", "versions", "git")
"""What a reader asks for first about a run; other keys follow in the order of the alphabet."""


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task and the tables of its results; `spec` is None for a task that this catalogue does not know.

    `meaning` says what the primary metric tells.
    """

    id: str
    title: str
    protocol: str
    page: str
    primary: str
    meaning: str
    figures: tuple[Figure, ...]
    spec: TaskSpec | None
    sizes: str
    tables: tuple[Table, ...]
    references: Table | None


def task_view(board: Board, task: TaskKey) -> TaskView:
    """Return all that is shown about `task`."""
    entries = sorted(board.on_task(task), key=lambda entry: _rank(board, entry))
    best = entries[:DETAILED]
    tables = (_metrics(board, task, entries), *_slices(board, task, best), _diagnostics(board, best))
    spec = board.spec(task)
    return TaskView(
        id=task.id,
        title=board.title(task),
        protocol=task.protocol,
        page=board.task_page(task),
        primary=board.primary(task),
        meaning=metric_words(spec, spec.primary) if spec else "",
        figures=task_figures(board, task, [entry for entry in entries if not board.outdated(entry)]),
        spec=spec,
        sizes=_sizes(entries, spec),
        tables=tuple(t for t in (*tables, _provenance(board, best)) if t.rows and t.heads),
        references=_references(spec) if spec and spec.reference_scores else None,
    )


def _rank(board: Board, entry: Entry) -> tuple[bool, float]:
    value = entry.result.metrics.get(board.primary(board.task_of(entry)))
    return (board.outdated(entry), -value.value if value else 1.0)


def usual_n(values: Iterable[Value | None]) -> int | None:
    """Return the number of queries that most of `values` are means of."""
    counted = Counter(value.n for value in values if value)
    return max(counted, key=lambda n: (counted[n], n)) if counted else None


def model_name(board: Board, entry: Entry) -> Name:
    """Return the first cell of a row about the model of `entry`."""
    model = entry.result.model
    marks = (*unchecked(entry), *board.marks(entry))
    return Name(model.id, revision_text(model.revision), board.model_page(model.id), marks)


def revision_text(revision: str) -> str:
    """Return a revision as the tables show it: hashes cut to eight characters, nothing where there is none."""
    if revision == NO_REVISION:
        return ""
    return revision if len(revision) <= 20 else f"{revision[:8]}…"


def score_table(
    board: Board, title: str, entries: Sequence[Entry], columns: Mapping[str, Callable[[Entry], Value | None]]
) -> Table:
    """Return a table of scores, a row an entry; each column says how a score is found."""
    usual = {title: usual_n(find(entry) for entry in entries) for title, find in columns.items()}
    heads = tuple(Head(title, n=n_text(usual[title]), numeric=True) for title in columns)
    rows = [
        Row(
            model_name(board, entry),
            tuple(
                score(find(entry), usual_n=usual[title], stale=board.outdated(entry)) for title, find in columns.items()
            ),
        )
        for entry in entries
    ]
    return Table("Model", heads, mark_best(rows, range(len(heads))), title)


def n_text(n: int | None) -> str:
    """Return how many queries a column's means are over."""
    return "" if n is None else f"n {whole(n)}"


def _metrics(board: Board, task: TaskKey, entries: Sequence[Entry]) -> Table:
    def column(key: str) -> Callable[[Entry], Value | None]:
        return lambda entry: entry.result.metrics.get(key)

    return score_table(board, "All metrics", entries, {key: column(key) for key in board.keys(task)})


def _slices(board: Board, task: TaskKey, entries: Sequence[Entry]) -> list[Table]:
    spec = board.spec(task)
    names = sorted({name for entry in entries for name in entry.result.slices})
    return [_slice(board, name, spec.sliced if spec else board.primary(task), entries) for name in names]


def _slice(board: Board, name: str, metric: str, entries: Sequence[Entry]) -> Table:
    def column(tag: str) -> Callable[[Entry], Value | None]:
        return lambda entry: entry.result.slices.get(name, {}).get(tag, {}).get(metric)

    tags = sorted({tag for entry in entries for tag in entry.result.slices.get(name, {})})
    return score_table(board, f"{metric} by {name.replace('_', ' ')}", entries, {tag: column(tag) for tag in tags})


def _diagnostics(board: Board, entries: Sequence[Entry]) -> Table:
    keys = sorted({key for entry in entries for key in entry.result.diagnostics})
    rows = [
        Row(model_name(board, e), tuple(_diagnostic(key, e.result.diagnostics.get(key)) for key in keys))
        for e in entries
    ]
    heads = tuple(Head(key.replace("_", " ") + (" %" if _is_share(key) else ""), numeric=True) for key in keys)
    return Table("Model", heads, tuple(rows), "Diagnostics")


def _is_share(key: str) -> bool:
    """Tell shares of queries or answers from distances, skews and areas, which are no percentages."""
    return key.partition("@")[0] in SHARES


def _diagnostic(key: str, value: JsonValue) -> Cell:
    if isinstance(value, float):
        return Cell(percent(value) if _is_share(key) else f"{value:.3f}", numeric=True)
    return Cell(plain(value), numeric=True)


def _provenance(board: Board, entries: Sequence[Entry]) -> Table:
    told = {key for entry in entries for key, value in entry.result.run.items() if value not in (None, "", [], {})}
    keys = [*(key for key in RUN_FIRST if key in told), *sorted(told - set(RUN_FIRST))]
    titles = [*(key.replace("_", " ").capitalize() for key in keys), "Queries", "Candidates", "Task", "Checked", "File"]
    rows = [Row(model_name(board, entry), tuple(_origin(entry, keys))) for entry in entries]
    return Table("Model", tuple(Head(title) for title in titles), tuple(rows), "How each number came about")


def _origin(entry: Entry, keys: Sequence[str]) -> list[Cell]:
    counts, task = entry.result.counts, entry.result.task
    skipped = f"{whole(counts.skipped)} not judged" if counts.skipped else ""
    return [
        *(_run_cell(key, entry.result.run.get(key)) for key in keys),
        Cell(whole(counts.queries), skipped),
        Cell(whole(counts.candidates)),
        Cell(f"version {task.version}", task.fingerprint),
        Cell(entry.status or NONE),
        Cell(entry.where),
    ]


def _run_cell(key: str, value: JsonValue) -> Cell:
    if key == "date" and isinstance(value, str):
        return Cell(minute(value) or value)
    if key == "seconds" and isinstance(value, dict):
        total = math.fsum(part for part in value.values() if isinstance(part, int | float) and abs(part) < YEAR)
        return Cell(f"{total:,.1f}", plain(value))
    if key.endswith("_bytes") and isinstance(value, int):
        return Cell(f"{magnitude(value)}B")
    return Cell(plain(value))


def _references(spec: TaskSpec) -> Table:
    rows = [
        Row(
            Name(one.model),
            (
                Cell(one.metric),
                Cell(percent(one.value), numeric=True),
                Cell(one.source, url=cited_url(one.source) or ""),
            ),
        )
        for one in spec.reference_scores
    ]
    heads = (Head("Metric"), Head("Published", numeric=True), Head("Source"))
    return Table("Model", heads, tuple(rows), "Published numbers, not measured here")


def _sizes(entries: Sequence[Entry], spec: TaskSpec | None) -> str:
    measured = Counter((entry.result.counts.queries, entry.result.counts.candidates) for entry in entries)
    if spec and spec.sizes:
        queries, candidates = spec.sizes.queries, spec.sizes.candidates
    elif measured:
        queries, candidates = max(measured, key=lambda sizes: (measured[sizes], sizes))
    else:
        return ""
    return f"{whole(queries)} queries, {whole(candidates)} candidates"
