"""The steps of an evaluation, from a declared task to scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np

from mbench.core.errors import UnsupportedModalityError
from mbench.core.specs import TaskSpec
from mbench.core.types import MAIN_POOL, Encoder, EvalData, ItemTable, Rankings, Rendering, Vectors, needs_of
from mbench.data.catalog import Task
from mbench.data.loading import load
from mbench.data.variants import limited, with_instructions
from mbench.retrieval.checks import normalised
from mbench.retrieval.encode import Tally, Watch, embed
from mbench.retrieval.plan import make_plan
from mbench.retrieval.search import top_k
from mbench.retrieval.vectors import Corpus
from mbench.run.model import Loaded
from mbench.run.settings import RunSettings
from mbench.scoring.score import Scores, score, unscored

EVIDENCE_DEPTH = 50


def scored(spec: TaskSpec, data: EvalData, rankings: Mapping[str, Rankings], seed: int) -> Scores:
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


def require_memory(spec: TaskSpec, data: EvalData, dimension: int, settings: RunSettings) -> None:
    """Raise UserError where the search of a task will not fit in the memory, before its candidates are encoded."""
    k = min(_depth(spec), len(data.corpus))
    make_plan(len(data.queries), len(data.corpus), dimension, k, settings.memory, 1, settings.search_device)


def ranked(
    spec: TaskSpec, data: EvalData, queries: Vectors, corpus: Corpus, settings: RunSettings
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
            _depth(spec),
            exclude=data.judgments.exclude,
            galleries=gallery,
            tie_ranks=ranks,
            memory=settings.memory,
            device=settings.search_device,
        )
        for name, gallery in galleries.items()
    }


def _depth(spec: TaskSpec) -> int:
    return max(spec.depth, EVIDENCE_DEPTH)


def _embed_queries(model: Loaded, table: ItemTable, tally: Tally, watch: Watch) -> Vectors:
    store = model.store_for(table, "query")
    return embed(model.encoder, table, "query", tally, watch, store, model.memory)


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
