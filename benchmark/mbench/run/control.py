"""Whether a model does what the instruction says: its score with other instructions, and with none."""

from __future__ import annotations

from functools import partial

import numpy as np

from mbench.core.errors import UserError
from mbench.core.extras import Control, Spread, Variant
from mbench.core.types import Rows, needs_of
from mbench.data.variants import has_opposite, with_instructions
from mbench.run.trial import Gathered, Trial, gather

MODES = ("none", "shuffled", "paraphrased", "opposite")
WORDINGS = 3
"""How many times paraphrases are drawn for the spread."""


def control(trial: Trial) -> Control:
    """Return what instructions do on a task's stored candidates; what the task does not offer is said, not scored.

    `none`, `shuffled`, `paraphrased` and `opposite` are those of `--instructions`, with the run's seed; `opposite` is
    over the queries that have an opposite. Control gain: the score minus that of `none`. Misinstruction drop: the score
    minus that of `shuffled`. Paraphrase spread: the highest minus the lowest score of the task's own wording and
    WORDINGS draws of paraphrases (with the seeds from the run's on). All in the primary metric.
    """
    found = gather({mode: partial(_asked, trial, mode, trial.settings.seed) for mode in MODES})
    primary = trial.task.spec.primary
    gains = {mode: one.differences[primary] for mode, one in found.variants.items()}
    return Control(
        variants=found.variants,
        unavailable=found.unavailable,
        control_gain=gains.get("none"),
        misinstruction_drop=gains.get("shuffled"),
        paraphrase_spread=_spread(trial, found),
    )


def _asked(trial: Trial, mode: str, seed: int) -> Variant:
    encoder = trial.model.encoder
    if "id" in needs_of(encoder):
        raise UserError(f"Model {encoder.card.id!r} knows items by their ids; it cannot be asked otherwise.")
    if mode == "none" and not any(trial.data.queries.column("instruction")):
        raise UserError("The queries have no instructions that could be taken away.")
    data = with_instructions(trial.data, mode, seed)
    rows = _with_opposite(trial) if mode == "opposite" else None
    if rows is None:
        return trial.varied(trial.model, data)
    return trial.only(rows).varied(trial.model, data.select(rows))


def _with_opposite(trial: Trial) -> Rows | None:
    """Return the rows of the queries that have an opposite, None where all have."""
    having = has_opposite(trial.data.queries)
    return None if having.all() else np.flatnonzero(having).astype(np.int64)


def _spread(trial: Trial, found: Gathered) -> Spread | None:
    if "paraphrased" not in found.variants:
        return None
    primary, seed = trial.task.spec.primary, trial.settings.seed
    drawn = [_asked(trial, "paraphrased", seed + more) for more in range(1, WORDINGS)]
    metrics = [trial.scores.metrics, *(one.metrics for one in [found.variants["paraphrased"], *drawn])]
    scores = [one[primary].value for one in metrics]
    return Spread(value=max(scores) - min(scores), lowest=min(scores), highest=max(scores), wordings=len(scores))
