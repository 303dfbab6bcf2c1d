"""One model on one task."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from pydantic import JsonValue

from mbench.core.errors import UnsupportedModalityError
from mbench.core.memory import peak_memory
from mbench.core.results import Counts, Evidence, TaskRef, TaskResult
from mbench.core.specs import TaskSpec
from mbench.core.types import (
    MAIN_POOL,
    Encoder,
    EvalData,
    ItemTable,
    LoadOptions,
    Rankings,
    Rendering,
    Role,
    Vectors,
    needs_of,
)
from mbench.data.catalog import Task
from mbench.data.checks import is_partial
from mbench.data.loading import load, unpinned
from mbench.data.variants import limited, with_instructions
from mbench.retrieval.checks import normalised
from mbench.retrieval.encode import DEFAULT_BATCH, Tally, Watch, embed
from mbench.retrieval.search import top_k
from mbench.retrieval.store import Store
from mbench.run import provenance
from mbench.run.settings import RunSettings
from mbench.scoring.diagnostics import diagnose
from mbench.scoring.score import Scores, score, unscored

EVIDENCE_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready, the options it was loaded with, and its stores of embeddings by role."""

    encoder: Encoder
    options: LoadOptions
    stores: Mapping[Role, Store]


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
    """Encode, search and score; nothing is written. Raises what loading, encoding and scoring raise."""
    clock = Clock()
    tally = Tally(settings.batch_size or DEFAULT_BATCH)
    with clock.phase("load"):
        data = prepared(task, settings, model.encoder)
    with clock.phase("encode_queries"):
        queries = query_vectors(model, data, tally, watch)
    with clock.phase("encode_candidates"):
        corpus = embed(model.encoder, data.corpus, "candidate", tally, watch, model.stores["candidate"])
    with clock.phase("search"):
        watch.start("search", 0)
        rankings = ranked(task.spec, data, queries, corpus, settings)
    with clock.phase("score"):
        scores = _scores(task.spec, data, rankings, settings.seed)
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
        diagnostics=diagnose(task.spec, data, rankings[MAIN_POOL]),
        run=_run_record(model, settings, tally, clock) | {"data": dict(unpinned(task, settings.data_root))},
    )
    return result, Evidence(data.queries.ids(), data.corpus, rankings, scores.per_query)


def _scores(spec: TaskSpec, data: EvalData, rankings: Mapping[str, Rankings], seed: int) -> Scores:
    """A test split whose labels are withheld leaves rankings for the benchmark's server, and no numbers."""
    return score(spec, data.judgments, rankings, seed=seed) if spec.labels_public else unscored(len(data.queries))


def prepared(task: Task, settings: RunSettings, encoder: Encoder) -> EvalData:
    """Load a task's data as the settings want it, after the check that the model can embed it at all.

    Every picture is looked for before the first one is encoded. Raises UnsupportedModalityError, DataError, UserError.
    """
    check_modalities(task.spec, encoder)
    data = load(task, settings.data_root)
    if settings.limit is not None:
        data = limited(data, settings.limit)
    data = with_instructions(data, settings.instructions, settings.seed)
    if "image" in getattr(encoder, "needs", {"image"}):
        for table in (data.queries, data.corpus):
            table.check_images()
    return data


def query_vectors(model: Loaded, data: EvalData, tally: Tally, watch: Watch) -> Vectors:
    """Return [n_q, d]: each query's vector, or the normalised weighted mean of its renderings' normalised vectors."""
    renderings = renderings_of(model.encoder, data)
    vectors = [_embed_queries(model, one.items, tally, watch) for one in renderings]
    if len(renderings) == 1:
        return vectors[0]
    weighted = [r.weight * normalised(v).astype(np.float64) for r, v in zip(renderings, vectors, strict=True)]
    return normalised(cast(Vectors, np.sum(weighted, axis=0)))


def renderings_of(encoder: Encoder, data: EvalData) -> tuple[Rendering, ...]:
    """Return the renderings of the queries that differ for a model: only one for a model that reads no text."""
    renderings = data.renderings or (Rendering(data.queries),)
    return renderings if "text" in needs_of(encoder) else renderings[:1]


def ranked(
    spec: TaskSpec, data: EvalData, queries: Vectors, corpus: Vectors, settings: RunSettings
) -> dict[str, Rankings]:
    """Rank the main pool (the corpus, or each query's gallery) and every other pool that the task names."""
    pools = data.judgments.pools
    galleries = {MAIN_POOL: pools["gallery"] if spec.candidates.pool == "gallery" else None}
    galleries |= {name: one for name, one in pools.items() if name != "gallery"}
    ranks = data.corpus.tie_ranks()
    return {
        name: top_k(
            queries,
            corpus,
            max(spec.depth, EVIDENCE_DEPTH),
            exclude=data.judgments.exclude,
            galleries=gallery,
            tie_ranks=ranks,
            memory=settings.memory,
        )
        for name, gallery in galleries.items()
    }


def _embed_queries(model: Loaded, table: ItemTable, tally: Tally, watch: Watch) -> Vectors:
    return embed(model.encoder, table, "query", tally, watch, model.stores["query"])


def check_modalities(spec: TaskSpec, encoder: Encoder) -> None:
    """Raise UnsupportedModalityError when the model cannot embed the queries or the candidates of a task."""
    card = encoder.card
    for side, asked in (("queries", spec.query.modality), ("candidates", spec.candidates.modality)):
        lacking = [m for m in asked if m not in card.modalities]
        if lacking:
            raise UnsupportedModalityError(
                f"Task {spec.id!r} has {side} of {', '.join(lacking)}, which model {card.id!r} cannot embed "
                f"(it embeds {', '.join(card.modalities)})."
            )


def _run_record(model: Loaded, settings: RunSettings, tally: Tally, clock: Clock) -> dict[str, JsonValue]:
    encoder = model.encoder
    return {
        "date": provenance.now(),
        "seconds": dict(clock.seconds),
        "device": str(getattr(encoder, "device", "cpu")),
        "dtype": str(getattr(encoder, "dtype", "float32")),
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
