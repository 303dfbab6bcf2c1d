"""What is exported: results with the rankings behind them, and rankings that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from mbench.core.errors import DataError, UserError
from mbench.core.results import GroupResult, TaskResult, read_result
from mbench.core.types import EvalData, Rankings
from mbench.data.catalog import Catalog, Task
from mbench.data.loading import load
from mbench.data.prediction_files import RankedLists, read_lists
from mbench.data.predictions import read_predictions
from mbench.publish.servers import Expected, check_server_file

RANKING = ".ranking.parquet"


@dataclass(frozen=True, slots=True)
class Exported:
    """A result, or a ranking that was made elsewhere: `name` is what its files are called, `rankings` are by pool.

    `task` is None for a group's result and for a task that no catalogue declares; `expected` are the ids that are known
    because the data were at hand.
    """

    name: str
    result: TaskResult | GroupResult | None = None
    task: Task | None = None
    ranking: Path | None = None
    lists: Mapping[str, RankedLists] | None = None
    expected: Expected | None = None

    def rankings(self) -> Mapping[str, RankedLists]:
        """Return the ranked lists by pool. Raises DataError when the result's ranking is not beside it."""
        if self.lists is not None:
            return self.lists
        if self.ranking is None or not self.ranking.is_file():
            raise DataError(f"{self.ranking or self.name}: the ranking behind the result is not there; run again.")
        return read_lists(self.ranking)


def results_at(path: Path, catalog: Catalog) -> list[Exported]:
    """Return the result of a JSON file, or all results in a model's folder. Raises UserError and DataError."""
    if not path.exists():
        raise UserError(f"{path}: there is no such result; name a result JSON or a folder of them.")
    # A task's id has no dot: files of servers and other exports do.
    files = [path] if path.is_file() else [one for one in sorted(path.glob("*.json")) if "." not in one.stem]
    if not files:
        raise UserError(f"{path}: no results; expected <task>.json in the folder of a model's revision.")
    return [_exported(file, read_result(file), catalog) for file in files]


def ranking_at(path: Path, task: Task, data_root: Path | None) -> Exported:
    """Return a ranking made elsewhere (TREC run, server file, Parquet), checked against the task's data.

    Raises PredictionError for a ranking that does not fit the task, DataError when its data are missing.
    """
    data = load(task, data_root)
    lists = {pool: _lists(one, data) for pool, one in read_predictions(path, data).items()}
    return Exported(task.id, task=task, lists=lists, expected=_known(data))


def check_for_server(path: Path, task: Task, data_root: Path | None) -> str:
    """Check a file that was made for a task's server against the task's data; return which of its files it is.

    Raises PredictionError for what the server would refuse, DataError when the data are missing.
    """
    return check_server_file(path, task.spec, _known(load(task, data_root))).name


def _known(data: EvalData) -> Expected:
    return Expected(len(data.queries), set(data.queries.ids()), set(data.corpus.ids()))


def _exported(path: Path, result: TaskResult | GroupResult, catalog: Catalog) -> Exported:
    if isinstance(result, GroupResult):
        return Exported(result.group, result)
    task = catalog.all_tasks.get(result.task.id)
    return Exported(result.task.id, result, task, path.with_name(result.task.id + RANKING))


def _lists(rankings: Rankings, data: EvalData) -> RankedLists:
    found = rankings.ids >= 0
    starts = np.concatenate([[0], np.cumsum(found.sum(axis=1))]).astype(np.int64)
    names = pa.array(data.corpus.ids(rankings.ids[found]), pa.string())
    return RankedLists(pa.array(data.queries.ids(), pa.string()), starts, names, rankings.scores[found])
