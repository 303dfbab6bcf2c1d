"""Every query's scores behind a result, read strictly: a file that does not bear the result out is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mbench.core.arrow import floats
from mbench.core.errors import DataError, UserError, listed
from mbench.core.results import SCORES, TaskResult
from mbench.core.types import Floats, Rows
from mbench.publish.comparison.operands import Found
from mbench.scoring.stats import mean

TOLERANCE = 1e-9
"""How far the mean of the queries may lie from the value of the result: rounding, no more."""


@dataclass(frozen=True, slots=True)
class QueryScores:
    """The `columns` [n_q] by metric key (NaN: not judged) of the queries `ids`, and the file that they are from."""

    path: Path
    ids: tuple[str, ...]
    columns: Mapping[str, Floats]


def read_scores(found: Found) -> QueryScores:
    """Read `<task>.queries.parquet` beside a result and check it against the result.

    Raises DataError that names the file and the column when it is missing, damaged, of another form, holds NaN,
    infinity or what is no fraction, or has other means than the result: then one of the two was changed after the run.
    """
    path = found.path.with_name(found.path.stem + SCORES)
    table = _table(path)
    ids = _ids(path, table)
    columns = {key: _column(path, table, key) for key in found.result.metrics}
    _check_counts(path, found.result, columns, len(ids))
    return QueryScores(path, ids, columns)


def aligned(scores: QueryScores, ids: tuple[str, ...], other: Path) -> QueryScores:
    """Return the scores in the order of `ids`, those of the file `other`. Raises UserError for other queries."""
    if scores.ids == ids:
        return scores
    place = {name: row for row, name in enumerate(scores.ids)}
    if set(ids) != set(place):
        apart = sorted(set(ids) ^ set(place))
        raise UserError(
            f"{scores.path} and {other} hold different queries: {len(apart)} are in one only: {listed(apart)}."
        )
    order: Rows = np.array([place[name] for name in ids], dtype=np.int64)
    return QueryScores(scores.path, ids, {key: values[order] for key, values in scores.columns.items()})


def _table(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise DataError(f"{path}: the scores of the queries are not there; run the model again to write them.")
    try:
        return pq.ParquetFile(path).read()  # read_table would import pyarrow.dataset and pandas
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error}); run the model again.") from None


def _ids(path: Path, table: Any) -> tuple[str, ...]:
    import pyarrow as pa

    if "query_id" not in table.column_names or not pa.types.is_string(table["query_id"].type):
        raise DataError(f"{path}: expected a text column query_id; found the columns {listed(table.column_names)}.")
    ids = tuple(table["query_id"].to_pylist())
    wrong = [name for name, times in Counter(ids).items() if times > 1 or name is None]
    if wrong:
        raise DataError(f"{path}: query_id: {listed(wrong)}: empty or more than once; each query has one row.")
    return ids


def _column(path: Path, table: Any, key: str) -> Floats:
    import pyarrow as pa

    if table.column_names.count(key) != 1 or not pa.types.is_floating(table[key].type):
        raise DataError(f"{path}: expected one column of numbers {key!r}; found {listed(table.column_names)}.")
    column = table[key]
    values = floats(column)
    wrong = int(np.count_nonzero(~np.isfinite(values))) - column.null_count
    if wrong:
        raise DataError(f"{path}: {key}: {wrong} values are NaN or infinite; a query that is not judged is null.")
    if (values < 0).any() or (values > 1).any():
        worst = values[(values < 0) | (values > 1)][0]
        raise DataError(f"{path}: {key}: {worst} is not a score; every metric is between 0 and 1 for a query.")
    return values


def _check_counts(path: Path, result: TaskResult, columns: Mapping[str, Floats], rows: int) -> None:
    """Compare the file with its result: as many queries, and the same means over as many judged ones."""
    edited = "one of the two was changed after the run"
    if rows != result.counts.queries:
        raise DataError(f"{path}: {rows} queries, but the result counts {result.counts.queries}: {edited}.")
    for key, values in columns.items():
        judged, told = int(np.count_nonzero(~np.isnan(values))), result.metrics[key]
        if judged != told.n:
            raise DataError(f"{path}: {key}: {judged} judged queries, but the result has {told.n}: {edited}.")
        if abs(mean(values) - told.value) > TOLERANCE:
            raise DataError(f"{path}: {key}: the mean is {mean(values)}, but the result says {told.value}: {edited}.")
