"""Ranking metrics: one number a query, for all queries at once.

`find_hits` looks up once where the relevant candidates of every query stand; every metric then reads those few places,
so a further metric or cut costs next to nothing. A query without a relevant candidate is not judged: its value is NaN,
unless all that are relevant to it lack in the corpus (`Judgments.lacking`): then it is missed.
The number of relevant candidates counts all of them, also those that the ranking lacks; in a pool beside the main one,
all that the pool holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mbench.core.errors import DataError, PredictionError
from mbench.core.specs import MetricSpec
from mbench.core.types import Floats, Judgments, Rankings, Rows, Sets
from mbench.scoring.hits import Hits, count_up, find_hits, own_groups, owners, restricted


def hit(hits: Hits, k: int) -> Floats:
    """Hit rate: 1 if any relevant candidate is in the top `k`, else 0.

    With several relevant candidates this is not recall, though UniIR (M-BEIR), CLIP_benchmark (MSCOCO) and others print
    it under that name. trec_eval calls it `success_k`; MMEB's precision@1 is hit@1.
    """
    return (hits.total(k) > 0).astype(np.float64)


def recall(hits: Hits, k: int) -> Floats:
    """Recall: the share of all relevant candidates that are in the top `k`.

    The denominator is the number of relevant candidates, so a query with more than `k` of them cannot reach 1. Equal to
    `hit` with one relevant candidate (FashionIQ, CIRR, GeneCIS). trec_eval: `recall_k`.
    """
    return hits.total(k) / hits.sizes()


def average_precision(hits: Hits, k: int) -> Floats:
    """Average precision at `k` over min(k, relevant): the sum of precision at each hit's rank, divided by the best.

    A query with all of its top `k` relevant has 1, however many more there are. `map_trec` differs by its denominator
    alone. Source: CIRCO, Baldrati et al., "Zero-Shot Composed Image Retrieval with Textual Inversion", ICCV 2023.
    """
    return _precision_sum(hits, k) / np.minimum(hits.sizes(), k)


def average_precision_trec(hits: Hits, k: int) -> Floats:
    """Average precision at `k` over all relevant: trec_eval's `map_cut_k` and ranx's `map@k`.

    A query with more than `k` relevant candidates cannot reach 1; see `average_precision` for CIRCO's denominator.
    """
    return _precision_sum(hits, k) / hits.sizes()


def ndcg(hits: Hits, k: int) -> Floats:
    """Discounted cumulative gain at `k` over that of the best possible ranking of all relevant candidates.

    Each hit gains its grade / log2(rank + 1): linear, as trec_eval's `ndcg_cut_k` and ranx's `ndcg` (ranx's
    `ndcg_burges` and MMEB's `ndcg_exponential` gain 2^grade - 1). Source: Järvelin and Kekäläinen, TOIS 20(4), 2002.
    """
    gained = hits.total(k, hits.grade / np.log2(hits.rank + 1.0))
    best = _ideal_gain(hits.relevant, k)
    return gained / np.where(best > 0, best, 1.0)


def mrr(hits: Hits, k: int) -> Floats:
    """Reciprocal rank at `k`: 1 / rank of the first relevant candidate, 0 if it stands below `k`.

    Looks at one candidate alone: unlike `map` it does not ask for the other relevant ones. trec_eval's `recip_rank` is
    the same without a cut. Source: Voorhees, "The TREC-8 Question Answering Track Report", 1999.
    """
    return hits.total(k, (hits.nth == 1) / hits.rank)


def group_hit(hits: Hits, k: int, groups: Rows) -> Floats:
    """Group hit rate: 1 for a group of queries if every judged query of it has a hit in the top `k`, else 0.

    The mean is over groups. The verdict stands at the first judged query of each group and the others are NaN, so that
    mean, count and interval of the column are those of the groups. A query of group -1 is a group of its own.
    `hit` averages queries: two of three questions right give 2/3 there and 0 here. Source: the all-questions-right
    score of CtrlBench (ABC, 2025).
    """
    judged = np.flatnonzero(hits.relevant.sizes() > 0)
    _, first, member = np.unique(own_groups(groups)[judged], return_index=True, return_inverse=True)
    misses = np.bincount(member, 1.0 - hit(hits, k)[judged], minlength=len(first))
    verdicts = np.full(len(groups), np.nan)
    verdicts[judged[first]] = misses == 0
    return verdicts


METRICS: Mapping[str, Callable[[Hits, int], Floats]] = {
    "hit": hit,
    "recall": recall,
    "map": average_precision,
    "map_trec": average_precision_trec,
    "ndcg": ndcg,
    "mrr": mrr,
}
"""The metrics that look at each query alone, by the name that task files use."""


def evaluate(spec: MetricSpec, rankings: Rankings, labels: Sets, groups: Rows | None = None) -> Floats:
    """Return [n_q] the value of one metric for each query, NaN where a query is not judged.

    `rankings` is the one of the metric's pool and `labels` its label set. A ranking that is shallower than the cut
    counts as having nothing below: whoever makes it sees to its depth. Raises PredictionError for rankings of another
    shape or with a relevant candidate listed twice, DataError where `group_hit` gets no groups.
    """
    return _measure(spec, find_hits(rankings, labels, spec.k), groups)


def evaluate_all(
    specs: Sequence[MetricSpec], rankings: Mapping[str, Rankings], judgments: Judgments
) -> dict[str, Floats]:
    """Return the [n_q] values of every metric by its key; `rankings` by pool.

    In a pool beside the main one (CIRR's subset) only the relevant candidates of that pool count, so that a perfect
    ranking of it has 1. Metrics of one pool and label set share one look-up. Raises as `evaluate`, PredictionError for
    a missing pool and DataError for missing labels.
    """
    values: dict[str, Floats] = {}
    for pool, name in dict.fromkeys((spec.pool, spec.labels) for spec in specs):
        alike = [spec for spec in specs if (spec.pool, spec.labels) == (pool, name)]
        if pool not in rankings:
            raise PredictionError(f"{alike[0].key} needs a ranking of the pool {pool!r}; given are {sorted(rankings)}.")
        if name not in judgments.labels:
            raise DataError(f"{alike[0].key} needs the labels {name!r}; the data has {sorted(judgments.labels)}.")
        labels = judgments.labels[name]
        if pool in judgments.pools:
            labels = restricted(labels, judgments.pools[pool])
        hits = find_hits(rankings[pool], labels, max(spec.k for spec in alike))
        values |= {spec.key: _measure(spec, hits, judgments.groups, judgments.lacking) for spec in alike}
    return {spec.key: values[spec.key] for spec in specs}


def _measure(spec: MetricSpec, hits: Hits, groups: Rows | None, lacking: Rows | None = None) -> Floats:
    if spec.name == "group_hit":
        if groups is None:
            raise DataError(f"{spec.key} needs queries that belong together, but the judgments have no groups.")
        return group_hit(hits, spec.k, groups)
    judged = hits.relevant.sizes() + (0 if lacking is None else lacking) > 0
    return np.where(judged, METRICS[spec.name](hits, spec.k), np.nan)


def _precision_sum(hits: Hits, k: int) -> Floats:
    return hits.total(k, hits.nth / hits.rank)


def _ideal_gain(relevant: Sets, k: int) -> Floats:
    """Return [n_q] the discounted gain of the `k` best grades of each query, best first."""
    query = owners(relevant)
    place = count_up(query, len(relevant))
    gains = (place <= k) / np.log2(place + 1.0)
    if relevant.grades is not None:
        gains *= relevant.grades[np.lexsort((-relevant.grades, query))]
    return np.bincount(query, gains, minlength=len(relevant)).astype(np.float64)
