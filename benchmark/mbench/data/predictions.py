"""Rankings that were made elsewhere, checked against a task's data before anything is computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mbench.core.errors import PredictionError, listed, nearest
from mbench.core.specs import TaskSpec
from mbench.core.types import MAIN_POOL, EvalData, Floats, Rankings, Rows, Sets
from mbench.data.judging import GALLERY
from mbench.data.prediction_files import RankedLists, read_lists
from mbench.data.table import lookup

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Entries:
    """All entries of one pool: query row, candidate row and score of each."""

    queries: Rows
    candidates: Rows
    scores: Floats

    def only(self, chosen: Flags | Rows) -> _Entries:
        return _Entries(self.queries[chosen], self.candidates[chosen], self.scores[chosen])


def read_predictions(path: Path, data: EvalData) -> dict[str, Rankings]:
    """Return the rankings of a file by pool, in our order: score descending, then candidate id descending.

    Where a format has no scores, the order given counts. Excluded candidates (the reference picture of CIRR) are left
    out before any cut. A pool that the file does not rank is read off the main ranking if that holds all of the pool
    for every judged query, and else is absent. Raises PredictionError: a file that does not follow its format, an
    unknown query or candidate, a judged query without a ranking, a candidate twice in one list or outside of the
    query's pool, a score that is no finite number.
    """
    found = read_lists(path)
    known = [MAIN_POOL, *(name for name in data.judgments.pools if name != GALLERY)]
    for pool in found:
        if pool not in known:
            raise PredictionError(f"{path}: ranks the pool {pool!r}; this task has {listed(known)}.")
    entries = {pool: _checked(path, pool, lists, data) for pool, lists in found.items()}
    for pool, members in data.judgments.pools.items():
        if pool not in (GALLERY, *entries) and MAIN_POOL in entries:
            within = entries[MAIN_POOL].only(_inside(entries[MAIN_POOL], members, len(data.corpus)))
            entries |= {pool: within} if _whole(within, pool, data) else {}
    return {pool: _ordered(one, data) for pool, one in entries.items()}


def ranked_part(spec: TaskSpec, rankings: Mapping[str, Rankings]) -> TaskSpec:
    """Return the task with the metrics that `rankings` allow: a server's file may rank one of several pools.

    Where the primary metric is not among them, the first that is stands in for it, and there are no slices. Raises
    PredictionError when no metric is left.
    """
    metrics = [metric for metric in spec.metrics if metric.pool in rankings]
    if not metrics:
        asked = listed(dict.fromkeys(metric.pool for metric in spec.metrics))
        raise PredictionError(f"{spec.id} is scored on the pools {asked}, but the file ranks {listed(rankings)}.")
    keys = [metric.key for metric in metrics]
    averages = {name: parts for name, parts in spec.averages.items() if set(parts) <= set(keys)}
    left = [*keys, *averages]
    update = {"metrics": metrics, "averages": averages, "primary": spec.primary if spec.primary in left else keys[0]}
    return spec.model_copy(update=update | ({} if spec.sliced in left else {"slices": [], "slice_metric": ""}))


def _checked(path: Path, pool: str, lists: RankedLists, data: EvalData) -> _Entries:
    queries = _known_queries(path, lists, data)
    _check_complete(path, pool, queries[np.diff(lists.starts) > 0], data)
    entries = _entries(path, lists, queries, data)
    _refuse_twice(path, entries, data)
    if data.judgments.exclude is not None:
        entries = entries.only(~_inside(entries, data.judgments.exclude, len(data.corpus)))
    allowed = _pool(pool, data)
    if allowed is not None:
        name = GALLERY if pool == MAIN_POOL else pool
        _refuse(path, entries.only(~_inside(entries, allowed, len(data.corpus))), data, f"outside of its {name} pool")
    return entries


def _pool(pool: str, data: EvalData) -> Sets | None:
    return data.judgments.pools.get(GALLERY if pool == MAIN_POOL else pool)


def _whole(within: _Entries, pool: str, data: EvalData) -> bool:
    """Tell whether entries taken from the main ranking are all of a pool, for every judged query."""
    members = data.judgments.pools[pool]
    everything = _Entries(
        np.repeat(np.arange(len(members)), members.sizes()), members.rows, np.zeros(len(members.rows))
    )
    if data.judgments.exclude is not None:
        everything = everything.only(~_inside(everything, data.judgments.exclude, len(data.corpus)))
    lacking = np.bincount(everything.queries, minlength=len(members)) != np.bincount(
        within.queries, minlength=len(members)
    )
    return not (lacking & _judged(data)).any()


def _judged(data: EvalData) -> Flags:
    """Return [n_q] which queries count: those with a right answer; where the labels are withheld, all."""
    labels = data.judgments.labels.get("relevant")
    return np.ones(len(data.queries), dtype=np.bool_) if labels is None else labels.sizes() > 0


def _known_queries(path: Path, lists: RankedLists, data: EvalData) -> Rows:
    rows = lookup(data.queries, lists.queries)
    unknown = [lists.queries[int(place)].as_py() for place in np.flatnonzero(rows < 0)]
    if unknown:
        near = nearest(unknown[0], data.queries.ids()[:100_000])
        guess = f" Nearest to the first: {near[0]!r}." if near else ""
        raise PredictionError(
            f"{path}: {len(unknown)} query ids that the task does not have: {listed(map(repr, unknown))}.{guess}"
        )
    numbers, counts = np.unique(rows, return_counts=True)
    if counts.max(initial=1) > 1:
        raise PredictionError(f"{path}: query {data.queries.ids(numbers[counts > 1])[0]!r} stands more than once.")
    return rows


def _check_complete(path: Path, pool: str, ranked: Rows, data: EvalData) -> None:
    without = _judged(data)
    without[ranked] = False
    missing = np.flatnonzero(without).astype(np.int64)
    if len(missing):
        names = listed(map(repr, data.queries.ids(missing)))
        raise PredictionError(
            f"{path}: {len(missing)} of {len(data.queries)} queries have no ranking of the {pool} pool: {names}. "
            "A score is the mean over all judged queries."
        )


def _entries(path: Path, lists: RankedLists, queries: Rows, data: EvalData) -> _Entries:
    sizes = np.diff(lists.starts)
    owner = np.repeat(queries, sizes)
    rows = lookup(data.corpus, lists.candidates)
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        name = lists.candidates[int(unknown[0])].as_py()
        query = data.queries.ids(owner[unknown[:1]])[0]
        raise PredictionError(
            f"{path}: query {query!r} ranks {name!r}, which is no candidate of the task ({len(unknown)} such entries)."
        )
    if lists.scores is None:
        places = np.arange(len(rows)) - np.repeat(lists.starts[:-1], sizes)
        return _Entries(owner, rows, (-places).astype(np.float64))
    entries = _Entries(owner, rows, lists.scores)
    _refuse(path, entries.only(~np.isfinite(lists.scores)), data, "with a score that is no finite number")
    return entries


def _refuse_twice(path: Path, entries: _Entries, data: EvalData) -> None:
    order = np.lexsort((entries.candidates, entries.queries))
    one = entries.only(order)
    same = (one.queries[1:] == one.queries[:-1]) & (one.candidates[1:] == one.candidates[:-1])
    _refuse(path, one.only(np.flatnonzero(same)), data, "twice")


def _inside(entries: _Entries, sets: Sets, candidates: int) -> Flags:
    """Return for each entry whether its candidate is in its query's set."""
    owner = np.repeat(np.arange(len(sets)), sets.sizes())
    return np.isin(entries.queries * candidates + entries.candidates, owner * candidates + sets.rows)


def _refuse(path: Path, wrong: _Entries, data: EvalData, what: str) -> None:
    if len(wrong.queries):
        query = data.queries.ids(wrong.queries[:1])[0]
        candidate = data.corpus.ids(wrong.candidates[:1])[0]
        more = f" ({len(wrong.queries)} such entries)" if len(wrong.queries) > 1 else ""
        raise PredictionError(f"{path}: query {query!r} ranks {candidate!r} {what}{more}.")


def _ordered(entries: _Entries, data: EvalData) -> Rankings:
    ranks = data.corpus.tie_ranks()[entries.candidates]
    one = entries.only(np.lexsort((-ranks, -entries.scores, entries.queries)))
    counts = np.bincount(one.queries, minlength=len(data.queries))
    place = np.arange(len(one.queries)) - np.repeat(np.cumsum(counts) - counts, counts)
    shape = (len(data.queries), int(counts.max(initial=1)))
    ids, scores = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf)
    ids[one.queries, place] = one.candidates
    scores[one.queries, place] = one.scores
    return Rankings(ids, scores)
