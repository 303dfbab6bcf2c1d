"""What a score alone does not show: answers of the wrong modality, and cuts that only the tie rule decided."""

from __future__ import annotations

import numpy as np
from pydantic import JsonValue

from mbench.core.specs import TaskSpec
from mbench.core.types import EvalData, ItemTable, Rankings, Rows, Sets


def diagnose(spec: TaskSpec, data: EvalData, rankings: Rankings) -> dict[str, JsonValue]:
    """Return the diagnostics of a task's main ranking, as fractions of its judged queries unless said.

    `wrong_modality@k`: share of the first k answers whose modality none of the query's right answers has (M-BEIR,
    section 5 of the UniIR paper), for k = 1 and the primary metric's k, where the corpus mixes modalities.
    `relevant_not_in_corpus`: number of right answers that no ranking can hold, where there are any.
    `tied_at_cut@k`: share of queries whose k-th and next candidate have equal scores, so that the ids decided.
    """
    relevant = data.judgments.labels.get("relevant")
    if relevant is None or not len(rankings.ids):
        return {}
    cut = next((m.k for m in spec.metrics if m.key == spec.primary), 1)
    found: dict[str, JsonValue] = {f"tied_at_cut@{cut}": _tied(rankings, cut)}
    if data.judgments.lacking is not None:
        found["relevant_not_in_corpus"] = int(data.judgments.lacking.sum())
    if len(data.corpus.modalities()) > 1:
        found |= {f"wrong_modality@{k}": _wrong_modality(data.corpus, relevant, rankings.ids[:, :k]) for k in {1, cut}}
    return found


def _tied(rankings: Rankings, cut: int) -> float:
    if rankings.scores.shape[1] <= cut:
        return 0.0
    last, following = rankings.scores[:, cut - 1], rankings.scores[:, cut]
    return float(np.mean((last == following) & (rankings.ids[:, cut] >= 0)))


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
