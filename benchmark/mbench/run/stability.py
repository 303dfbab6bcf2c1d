"""Whether a score depends on the machine: a sample of a task embedded again under one variation at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mbench.core.errors import MbenchError, OutputError, UserError
from mbench.core.extras import Setup, Stability, Variation
from mbench.core.types import Vectors
from mbench.core.values import Value
from mbench.models.catalog import load_model
from mbench.retrieval.encode import DEFAULT_BATCH, Tally, embed
from mbench.run.model import Loaded
from mbench.run.provenance import device_of, model_ref, precision_of
from mbench.run.sample import sampled
from mbench.run.steps import query_vectors
from mbench.run.trial import Trial, cosine_distances
from mbench.run.variations import Change, changes, threads, with_threads


@dataclass(frozen=True, slots=True)
class Measured:
    """The sample under one setup: embeddings of its queries and candidates in one array, and its scores."""

    setup: Setup
    vectors: Vectors
    metrics: Mapping[str, Value]


def stability(trial: Trial) -> Stability:
    """Return how far scores and embeddings of a sample move; stored embeddings are not used.

    The sample (`sampled`, with the run's seed) is embedded as in the run, then once for each of `changes`. A change
    that model or machine do not allow, or under which the model fails, gets the reason. Raises what encoding raises
    for the run's own setup.
    """
    part = replace(trial, data=sampled(trial.data, trial.settings.seed))
    own = Change("", trial.model.options, trial.settings.batch_size or DEFAULT_BATCH, threads())
    base = _measured(part, own)
    found: dict[str, Variation] = {}
    unavailable: dict[str, str] = {}
    for change in changes(trial.model, own):
        try:
            found[change.name] = _variation(part, base, change)
        except OutputError:
            raise
        except MbenchError as error:
            unavailable[change.name] = str(error)
    return Stability(
        queries=len(part.data.queries),
        candidates=len(part.data.corpus),
        setup=base.setup,
        metrics=dict(base.metrics),
        variations=found,
        unavailable=unavailable,
    )


def _variation(part: Trial, base: Measured, change: Change) -> Variation:
    if change.impossible:
        raise UserError(change.impossible)
    other = _measured(part, change)
    moves = {key: other.metrics[key].value - one.value for key, one in base.metrics.items()}
    metric = max(moves, key=lambda key: abs(moves[key]))
    return Variation(
        setup=other.setup,
        metric=metric,
        score_change=moves[metric],
        embedding_change=float(cosine_distances(base.vectors, other.vectors).max()),
    )


def _measured(part: Trial, change: Change) -> Measured:
    model = _with_options(part.model, change)
    tally = Tally(change.batch_size)
    with with_threads(change.threads):
        queries = query_vectors(model, part.data, tally, part.watch)
        corpus = embed(model.encoder, part.data.corpus, "candidate", tally, part.watch)
    _, scores = part.searched(queries, corpus)
    setup = Setup(
        model_fingerprint=model_ref(model.encoder, model.options).fingerprint,
        batch_size=tally.batch_size,
        device=device_of(model.encoder, model.options),
        dtype=precision_of(model.encoder),
        threads=change.threads,
        model_args=dict(model.options.args),
    )
    return Measured(setup, np.concatenate([queries, corpus]), scores.metrics)


def _with_options(model: Loaded, change: Change) -> Loaded:
    """Return the model as loaded with the change's options, without any stored embeddings."""
    encoder = model.encoder if change.options == model.options else load_model(model.name, change.options)
    return replace(model, options=change.options, cache=None).seen_through(encoder)
