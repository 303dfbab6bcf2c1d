"""Is a ranking plausible? What any honest search leaves, checked before a number is computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mbench.core.arrow import integers
from mbench.core.errors import PredictionError
from mbench.core.specs import TaskSpec
from mbench.core.types import MAIN_POOL, EvalData, Floats, Rankings, Rows, Sets
from mbench.data.judging import GALLERY
from mbench.data.prediction_files import RankedLists, read_lists
from mbench.data.table import lookup
from mbench.publish.submission.parquet import read_rankings
from mbench.publish.submission.probe import probe

LARGE_SHARE = 0.5
"""Of the queries: beyond it, lists in which everything ties must be those that the tie rule gives."""

Flags = npt.NDArray[np.bool_]


class RankingError(Exception):
    """A ranking that no honest search leaves, and why; `code` names the kind of reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Entries:
    """All places of one pool's ranking in the order of the file: query, candidate and score of each, rank from 0.

    `queries` and `candidates` are rows of the task's data, or numbers of their own where the data are not at hand.
    """

    queries: Rows
    candidates: Rows
    scores: Floats
    ranks: Rows


def read_all(paths: Mapping[str, Path]) -> dict[str, RankedLists]:
    """Return the ranked lists by pool, of one Parquet file ("") or of TREC runs. Raises RankingError, ParquetError."""
    if "" in paths:
        probe().require(paths[""])
        return read_rankings(paths[""])
    try:
        return {pool: read_lists(path)[MAIN_POOL] for pool, path in paths.items()}
    except (PredictionError, OSError, KeyError) as error:
        raise RankingError("ranking-trec", str(error)) from None


def plausible(lists: RankedLists, pool: str, spec: TaskSpec, *, sorted_file: bool) -> None:
    """Check what needs no data: distinct queries and candidates, finite scores that never rise, enough depth.

    `sorted_file`: a Parquet file has its lists in order, a TREC run need not. Raises RankingError.
    """
    queries = lists.queries.dictionary_encode()
    if len(queries.dictionary) < len(queries):
        raise RankingError("ranking-queries", "a query stands twice")
    entries = _entries(lists, np.arange(len(queries)), integers(lists.candidates.dictionary_encode().indices))
    _check_numbers(entries, lists, sorted_file)
    galleries = pool != MAIN_POOL or spec.candidates.pool == GALLERY
    if spec.sizes and not galleries:
        shallow = np.diff(lists.starts) < min(deepest(spec, pool), spec.sizes.candidates - 1)
        _refuse(shallow, lists, "ranking-depth", f"fewer than {deepest(spec, pool)} candidates")


def judged(lists: RankedLists, pool: str, spec: TaskSpec, data: EvalData, *, sorted_file: bool) -> Rankings:
    """Check a ranking against the task's data and return it, in canonical order. Raises RankingError.

    Beyond `plausible`: every query and no other, known candidates of the query's pool, none of the excluded, ties in
    the order of ids, and enough depth for the metrics (or the whole pool).
    """
    rows = _query_rows(lists, data)
    candidates = lookup(data.corpus, lists.candidates)
    if (unknown := np.flatnonzero(candidates < 0)).size:
        name = lists.candidates[int(unknown[0])].as_py()
        raise RankingError("ranking-unknown", f"{name[:60]!r} is no candidate of the task ({len(unknown)} entries)")
    entries = _entries(lists, rows, candidates)
    tie_ranks = data.corpus.tie_ranks()
    if not sorted_file:
        entries = _sorted(entries, tie_ranks)
    _check_members(entries, pool, data)
    _check_ties(entries, tie_ranks)
    reach = _reachable(pool, data)
    counts = np.bincount(entries.queries, minlength=len(data.queries))
    short = np.flatnonzero(counts < np.minimum(reach, deepest(spec, pool)))
    if short.size:
        query = data.queries.ids(short[:1])[0]
        said = f"{counts[short[0]]} candidates for query {query!r}; its metrics need {deepest(spec, pool)}"
        raise RankingError("ranking-depth", f"{said} ({short.size} such queries)")
    _check_cut(entries, pool, data, counts, reach)
    return _rankings(entries, counts)


def deepest(spec: TaskSpec, pool: str) -> int:
    """Return the deepest cut that a metric of a pool needs."""
    return max((metric.k for metric in spec.metrics if metric.pool == pool), default=1)


def _entries(lists: RankedLists, queries: Rows, candidates: Rows) -> Entries:
    sizes = np.diff(lists.starts)
    ranks = np.arange(len(candidates)) - np.repeat(lists.starts[:-1], sizes)
    scores = -ranks.astype(np.float64) if lists.scores is None else lists.scores
    return Entries(np.repeat(queries, sizes), candidates.astype(np.int64), scores, ranks)


def _check_numbers(entries: Entries, lists: RankedLists, sorted_file: bool) -> None:
    owner = np.repeat(np.arange(len(lists.queries)), np.diff(lists.starts))
    _refuse_at(~np.isfinite(entries.scores), owner, lists, "ranking-score", "a score that is no finite number")
    keys = np.sort(owner * (entries.candidates.max(initial=0) + 1) + entries.candidates)
    if (keys[1:] == keys[:-1]).any():
        raise RankingError("ranking-twice", "a candidate stands twice in the list of one query")
    if sorted_file:
        rises = (np.diff(entries.scores) > 0) & (np.diff(owner) == 0)
        _refuse_at(np.append(rises, False), owner, lists, "ranking-order", "scores that rise from one rank to the next")


def _query_rows(lists: RankedLists, data: EvalData) -> Rows:
    rows = lookup(data.queries, lists.queries)
    if (unknown := np.flatnonzero(rows < 0)).size:
        name = lists.queries[int(unknown[0])].as_py()
        raise RankingError("ranking-queries", f"the task has no query {name[:60]!r} ({unknown.size} such queries)")
    if len(rows) < len(data.queries):
        raise RankingError("ranking-queries", f"{len(rows)} queries; the task has {len(data.queries)}")
    return rows


def _check_members(entries: Entries, pool: str, data: EvalData) -> None:
    exclude = data.judgments.exclude
    if exclude is not None and (out := _inside(entries, exclude, len(data.corpus))).any():
        said = _place(entries, out, data)
        raise RankingError("ranking-excluded", f"{said}: an excluded candidate (the query's own picture)")
    allowed = data.judgments.pools.get(GALLERY if pool == MAIN_POOL else pool)
    if allowed is not None and (out := ~_inside(entries, allowed, len(data.corpus))).any():
        raise RankingError("ranking-pool", f"{_place(entries, out, data)}: not in the query's pool")


def _check_ties(entries: Entries, tie_ranks: Rows) -> None:
    """Equal scores stand in the order of ids, descending: nobody chooses which of them is first."""
    same = (np.diff(entries.scores) == 0) & (np.diff(entries.queries) == 0)
    wrong = same & (np.diff(tie_ranks[entries.candidates]) > 0)
    if wrong.any():
        raise RankingError("ranking-ties", f"equal scores are not in descending order of ids ({wrong.sum()} places)")


def _check_cut(entries: Entries, pool: str, data: EvalData, counts: Rows, reach: Rows) -> None:
    """Where everything ties in most lists, they must hold the greatest ids of the pool, as a complete search leaves."""
    first, last = entries.ranks == 0, np.append(np.diff(entries.queries) != 0, True)
    flat = np.zeros(len(counts), dtype=np.bool_)
    flat[entries.queries[first]] = entries.scores[first] == entries.scores[last]
    cut = flat & (counts < reach) & (counts > 1)
    if cut.sum() <= LARGE_SHARE * len(counts):
        return
    lowest = data.corpus.tie_ranks()[entries.candidates[last]]
    owner = entries.queries[last]
    skipped = (_above(lowest, owner, pool, data) > counts[owner]) & cut[owner]
    if skipped.sum() > LARGE_SHARE * cut.sum():
        raise RankingError("ranking-ties", "everything ties, and candidates that the tie rule puts first are left out")


def _above(lowest: Rows, owner: Rows, pool: str, data: EvalData) -> Rows:
    """Return [len(owner)] how many candidates of each query's pool have at least the tie rank of its last one."""
    ranks = data.corpus.tie_ranks()
    bound = np.zeros(len(data.queries), dtype=np.int64)
    bound[owner] = lowest
    allowed = data.judgments.pools.get(GALLERY if pool == MAIN_POOL else pool)
    counts = len(ranks) - bound if allowed is None else _counted(allowed, ranks, bound)
    if data.judgments.exclude is not None and allowed is None:
        counts = counts - _counted(data.judgments.exclude, ranks, bound)
    return counts[owner]


def _counted(sets: Sets, ranks: Rows, bound: Rows) -> Rows:
    query = np.repeat(np.arange(len(sets)), sets.sizes())
    return np.bincount(query[ranks[sets.rows] >= bound[query]], minlength=len(sets))


def _reachable(pool: str, data: EvalData) -> Rows:
    """Return [n_q] how many candidates a query can rank at all."""
    allowed = data.judgments.pools.get(GALLERY if pool == MAIN_POOL else pool)
    exclude = data.judgments.exclude
    sizes = np.full(len(data.queries), len(data.corpus)) if allowed is None else allowed.sizes()
    return sizes if exclude is None else np.maximum(sizes - exclude.sizes(), 0)


def _sorted(entries: Entries, tie_ranks: Rows) -> Entries:
    order = np.lexsort((-tie_ranks[entries.candidates], -entries.scores, entries.queries))
    queries = entries.queries[order]
    starts = np.flatnonzero(np.append(True, np.diff(queries) != 0)) if len(queries) else np.zeros(0, dtype=np.int64)
    ranks = np.arange(len(queries)) - np.repeat(starts, np.diff(np.append(starts, len(queries))))
    return Entries(queries, entries.candidates[order], entries.scores[order], ranks)


def _rankings(entries: Entries, counts: Rows) -> Rankings:
    shape = (len(counts), int(counts.max(initial=1)))
    ids, scores = np.full(shape, -1, dtype=np.int64), np.full(shape, -np.inf)
    ids[entries.queries, entries.ranks] = entries.candidates
    scores[entries.queries, entries.ranks] = entries.scores
    return Rankings(ids, scores)


def _inside(entries: Entries, sets: Sets, candidates: int) -> Flags:
    owner = np.repeat(np.arange(len(sets)), sets.sizes())
    return np.isin(entries.queries * candidates + entries.candidates, owner * candidates + sets.rows)


def _place(entries: Entries, wrong: Flags, data: EvalData) -> str:
    first = int(np.flatnonzero(wrong)[0])
    query, candidate = entries.queries[first : first + 1], entries.candidates[first : first + 1]
    return f"query {data.queries.ids(query)[0]!r} ranks {data.corpus.ids(candidate)[0]!r}"


def _refuse_at(wrong: Flags, owner: Rows, lists: RankedLists, code: str, what: str) -> None:
    rows = np.zeros(len(lists.queries), dtype=np.bool_)
    rows[owner[wrong]] = True
    _refuse(rows, lists, code, what)


def _refuse(wrong: Flags, lists: RankedLists, code: str, what: str) -> None:
    if wrong.any():
        query = lists.queries[int(np.flatnonzero(wrong)[0])].as_py()
        raise RankingError(code, f"query {query[:60]!r} has {what} ({int(wrong.sum())} such queries)")
