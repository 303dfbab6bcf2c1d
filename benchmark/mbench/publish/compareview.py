"""Two models side by side: what the page of comparisons needs, in files that a browser loads when it needs them.

For 100 models there are 4,950 pairs and for each as many tests as tasks, so the tests are not made here. A file a model
holds the value of each query under the primary metric of each task; the page loads two of them and makes the tests
itself, by the method of `mbench compare`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mbench.core.types import Floats
from mbench.publish.aligned import Aligned, QueryColumns, ranked
from mbench.publish.board import Board, ModelKey, TaskKey
from mbench.publish.collect import Entry
from mbench.publish.filenames import page_names
from mbench.publish.names import model_label
from mbench.publish.scripts import SiteFile, coded, numbered, script_file


@dataclass(frozen=True, slots=True)
class Compared:
    """A model that can be chosen."""

    name: str
    page: str


@dataclass(frozen=True, slots=True)
class CompareView:
    """The page of comparisons: the script with the index, all files that it names, and what stands without scripts.

    `best` are the places in `models` of the two that the page opens with.
    """

    index: str
    files: tuple[SiteFile, ...]
    models: tuple[Compared, ...]
    best: tuple[int, int]


def compare_view(board: Board, columns: QueryColumns, explored: Mapping[TaskKey, str]) -> CompareView:
    """Return the index of models and tasks, a file for each model and one for each task's queries.

    `explored` has the pages of the tasks whose queries can be explored.
    """
    measured = [task for task in board.tasks if board.on_task(task)]
    tasks = {task: columns.of(task) for task in measured}
    names = page_names(_text(model) for model in board.models)
    models = {m: script_file(names[_text(m)], "model", _model(board, m, tasks)) for m in board.models}
    queries = {task: _queries_file(board, known) for task, known in tasks.items() if known.columns}
    index = {
        "models": [_model_head(board, model, models[model]) for model in board.models],
        "tasks": [_task_head(board, tasks[task], queries.get(task), explored.get(task)) for task in measured],
    }
    first = script_file("index", "index", index)
    chosen = tuple(Compared(model_label(board, model), board.model_page(model.id)) for model in board.models)
    return CompareView(first.path, (first, *models.values(), *queries.values()), chosen, _best(board, measured))


def _best(board: Board, tasks: Sequence[TaskKey]) -> tuple[int, int]:
    """Return the places of the two best models of the first task that has two."""
    for task in tasks:
        first = [ModelKey(one.result.model.id, one.result.model.revision) for one in ranked(board, task)[:2]]
        if len(first) == 2:
            return board.models.index(first[0]), board.models.index(first[1])
    return 0, 1


def _text(model: ModelKey) -> str:
    return f"{model.id}@{model.revision}"


def _key(task: TaskKey) -> str:
    return f"{task.id}@{task.protocol}"


def _model_head(board: Board, model: ModelKey, file: SiteFile) -> dict[str, str]:
    return {"id": model.id, "revision": model.revision, "page": board.model_page(model.id), "file": file.path}


def _task_head(board: Board, known: Aligned, file: SiteFile | None, explored: str | None) -> dict[str, Any]:
    task = known.key
    return {
        "key": _key(task),
        "title": board.title(task),
        "page": board.task_page(task),
        "metric": board.primary(task),
        "file": file.path if file else None,
        "explore": explored,
        "clustered": known.clusters is not None,
    }


def _queries_file(board: Board, known: Aligned) -> SiteFile:
    clusters = None if known.clusters is None else numbered(known.clusters.tolist())
    name = board.task_page(known.key).removeprefix("tasks/").removesuffix(".html")
    return script_file(f"task-{name}", "task", {"key": _key(known.key), "ids": list(known.ids), "clusters": clusters})


def _model(board: Board, model: ModelKey, tasks: Mapping[TaskKey, Aligned]) -> dict[str, Any]:
    entries = [(task, entry) for task in tasks if (entry := board.find(model, task)) and not board.outdated(entry)]
    return {_key(task): _scores(board, task, entry, tasks[task].columns.get(model)) for task, entry in entries}


def _scores(board: Board, task: TaskKey, entry: Entry, column: Floats | None) -> dict[str, Any]:
    value = entry.result.metrics.get(board.primary(task))
    found: dict[str, Any] = {"score": None if value is None else [value.value, value.low, value.high, value.n]}
    if column is not None:
        code = coded(column)
        found |= {"values": code.values, "codes": code.codes, "width": code.width}
    spec = board.spec(task)
    metric = spec.sliced if spec else board.primary(task)
    slices = {
        name: {tag: [scores[metric].value, scores[metric].n] for tag, scores in tags.items() if metric in scores}
        for name, tags in sorted(entry.result.slices.items())
    }
    return found | {"sliced": metric, "slices": slices}
