"""Results of several models on the same tasks, compared pair by pair against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mbench.core.errors import UnknownNameError, UserError, listed
from mbench.data.catalog import Catalog
from mbench.publish.comparison.checks import differences
from mbench.publish.comparison.context import context_of
from mbench.publish.comparison.operands import Operand
from mbench.publish.comparison.pairs import Pair, gaps_of
from mbench.publish.comparison.records import ALL, PRIMARY, Asked, Comparison, Gap, TaskNote
from mbench.publish.comparison.scores import read_scores
from mbench.scoring.paired import holm


def compare_results(
    operands: Sequence[Operand], catalog: Catalog, data_root: Path | None = None, asked: Asked | None = None
) -> Comparison:
    """Compare the first operand with each of the others on the tasks that all of them have.

    Raises UserError for results that are not comparable (which, and why), UnknownNameError for a metric that no task
    has, DataError for per-query scores that are missing or do not bear out their result.
    """
    asked = asked or Asked()
    tasks, notes = _common(operands, catalog)
    _check_comparable(operands, tasks)
    about: dict[str, TaskNote] = {}
    gaps: list[Gap] = []
    for task in tasks:
        scores = [read_scores(one.results[task]) for one in operands]
        first = operands[0].results[task].result
        context = context_of(first.task, scores[0].ids, catalog, data_root)
        about[task] = TaskNote(first.partial, first.variant, context.clusters is not None, context.note)
        declared = catalog.all_tasks.get(task)
        primary = declared.spec.primary if declared else next(iter(first.metrics))
        for other, theirs in zip(operands[1:], scores[1:], strict=True):
            pair = Pair(operands[0].label, other.label, task, primary, scores[0], theirs)
            gaps += gaps_of(pair, context, asked)
    _check_metrics(asked, gaps)
    return Comparison(tuple(operands), tuple(_adjusted(gaps, asked)), about, tuple(notes))


def _common(operands: Sequence[Operand], catalog: Catalog) -> tuple[list[str], list[str]]:
    """Return the tasks that can be compared, and notes on the others."""
    withheld = {name for name, task in catalog.all_tasks.items() if not task.spec.labels_public}
    known = {task: [one for one in operands if task in one.results] for one in operands for task in one.results}
    notes = []
    tasks = []
    for task, having in sorted(known.items()):
        if len(having) < len(operands):
            notes.append(f"{task}: left out, since only {listed(one.label for one in having)} has a result of it")
        elif task in withheld or not all(one.results[task].result.metrics for one in operands):
            notes.append(f"{task}: left out, since its labels are withheld: only the benchmark's server has scores")
        else:
            tasks.append(task)
    if not tasks:
        sides = "; ".join(f"{one.path}: {listed(sorted(one.results))}" for one in operands)
        raise UserError("\n  ".join([f"There is no task that all have scores of. {sides}.", *notes]))
    return tasks, notes


def _check_comparable(operands: Sequence[Operand], tasks: Sequence[str]) -> None:
    refused = []
    for task in tasks:
        mine = operands[0].results[task]
        for other in operands[1:]:
            theirs = other.results[task]
            apart = differences(mine.result, theirs.result)
            refused += [f"  {mine.path} and {theirs.path}: different {'; different '.join(apart)}"] if apart else []
    if refused:
        raise UserError("These results do not compare:\n" + "\n".join(refused))


def _check_metrics(asked: Asked, gaps: Sequence[Gap]) -> None:
    known = sorted({gap.metric for gap in gaps})
    for name in asked.metrics:
        if name not in (PRIMARY, ALL, *known):
            raise UnknownNameError("metric", name, known, f"These tasks have {', '.join(known)}.")


def _adjusted(gaps: Sequence[Gap], asked: Asked) -> list[Gap]:
    """Adjust the p-values of the chosen metrics: of all tasks and pairs together, for each metric asked for."""
    families: dict[str, list[int]] = {}
    for place, gap in enumerate(gaps):
        if gap.chosen:
            name = gap.metric if gap.metric in asked.metrics or ALL in asked.metrics else PRIMARY
            families.setdefault(name, []).append(place)
    found = list(gaps)
    for places in families.values():
        for place, p in zip(places, holm([gaps[place].paired.p for place in places]).tolist(), strict=True):
            found[place] = replace(gaps[place], adjusted=p)
    return found
