"""The check of a submission: read, then every number recomputed that the data at hand allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from mbench.core.errors import DataError, MbenchError, UserError
from mbench.core.types import EvalData, Rankings
from mbench.data.catalog import Catalog, Task
from mbench.data.checks import is_partial
from mbench.data.loading import load
from mbench.publish.contamination import verdict
from mbench.publish.submission import recompute
from mbench.publish.submission.copies import Others, judge_names, judge_rankings
from mbench.publish.submission.inspecting import inspect
from mbench.publish.submission.notes import Notes
from mbench.publish.submission.parquet import ParquetError, QueryTable, read_queries
from mbench.publish.submission.probe import probe
from mbench.publish.submission.rankings import RankingError, judged, plausible, read_all
from mbench.publish.submission.records import Finding, Inspected, Report, Status, Submitted, TaskReport
from mbench.publish.submission.results import SUPERSEDED
from mbench.publish.submission.sent import judge_sent

ONCE = (*SUPERSEDED, "name-lookalike", "duplicate-model", "copied-ranking", "date")
"""What keeps a submission from being accepted, but not from being shown: the day, and who came later, decide."""
DATASETS_KEPT = 12
"""Tasks whose data stay in memory: those of one suite, for the next submission."""


@dataclass(slots=True)
class Judge:
    """Checks submissions against one catalogue and one data folder; keeps the data of tasks between submissions.

    `known` are names that belong to registered models, which no other may look like. A `lenient` judge looks
    at what was accepted before: a task that has changed since, a model that resembles another are warnings.
    """

    catalog: Catalog
    data_root: Path | None = None
    known: Sequence[str] = ()
    now: datetime | None = None
    lenient: bool = False
    _data: dict[str, EvalData | str] = field(default_factory=dict)

    def check(self, folder: Path, others: Others | None = None) -> Report:
        """Check one submission, against `others` (default: those beside it). Raises UserError for no folder."""
        read = inspect(folder, self.catalog, now=self.now)
        return self._judged(read, others or Others.within(folder.resolve().parent, self.catalog))

    def check_all(self, submissions: Path) -> list[Report]:
        """Check every submission in a folder, against each other. Raises UserError for no folder."""
        if not submissions.is_dir():
            raise UserError(f"{submissions}: no such folder of submissions.")
        folders = sorted(path for path in submissions.iterdir() if path.is_dir() or path.is_symlink())
        read = [inspect(path, self.catalog, now=self.now) for path in folders]
        return [self._judged(one, Others(read)) for one in read]

    def _judged(self, read: Inspected, others: Others) -> Report:
        notes = Notes([self._weighed(one) for one in read.findings])
        if read.card is not None:
            notes.extend(map(self._weighed, judge_names(read, read.card, others, self.known)))
        outcomes = {one.place: self._result(one, notes) for one in read.results}
        sound = tuple(one for one in read.results if not _implausible(one, notes))
        notes.extend(map(self._weighed, judge_rankings(replace(read, results=sound), others)))
        self._groups(read, notes)
        reports = [self._report(mark, outcomes[mark.place], read, notes) for mark in read.marks]
        return Report(read.name, read.folder, read.card, tuple(reports), tuple(notes.found), read.results)

    def _weighed(self, one: Finding) -> Finding:
        """Return a finding with the weight that it has for what is new, or for what was accepted before."""
        if one.code not in ONCE:
            return one
        return one if one.severity == "info" else replace(one, severity="warning" if self.lenient else "error")

    def data(self, task: Task) -> EvalData | str:
        """Return a task's data, or why they are not at hand."""
        if task.id not in self._data:
            try:
                data = load(task, self.data_root)
                smaller = is_partial(task.spec, data)
                found: EvalData | str = "the pool on this machine is smaller than the official one" if smaller else data
            except DataError as error:
                found = str(error)
            if len(self._data) >= DATASETS_KEPT:
                self._data.pop(next(iter(self._data)))
            self._data[task.id] = found
        return self._data[task.id]

    def _result(self, one: Submitted, notes: Notes) -> str:
        """Recompute one result; return why it was not, or nothing."""
        task = self.catalog.all_tasks.get(one.result.task.id)
        if task is None or notes.errors(one.place):
            return "refused before anything was recomputed"
        if not _current(one, task):
            return "measured on an earlier version of the task"
        data = self.data(task) if task.spec.labels_public else "the labels are the server's"
        try:
            rankings = _rankings(one, task, None if isinstance(data, str) else data)
        except (ParquetError, RankingError) as error:
            notes.add(error.code, _ranking_file(one), str(error), task=one.place)
            return ""
        if not task.spec.labels_public:
            judge_sent(one, task, notes)
        elif isinstance(data, str):
            _without_data(one, notes)
        else:
            _with_data(one, task, data, rankings, notes)
        return data if isinstance(data, str) else ""

    def _groups(self, read: Inspected, notes: Notes) -> None:
        for one in read.groups:
            revision = one.result.model.revision
            beside = [r.result for r in read.results if r.result.model.revision == revision]
            results = {result.task.id: result for result in beside}
            for difference in recompute.group_differences(one.result, results, self.catalog):
                notes.add(difference.code, one.file, difference.message, task=f"{revision}/{one.result.group}")

    def _report(self, mark: TaskReport, reason: str, read: Inspected, notes: Notes) -> TaskReport:
        errors = notes.errors(mark.place)
        status: Status = "not recomputed" if reason else "recomputed"
        if mark.status == "server":
            status, reason = "server", mark.reason
        if errors:
            status, reason = "refused", errors[0].message
        task = self.catalog.all_tasks.get(mark.task)
        if task is None or read.card is None:
            return replace(mark, status=status, reason=reason)
        seen = verdict(read.card, task.spec)
        if seen.status == "seen":
            notes.add("trained-on", mark.file, seen.reason, task=mark.place, severity="info")
        return replace(mark, status=status, reason=reason, contamination=seen.status)


def check(
    folder: Path,
    *,
    catalog: Catalog | None = None,
    data_root: Path | None = None,
    known: Sequence[str] = (),
    now: datetime | None = None,
) -> Report:
    """Check a submission: what it holds, where it comes from, and every number against its evidence.

    Reads data only. Raises UserError when `folder` is no folder; whatever is wrong inside is in the report.
    """
    return Judge(catalog or Catalog.read(), data_root, known, now).check(folder)


def _implausible(one: Submitted, notes: Notes) -> bool:
    return any(error.code.startswith(("ranking-", "parquet-")) for error in notes.errors(one.place))


def _current(one: Submitted, task: Task) -> bool:
    ref, spec = one.result.task, task.spec
    return (ref.version, ref.protocol, ref.fingerprint) == (spec.version, spec.protocol, task.fingerprint)


def _rankings(one: Submitted, task: Task, data: EvalData | None) -> dict[str, Rankings]:
    """Return the rankings by pool, checked; none where the data are not at hand."""
    lists = read_all(one.rankings)
    asked = {metric.pool for metric in task.spec.metrics}
    if lacking := sorted(asked - set(lists)):
        raise RankingError("ranking-pool", f"there is no ranking of the pool {', '.join(lacking)}")
    in_order = "" in one.rankings
    for pool in asked:
        plausible(lists[pool], pool, task.spec, sorted_file=in_order)
    if data is None:
        return {}
    return {pool: judged(lists[pool], pool, task.spec, data, sorted_file=in_order) for pool in asked}


def _with_data(one: Submitted, task: Task, data: EvalData, rankings: dict[str, Rankings], notes: Notes) -> None:
    try:
        scores = recompute.recomputed(one.result, task.spec, data, rankings)
    except MbenchError as error:
        notes.add("ranking-unscored", _ranking_file(one), str(error), task=one.place)
        return
    for difference in recompute.differences(one, task.spec, data, rankings, scores):
        notes.add(difference.code, one.file, difference.message, task=one.place)
    table = _queries(one, notes)
    if table is not None:
        for difference in recompute.per_query_differences(table, data.queries.ids(), scores.per_query):
            notes.add(difference.code, one.file, difference.message, task=one.place)


def _without_data(one: Submitted, notes: Notes) -> None:
    table = _queries(one, notes)
    if table is not None:
        for difference in recompute.unsupported(one.result, table):
            notes.add(difference.code, one.file, difference.message, task=one.place)


def _queries(one: Submitted, notes: Notes) -> QueryTable | None:
    if one.per_query is None:
        said = "no scores by query lie beside it; pages cannot compare it query by query"
        notes.add("per-query-missing", one.file, said, task=one.place, severity="warning")
        return None
    try:
        probe().require(one.per_query)
        return read_queries(one.per_query)
    except ParquetError as error:
        notes.add(error.code, one.file.replace(".json", ".queries.parquet"), str(error), task=one.place)
        return None


def _ranking_file(one: Submitted) -> str:
    folder = one.file.rpartition("/")[0]
    return f"{folder}/{next(iter(one.rankings.values())).name}" if one.rankings else one.file
