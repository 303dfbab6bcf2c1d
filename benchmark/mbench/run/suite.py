"""Several models on several tasks: what is there already is kept, one failure does not lose the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mbench.core.errors import MbenchError, OutputError
from mbench.core.files import require_writable, write_json
from mbench.core.results import (
    GroupResult,
    ModelRef,
    TaskResult,
    result_folder,
    write_result,
)
from mbench.core.types import LoadOptions
from mbench.data.catalog import Catalog, Group, Task
from mbench.retrieval.encode import Watch
from mbench.retrieval.store import holds_shards
from mbench.run.extras import with_extras_of
from mbench.run.keeping import drop_stale_groups, existing, is_finished
from mbench.run.model import Loaded, loaded
from mbench.run.provenance import model_ref
from mbench.run.settings import RunSettings
from mbench.run.steps import check_modalities
from mbench.run.task import evaluate
from mbench.scoring.aggregate import aggregate


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one model on one task or group: a result and its file, or the error."""

    model: str
    task: str
    result: TaskResult | GroupResult | None = None
    path: Path | None = None
    error: MbenchError | None = None
    kept: bool = False


class Reporter(Watch, Protocol):
    """Who is told what a run does."""

    def begin(self, model: str, task: str) -> None:
        """A model starts on a task."""

    def end(self, outcome: Outcome) -> None:
        """It is done, or it failed."""

    def note(self, message: str) -> None:
        """Something that the user should know."""


def run(
    models: Sequence[str],
    tasks: Sequence[Task],
    groups: Sequence[Group],
    catalog: Catalog,
    options: LoadOptions,
    settings: RunSettings,
    reporter: Reporter,
) -> list[Outcome]:
    """Evaluate every model on every task, then the groups, writing each result as soon as it is there.

    A failing task is reported and the others go on; a model that cannot be loaded fails all of its tasks. Raises
    OutputError when results cannot be written at all.
    """
    require_writable(settings.output)
    if settings.cache is not None:
        _require_cache(settings.cache, reporter)
    outcomes: list[Outcome] = []
    for name in models:
        try:
            model = loaded(name, options, settings, reporter.note)
        except MbenchError as error:
            outcomes.append(_told(reporter, Outcome(name, "*", error=error)))
            continue
        mine = [_told(reporter, _one(model, task, settings, reporter)) for task in tasks]
        mine += [_told(reporter, one) for group in groups if (one := _grouped(model, group, catalog, mine, settings))]
        outcomes += mine
    return outcomes


def _require_cache(cache: Path, reporter: Reporter) -> None:
    """Refuse a cache that can neither be written nor serve; note one that can only serve."""
    try:
        require_writable(cache)
    except OutputError as error:
        if not holds_shards(cache):
            raise
        reporter.note(f"{error} Stored embeddings are used; new ones are kept for this run only.")


def _one(model: Loaded, task: Task, settings: RunSettings, reporter: Reporter) -> Outcome:
    card = model.encoder.card
    folder = result_folder(settings.output, model_ref(model.encoder, model.options))
    path = folder / f"{task.spec.id}.json"
    reporter.begin(card.id, task.spec.id)
    try:
        kept = existing(path, model, task, settings)
        if kept is not None and is_finished(path, kept, settings):
            return Outcome(card.id, task.spec.id, kept, path, kept=True)
        _fetch_tables(model, task, settings, reporter)
        result, evidence = evaluate(model, task, settings, reporter)
        if kept is None:
            drop_stale_groups(folder, task.spec.id)
        else:
            result = with_extras_of(result, kept)
        return Outcome(card.id, task.spec.id, result, write_result(folder, result, evidence))
    except OutputError:
        raise
    except MbenchError as error:
        return Outcome(card.id, task.spec.id, error=error)


def _fetch_tables(model: Loaded, task: Task, settings: RunSettings, reporter: Reporter) -> None:
    """Fetch what a task lacks on disk, pictures apart, once it is known that the model can embed it."""
    check_modalities(task.spec, model.encoder)
    if not settings.offline and not task.spec.source.shipped:
        from mbench.data.download import ensure

        ensure(task, settings.data_root, reporter.note)


def _grouped(
    model: Loaded, group: Group, catalog: Catalog, outcomes: Sequence[Outcome], settings: RunSettings
) -> Outcome | None:
    """Average a group whose every task has a result; write it beside them."""
    results = {o.task: o.result for o in outcomes if isinstance(o.result, TaskResult)}
    members = catalog.tasks([group.id])
    values = aggregate(group.spec, results, catalog)
    if not values or any(task.spec.id not in results for task in members):
        return None
    ref: ModelRef = model_ref(model.encoder, model.options)
    mine = {task.spec.id: results[task.spec.id] for task in members}
    result = GroupResult(
        group=group.id,
        model=ref,
        partial=any(r.partial for r in mine.values()),
        variant=settings.variant,
        metrics=values,
        tasks={name: r.task for name, r in mine.items()},
    )
    path = result_folder(settings.output, ref) / f"{group.id}.json"
    write_json(path, result.model_dump(mode="json"))
    return Outcome(ref.id, group.id, result, path)


def _told(reporter: Reporter, outcome: Outcome) -> Outcome:
    reporter.end(outcome)
    return outcome
