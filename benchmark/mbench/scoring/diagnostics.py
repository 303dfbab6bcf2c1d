"""What a score alone does not show: wrong modalities, cuts that only the tie rule decided, the shape of the space."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from pydantic import JsonValue

from mbench.core.specs import TaskSpec
from mbench.core.types import EvalData, ItemTable, Rankings, Rows, Sets
from mbench.scoring.calibration import top_score_auroc
from mbench.scoring.geometry import NEIGHBOURS, Embedded, hubness, shape

RANGES: Mapping[str, tuple[float, float]] = {
    "tied_at_cut": (0, 1),
    "relevant_not_in_corpus": (0, math.inf),
    "wrong_modality": (0, 1),
    "top_score_auroc": (0, 1),
    "hubness": (-1e4, 1e4),
    "anisotropy": (-1, 1),
    "modality_gap": (0, 2),
    "modality_gap_in_corpus": (0, 2),
}
"""What each diagnostic can be, by the part of its key before `@`. (The skewness of n counts is below sqrt(n).)"""

OF_EMBEDDINGS = frozenset({"anisotropy", "modality_gap", "modality_gap_in_corpus"})
"""Those that no ranking tells."""

ROUNDING = 1e-5
"""By so much may single precision bring a diagnostic out of its range."""


def is_possible(key: str, value: JsonValue) -> bool:
    """Tell whether there is a diagnostic called `key` (`name` or `name@k`) that can have this value."""
    name, _, cut = key.partition("@")
    if name not in RANGES or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = RANGES[name]
    named = key == name or (cut.isascii() and cut.isdigit())
    return named and math.isfinite(value) and low - ROUNDING <= value <= high + ROUNDING


def diagnose(
    spec: TaskSpec, data: EvalData, rankings: Rankings, embedded: Embedded | None = None, seed: int = 0
) -> dict[str, JsonValue]:
    """Return the diagnostics of a task's main ranking, and of its embeddings where there are any.

    What cannot be said of a task (nothing of it is judged, all its candidates are alike) is left out, never NaN. Large
    tables of embeddings are sampled with `seed`.

    `tied_at_cut@k`: share of queries whose k-th and next candidate have equal scores, so that the ids decided.
    `relevant_not_in_corpus`: number of right answers that no ranking can hold, where there are any.
    `wrong_modality@k`: share of the first k answers whose modality none of the query's right answers has (M-BEIR,
    section 5 of the UniIR paper), for k = 1 and the primary metric's k, where the corpus mixes modalities.
    `top_score_auroc`, `hubness@10` (of a corpus, not of galleries), `anisotropy` (of candidates), `modality_gap`,
    `modality_gap_in_corpus`: see `calibration` and `geometry`.
    """
    found: dict[str, JsonValue] = {}
    relevant = data.judgments.labels.get("relevant")
    if relevant is not None and len(rankings.ids):
        found |= _judged(spec, data, rankings, relevant)
    if spec.candidates.pool == "corpus":
        found[f"hubness@{NEIGHBOURS}"] = hubness(rankings, len(data.corpus))
    if embedded is not None:
        found |= shape(data.queries, data.corpus, embedded, seed)
    return {key: value for key, value in found.items() if value is not None}


def tied_at_cut(spec: TaskSpec, rankings: Rankings) -> float:
    """Return the share of queries whose candidates before and after the primary metric's cut have equal scores."""
    cut = cut_of(spec)
    if rankings.scores.shape[1] <= cut:
        return 0.0
    last, following = rankings.scores[:, cut - 1], rankings.scores[:, cut]
    return float(np.mean((last == following) & (rankings.ids[:, cut] >= 0)))


def cut_of(spec: TaskSpec) -> int:
    """Return the k of a task's primary metric, 1 for an average of metrics."""
    return next((m.k for m in spec.metrics if m.key == spec.primary), 1)


def _judged(spec: TaskSpec, data: EvalData, rankings: Rankings, relevant: Sets) -> dict[str, JsonValue]:
    cut = cut_of(spec)
    found: dict[str, JsonValue] = {f"tied_at_cut@{cut}": tied_at_cut(spec, rankings)}
    if data.judgments.lacking is not None:
        found["relevant_not_in_corpus"] = int(data.judgments.lacking.sum())
    if len(data.corpus.modalities()) > 1:
        found |= {f"wrong_modality@{k}": _wrong_modality(data.corpus, relevant, rankings.ids[:, :k]) for k in {1, cut}}
    return found | {"top_score_auroc": top_score_auroc(rankings, relevant)}


def _wrong_modality(corpus: ItemTable, relevant: Sets, answers: Rows) -> float:
    rows = np.unique(np.concatenate([answers[answers >= 0], relevant.rows]))
    names, codes = np.unique(np.asarray(corpus.select(rows).column("modality"), dtype=str), return_inverse=True)
    asked = np.zeros((len(answers), len(names)), dtype=bool)
    owner = np.repeat(np.arange(len(answers)), relevant.sizes())
    asked[owner, codes[np.searchsorted(rows, relevant.rows)]] = True
    given = answers >= 0
    code = codes[np.searchsorted(rows, np.where(given, answers, rows[0]))]
    wrong = given & ~np.take_along_axis(asked, code, axis=1)
    judged = relevant.sizes() > 0
    return float(wrong[judged].sum() / max(1, given[judged].sum()))
