"""The evidence beside a result: every query's scores and the rankings, read as data that anybody may have written.

Files are opened only where they lie beside the result itself, by the reader that judges submissions. Evidence that is
missing, broken or at odds with its result is None: pages then show the result's own numbers alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mbench.core.results import RANKINGS, SCORES
from mbench.core.types import MAIN_POOL, Floats
from mbench.data.prediction_files import RankedLists
from mbench.publish.collect import Entry
from mbench.publish.submission import limits
from mbench.publish.submission.parquet import ParquetError, read_queries, read_rankings

TOLERANCE = 1e-9
"""How far the mean of the queries may lie from the value of the result: rounding, no more."""


@dataclass(frozen=True, slots=True)
class QueryScores:
    """One metric of one result: `values` [n_q] (NaN: not judged) for the queries `ids`."""

    ids: tuple[str, ...]
    values: Floats

    @property
    def judged(self) -> Floats:
        """The values of the judged queries alone."""
        return self.values[~np.isnan(self.values)]


def query_scores(entry: Entry, key: str) -> QueryScores | None:
    """Return the values of metric `key` for each query, or None where nothing sound bears out the result's own."""
    path, stated = _beside(entry, SCORES), entry.result.metrics.get(key)
    if path is None or stated is None:
        return None
    try:
        table = read_queries(path)
    except ParquetError:
        return None
    if key not in table.columns or len(set(table.queries)) != len(table.queries):
        return None
    found = QueryScores(table.queries, table.columns[key])
    sound = not np.isinf(found.values).any() and len(found.judged) == stated.n
    return found if sound and abs(float(found.judged.mean()) - stated.value) < TOLERANCE else None


def tops(entry: Entry, queries: Sequence[str], k: int) -> dict[str, tuple[str, ...]] | None:
    """Return the first `k` candidates of each of `queries` that the ranking holds, or None without a sound ranking."""
    lists = _ranking(entry)
    if lists is None:
        return None
    rows = {name: row for row, name in enumerate(lists.queries.to_pylist())}
    return {query: _first(lists, rows[query], k) for query in queries if query in rows}


def first_scores(entry: Entry) -> QueryScores | None:
    """Return the score of each query's first candidate (NaN for none), or None without a sound ranking."""
    lists = _ranking(entry)
    if lists is None or lists.scores is None:
        return None
    values = np.full(len(lists.queries), np.nan)
    full = np.diff(lists.starts) > 0
    values[full] = lists.scores[lists.starts[:-1][full]]
    return QueryScores(tuple(lists.queries.to_pylist()), np.where(np.isfinite(values), values, np.nan))


def _ranking(entry: Entry) -> RankedLists | None:
    path = _beside(entry, RANKINGS)
    if path is None:
        return None
    try:
        return read_rankings(path)[MAIN_POOL]
    except ParquetError:
        return None


def _first(lists: RankedLists, row: int, k: int) -> tuple[str, ...]:
    start, end = int(lists.starts[row]), int(lists.starts[row + 1])
    return tuple(lists.candidates[start : min(end, start + k)].to_pylist())


def _beside(entry: Entry, ending: str) -> Path | None:
    if entry.path is None:
        return None
    path = entry.path.with_name(entry.path.stem + ending)
    return path if path.is_file() and not path.is_symlink() and path.stat().st_size <= limits.FILE_BYTES else None
