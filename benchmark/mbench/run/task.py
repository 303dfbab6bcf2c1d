"""One model on one task."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import JsonValue

from mbench.core.memory import peak_memory
from mbench.core.results import Counts, Evidence, TaskRef, TaskResult
from mbench.core.types import MAIN_POOL
from mbench.data.catalog import Task
from mbench.data.checks import is_partial
from mbench.data.loading import unpinned
from mbench.retrieval.encode import Tally, Watch, embed
from mbench.run import provenance
from mbench.run.extras import check_enough, check_extras, measured
from mbench.run.model import Loaded
from mbench.run.settings import RunSettings
from mbench.run.steps import prepared, query_vectors, ranked, require_memory, scored
from mbench.run.trial import Trial
from mbench.scoring.diagnostics import diagnose
from mbench.scoring.geometry import Embedded


@dataclass(slots=True)
class Clock:
    """Seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to the phase `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


def evaluate(model: Loaded, task: Task, settings: RunSettings, watch: Watch) -> tuple[TaskResult, Evidence]:
    """Encode, search and score, then measure what else is asked for; nothing is written.

    Raises what loading, encoding and scoring raise, and UserError for extras that cannot be.
    """
    check_extras(task.spec, model.encoder.card, settings)
    clock = Clock()
    tally = Tally.of(settings.batch_size)
    trial = _tried(model, task, settings, watch, clock, tally)
    data, scores, main = trial.data, trial.scores, trial.rankings[MAIN_POOL]
    with clock.phase("score"):
        diagnostics = diagnose(task.spec, data, main, Embedded(trial.queries, trial.corpus), settings.seed)
    extras = measured(trial, clock.phase)
    result = TaskResult(
        task=TaskRef(
            id=task.spec.id, version=task.spec.version, protocol=task.spec.protocol, fingerprint=task.fingerprint
        ),
        model=provenance.model_ref(model.encoder, model.options),
        partial=settings.limit is not None or is_partial(task.spec, data),
        variant=settings.variant,
        labels_public=task.spec.labels_public,
        metrics=scores.metrics,
        slices=scores.slices,
        counts=Counts(
            queries=len(data.queries), candidates=len(data.corpus), judged=scores.judged, skipped=scores.skipped
        ),
        diagnostics=diagnostics,
        run=_run_record(model, settings, tally, clock) | {"data": dict(unpinned(task, settings.data_root))},
        **extras,
    )
    return result, Evidence(data.queries.ids(), data.corpus, trial.rankings, scores.per_query)


def _tried(model: Loaded, task: Task, settings: RunSettings, watch: Watch, clock: Clock, tally: Tally) -> Trial:
    """Load, encode, search and score."""
    with clock.phase("load"):
        data = prepared(task, settings, model.encoder)
        check_enough(task.spec, len(data.queries), settings.extras)
    with clock.phase("encode_queries"):
        queries = query_vectors(model, data, tally, watch)
        require_memory(task.spec, data, queries.shape[1], settings)
    with clock.phase("encode_candidates"):
        store = model.store_for(data.corpus, "candidate")
        corpus = embed(model.encoder, data.corpus, "candidate", tally, watch, store, settings.memory)
    with clock.phase("search"):
        watch.start("search", 0)
        rankings = ranked(task.spec, data, queries, corpus, settings)
    with clock.phase("score"):
        scores = scored(task.spec, data, rankings, settings.seed)
    return Trial(model, task, settings, watch, data, queries, corpus, rankings, scores)


def _run_record(model: Loaded, settings: RunSettings, tally: Tally, clock: Clock) -> dict[str, JsonValue]:
    encoder = model.encoder
    return {
        "date": provenance.now(),
        "seconds": dict(clock.seconds),
        "device": provenance.device_of(encoder, model.options),
        "dtype": provenance.precision_of(encoder),
        "batch_size": tally.batch_size,
        "seed": settings.seed,
        "limit": settings.limit,
        "instructions": settings.instructions,
        "model_args": dict(model.options.args),
        "encoded": tally.encoded,
        "reused": tally.reused,
        "notes": list(tally.notes),
        "versions": provenance.versions(),
        "git": provenance.git_commit(),
        "machine": provenance.machine(),
        "peak_memory_bytes": peak_memory(),
    }
