"""What `mbench compare` is given: result files and folders of them, each one model at one revision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mbench.core.errors import DataError, UserError, listed
from mbench.core.results import ModelRef, TaskResult, read_result

BELOW = 3
"""So far below a submission its results lie: `results/<model>/<revision>/`."""


@dataclass(frozen=True, slots=True)
class Found:
    """A result of one task, and its file."""

    path: Path
    result: TaskResult


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a comparison: its results by task. `label` tells the sides apart: the model, where that does."""

    label: str
    path: Path
    model: ModelRef
    results: Mapping[str, Found]


def operands_at(paths: Sequence[Path]) -> list[Operand]:
    """Read each path: a result JSON, `<model>/<revision>/`, or a folder above it (a model's, an output's, a submission)
    that holds a single one.

    Raises UserError for fewer than two paths and for one that is no such thing, DataError for a broken result.
    """
    if len(paths) < 2:
        raise UserError("compare: name at least two results, for example results/tiny results/random.")
    return _labelled([_operand(path) for path in paths])


def _operand(path: Path) -> Operand:
    found = [Found(file, result) for file in _files(path) if isinstance(result := read_result(file), TaskResult)]
    if not found:
        raise UserError(f"{path}: only means of groups; a comparison takes the results of tasks.")
    models = {(one.result.model.id, one.result.model.revision) for one in found}
    if len(models) > 1:
        named = listed(f"{name} ({revision})" for name, revision in sorted(models))
        raise UserError(f"{path}: results of {len(models)} models: {named}; compare takes one model's at a time.")
    by_task: dict[str, Found] = {}
    for one in found:
        task = one.result.task.id
        if one.path.stem != task:
            raise DataError(f"{one.path}: holds a result of {task!r}; its name must be {task}.json.")
        by_task[task] = one
    return Operand(found[0].result.model.id, path, found[0].result.model, by_task)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: there is no such result; name a result JSON or a model's folder of them.")
    level, holding = [path], []
    for _ in range(1 + BELOW):
        holding = [folder for folder in level if _results_in(folder)]
        if holding:
            break
        level = [below for folder in level for below in sorted(folder.iterdir()) if below.is_dir()]
    if len(holding) > 1:
        names = ", ".join(str(folder) for folder in holding)
        raise UserError(f"{path}: results of {len(holding)} revisions or models; name one of them: {names}.")
    if not holding:
        raise UserError(f"{path}: no results; expected <task>.json in it or in <model>/<revision>/ below it.")
    return _results_in(holding[0])


def _results_in(folder: Path) -> list[Path]:
    """Return the result files of a folder: a task's id has no dot, files of servers and other exports do."""
    return [path for path in sorted(folder.glob("*.json")) if "." not in path.stem and path.is_file()]


def _labelled(operands: list[Operand]) -> list[Operand]:
    """Give operands of one model their revisions as labels, and those of one revision their paths."""
    revised = _relabelled(operands, [f"{one.model.id} {one.model.revision}" for one in operands])
    return _relabelled(revised, [str(one.path) for one in operands])


def _relabelled(operands: list[Operand], labels: list[str]) -> list[Operand]:
    times = Counter(one.label for one in operands)
    pairs = zip(operands, labels, strict=True)
    return [replace(one, label=label) if times[one.label] > 1 else one for one, label in pairs]
