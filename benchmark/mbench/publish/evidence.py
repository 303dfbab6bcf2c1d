"""The evidence beside a result: every query's scores and the rankings, read as data that anybody may have written.

Files are opened only where they lie beside the result itself, by the reader that judges submissions, once its probe has
endured them. Evidence that is missing, broken or at odds with its result is None: pages then show the result's own
numbers alone, and what could not be read is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from mbench.core.results import RANKINGS, SCORES, Value
from mbench.core.types import MAIN_POOL, Floats
from mbench.data.prediction_files import RankedLists
from mbench.publish.collect import Entry
from mbench.publish.submission import limits
from mbench.publish.submission.parquet import ParquetError, QueryTable, read_queries, read_rankings
from mbench.publish.submission.probe import probe

Read = TypeVar("Read")

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


@dataclass(frozen=True, slots=True)
class Evidence:
    """Reads the evidence of a site's results, and keeps what was wrong with it, by the name of the file."""

    wrong: dict[str, str] = field(default_factory=dict)

    def expect(self, entries: Iterable[Entry], ending: str = SCORES) -> None:
        """Have the files of `entries` read ahead: scores by query, or rankings."""
        probe().expect(path for entry in entries if (path := _beside(entry, ending)) is not None)

    def query_scores(self, entry: Entry, key: str) -> QueryScores | None:
        """Return the values of metric `key` for each query, or None where nothing sound bears out the result's own."""
        table = self._read(entry, SCORES, read_queries) if key in entry.result.metrics else None
        return None if table is None else _sound(table, key, entry.result.metrics[key])

    def tops(self, entry: Entry, queries: Sequence[str], k: int) -> dict[str, tuple[str, ...]] | None:
        """Return the first `k` candidates of each of `queries` that the ranking holds, or None for no sound ranking."""
        lists = self._ranking(entry)
        if lists is None:
            return None
        rows = {name: row for row, name in enumerate(lists.queries.to_pylist())}
        return {query: _first(lists, rows[query], k) for query in queries if query in rows}

    def first_scores(self, entry: Entry) -> QueryScores | None:
        """Return the score of each query's first candidate (NaN for none), or None without a sound ranking."""
        lists = self._ranking(entry)
        if lists is None or lists.scores is None:
            return None
        values = np.full(len(lists.queries), np.nan)
        full = np.diff(lists.starts) > 0
        values[full] = lists.scores[lists.starts[:-1][full]]
        return QueryScores(tuple(lists.queries.to_pylist()), np.where(np.isfinite(values), values, np.nan))

    def _ranking(self, entry: Entry) -> RankedLists | None:
        pools = self._read(entry, RANKINGS, read_rankings)
        return None if pools is None else pools[MAIN_POOL]

    def _read(self, entry: Entry, ending: str, read: Callable[[Path], Read]) -> Read | None:
        path = _beside(entry, ending)
        if path is None:
            return None
        try:
            probe().require(path)
            return read(path)
        except (ParquetError, OSError) as error:
            self.wrong[entry.where.removesuffix(".json") + ending] = str(error)
            return None


def _sound(table: QueryTable, key: str, stated: Value) -> QueryScores | None:
    if key not in table.columns or len(set(table.queries)) != len(table.queries):
        return None
    found = QueryScores(table.queries, table.columns[key])
    sound = not np.isinf(found.values).any() and len(found.judged) == stated.n
    return found if sound and abs(float(found.judged.mean()) - stated.value) < TOLERANCE else None


def _first(lists: RankedLists, row: int, k: int) -> tuple[str, ...]:
    start, end = int(lists.starts[row]), int(lists.starts[row + 1])
    return tuple(lists.candidates[start : min(end, start + k)].to_pylist())


def _beside(entry: Entry, ending: str) -> Path | None:
    if entry.path is None:
        return None
    path = entry.path.with_name(entry.path.stem + ending)
    return path if path.is_file() and not path.is_symlink() and path.stat().st_size <= limits.FILE_BYTES else None
