"""Where the relevant candidates of every query stand in its ranking: looked up once, read by every metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mbench.core.errors import PredictionError
from mbench.core.types import Floats, Rankings, Rows, Sets
from mbench.scoring.lookup import look_up


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


def find_hits(rankings: Rankings, labels: Sets, depth: int) -> Hits:
    """Find the relevant candidates among the first `depth` of every query.

    Raises PredictionError for rankings of another shape than the labels or with a relevant candidate listed twice.
    """
    check_rankings(rankings, len(labels))
    relevant = _positive(labels)
    found = look_up(rankings.ids[:, :depth], relevant)
    times = np.bincount(found.relevant)
    if times.max(initial=0) > 1:
        twice = int(np.flatnonzero(times > 1)[0])
        raise PredictionError(f"Query row {owners(relevant)[twice]} lists candidate row {relevant.rows[twice]} twice.")
    grades = np.ones(len(found.query)) if relevant.grades is None else relevant.grades[found.relevant]
    return Hits(found.query, found.rank, count_up(found.query, len(labels)), grades, relevant)


def check_rankings(rankings: Rankings, n_queries: int) -> None:
    """Refuse rankings that do not fit: raises PredictionError that says what was expected and found."""
    ids, scores = rankings.ids, rankings.scores
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.signedinteger):
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


def restricted(labels: Sets, pool: Sets) -> Sets:
    """Return the labels of each query that are in its pool."""
    width = max(labels.rows.max(initial=0), pool.rows.max(initial=0)) + 1
    query = owners(labels)
    inside = np.isin(query * width + labels.rows, owners(pool) * width + pool.rows)
    starts = np.concatenate([[0], np.cumsum(np.bincount(query[inside], minlength=len(labels)))])
    return Sets(starts, labels.rows[inside], None if labels.grades is None else labels.grades[inside])


def _positive(labels: Sets) -> Sets:
    """Return the labels with a grade above 0: trec_eval takes 0 and below for judged irrelevant."""
    if labels.grades is None or labels.grades.min(initial=1.0) > 0:
        return labels
    kept = labels.grades > 0
    starts = np.concatenate([[0], np.cumsum(kept)])[labels.starts]
    return Sets(starts, labels.rows[kept], labels.grades[kept])


def owners(sets: Sets) -> Rows:
    """Return for each element of `sets.rows` the query that it belongs to."""
    return np.repeat(np.arange(len(sets)), sets.sizes())


def count_up(query: Rows, n_queries: int) -> Rows:
    """Return for each element of `query`, which ascends, its place among those of the same query, from 1."""
    counts = np.bincount(query, minlength=n_queries)
    return np.arange(len(query)) - (np.cumsum(counts) - counts)[query] + 1
