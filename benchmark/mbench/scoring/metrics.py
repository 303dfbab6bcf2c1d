"""Ranking metrics: one number a query, for all queries at once.

`find_hits` looks up once where the relevant candidates of every query stand; every metric then reads those few places,
so a further metric or cut costs next to nothing. A query without a relevant candidate is not judged: its value is NaN.
The number of relevant candidates counts all of them, also those that the ranking or its pool lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mbench.core.errors import DataError, PredictionError
from mbench.core.specs import MetricSpec
from mbench.core.types import Floats, Judgments, Rankings, Rows, Sets

CELLS_AT_ONCE = 1_000_000
"""How many places of a ranking are looked up at a time: bounds the working memory to some 30 MB."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The relevant candidates that were found, ordered by query, then rank.

    `query` [h] row, `rank` [h] from 1, `nth` [h] how many of the query's hits stand at this rank or above, `grade` [h].
    `relevant` holds all that each query should find, with grades above 0.
    """

    query: Rows
    rank: Rows
    nth: Rows
    grade: Floats
    relevant: Sets

    def total(self, k: int, weights: Floats | None = None) -> Floats:
        """Return [n_q] the number of hits down to rank `k`, or the sum of their `weights` [h]."""
        within = self.rank <= k
        chosen = None if weights is None else weights[within]
        return np.bincount(self.query[within], chosen, minlength=len(self.relevant)).astype(np.float64)

    def sizes(self) -> Floats:
        """Return [n_q] the number of relevant candidates; 1 for a query that has none, so that it can divide."""
        return np.maximum(self.relevant.sizes(), 1).astype(np.float64)


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
    """Return the [n_q] values of every metric by its key; `rankings` by pool. Metrics of one pool and label set share
    one look-up. Raises as `evaluate`, PredictionError for a missing pool and DataError for missing labels.
    """
    values: dict[str, Floats] = {}
    for pool, name in dict.fromkeys((spec.pool, spec.labels) for spec in specs):
        alike = [spec for spec in specs if (spec.pool, spec.labels) == (pool, name)]
        if pool not in rankings:
            raise PredictionError(f"{alike[0].key} needs a ranking of the pool {pool!r}; given are {sorted(rankings)}.")
        if name not in judgments.labels:
            raise DataError(f"{alike[0].key} needs the labels {name!r}; the data has {sorted(judgments.labels)}.")
        hits = find_hits(rankings[pool], judgments.labels[name], max(spec.k for spec in alike))
        values |= {spec.key: _measure(spec, hits, judgments.groups) for spec in alike}
    return {spec.key: values[spec.key] for spec in specs}


def find_hits(rankings: Rankings, labels: Sets, depth: int) -> Hits:
    """Find the relevant candidates among the first `depth` of every query.

    Raises PredictionError for rankings of another shape than the labels or with a relevant candidate listed twice.
    """
    check_rankings(rankings, len(labels))
    relevant = _positive(labels)
    ids = rankings.ids[:, :depth]
    query, rank, place = _look_up(ids, relevant)
    if len(place) and np.bincount(place).max() > 1:
        twice = int(np.flatnonzero(np.bincount(place) > 1)[0])
        raise PredictionError(f"Query row {_owners(relevant)[twice]} lists candidate row {relevant.rows[twice]} twice.")
    grades = np.ones(len(place)) if relevant.grades is None else relevant.grades[place]
    return Hits(query, rank, _nth(query, len(labels)), grades, relevant)


def check_rankings(rankings: Rankings, n_queries: int) -> None:
    """Refuse rankings that do not fit: raises PredictionError that says what was expected and found."""
    ids, scores = rankings.ids, rankings.scores
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise PredictionError(f"Rankings hold integer ids [queries, k]; found {ids.dtype} of shape {ids.shape}.")
    if ids.shape != scores.shape:
        raise PredictionError(f"Rankings have ids of shape {ids.shape} but scores of shape {scores.shape}.")
    if len(ids) != n_queries:
        raise PredictionError(f"Rankings hold {len(ids)} queries, the judgments {n_queries}; every query needs a row.")
    if ids.size and ids.min() < -1:
        raise PredictionError(f"Rankings hold candidate row {ids.min()}; rows count from 0, and -1 stands for none.")
    if np.isnan(scores).any():
        row = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
        raise PredictionError(f"The ranking of query row {row} has a score that is not a number (NaN).")


def judged(labels: Sets) -> npt.NDArray[np.bool_]:
    """Return [n_q] which queries have a relevant candidate: one with a grade above 0."""
    return _positive(labels).sizes() > 0


def own_groups(groups: Rows) -> Rows:
    """Return [n_q] the group numbers, with a number of its own for each query that is in none (-1)."""
    alone = groups.max(initial=-1) + 1 + np.arange(len(groups))
    return np.where(groups < 0, alone, groups)


def _measure(spec: MetricSpec, hits: Hits, groups: Rows | None) -> Floats:
    if spec.name == "group_hit":
        if groups is None:
            raise DataError(f"{spec.key} needs queries that belong together, but the judgments have no groups.")
        return group_hit(hits, spec.k, groups)
    return np.where(hits.relevant.sizes() > 0, METRICS[spec.name](hits, spec.k), np.nan)


def _positive(labels: Sets) -> Sets:
    """Return the labels with a grade above 0: trec_eval takes 0 and below for judged irrelevant."""
    if labels.grades is None or labels.grades.min(initial=1.0) > 0:
        return labels
    kept = labels.grades > 0
    starts = np.concatenate([[0], np.cumsum(kept)])[labels.starts]
    return Sets(starts, labels.rows[kept], labels.grades[kept])


def _owners(sets: Sets) -> Rows:
    return np.repeat(np.arange(len(sets)), sets.sizes())


def _look_up(ids: Rows, relevant: Sets) -> tuple[Rows, Rows, Rows]:
    """Return query row, rank and position in `relevant.rows` of each place of `ids` that is relevant to its query."""
    n_candidates = 1 + max(ids.max(initial=-1), relevant.rows.max(initial=-1))
    keys = _owners(relevant) * n_candidates + relevant.rows
    order = np.argsort(keys, kind="stable")
    keys = np.append(keys[order], np.iinfo(np.int64).max)
    wanted = np.zeros(n_candidates + 1, dtype=np.bool_)  # one more, for -1 to look up: never wanted
    wanted[relevant.rows] = True
    step = max(1, CELLS_AT_ONCE // max(1, ids.shape[1]))
    found = [np.zeros((3, 0), dtype=np.int64)]
    for start in range(0, len(ids), step):
        block = ids[start : start + step]
        query, column = np.nonzero(wanted[block])
        key = (query + start) * n_candidates + block[query, column]
        place = np.searchsorted(keys, key)
        right = keys[place] == key
        found.append(np.stack([query[right] + start, column[right] + 1, order[place[right]]]))
    query, rank, place = np.concatenate(found, axis=1)
    return query, rank, place


def _nth(query: Rows, n_queries: int) -> Rows:
    """Return for each element of the sorted `query` its place among those of the same query, from 1."""
    counts = np.bincount(query, minlength=n_queries)
    return np.arange(len(query)) - (np.cumsum(counts) - counts)[query] + 1


def _precision_sum(hits: Hits, k: int) -> Floats:
    return hits.total(k, hits.nth / hits.rank)


def _ideal_gain(relevant: Sets, k: int) -> Floats:
    """Return [n_q] the discounted gain of the `k` best grades of each query, best first."""
    owners = _owners(relevant)
    grades = np.ones(len(owners)) if relevant.grades is None else relevant.grades
    best_first = grades[np.lexsort((-grades, owners))]
    place = _nth(owners, len(relevant))
    gains = np.where(place <= k, best_first / np.log2(place + 1.0), 0.0)
    return np.bincount(owners, gains, minlength=len(relevant)).astype(np.float64)
