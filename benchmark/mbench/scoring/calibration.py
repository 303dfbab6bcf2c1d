"""Whether a high score means a right answer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mbench.core.types import Floats, Rankings, Sets
from mbench.scoring.hits import find_hits, judged


def top_score_auroc(rankings: Rankings, relevant: Sets) -> float | None:
    """Return how well the score of a query's first answer tells whether it is right: the area under the ROC curve.

    The chance that a right first answer has a higher score than a wrong one, ties half: 0.5 where scores tell nothing,
    1 where a threshold parts them. None where no query, or every one, has a right first answer. Scores of any scale can
    be compared so, which cosines are not probabilities for. Source: Hendrycks and Gimpel, "A Baseline for Detecting
    Misclassified and Out-of-Distribution Examples in Neural Networks", ICLR 2017.
    """
    if not rankings.ids.shape[1]:
        return None
    asked = judged(relevant) & (rankings.ids[:, 0] >= 0)
    right = np.zeros(len(relevant), dtype=np.bool_)
    right[find_hits(rankings, relevant, 1).query] = True
    return auroc(rankings.scores[asked, 0], right[asked])


def auroc(scores: Floats, positive: npt.NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve of `scores` [n] for `positive` [n]; None where all are of one kind.

    The Mann-Whitney U of the positives over the number of pairs, from mid-ranks.
    """
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))
