"""Results in the formats of other tools: TREC runs, files for test servers, CSV, and the sheets of other leaderboards.

Numbers are copied, never computed here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mbench.core.errors import PredictionError, UnknownNameError, UserError, listed
from mbench.core.files import write_text
from mbench.core.results import GroupResult, TaskResult, Value, safe_name
from mbench.core.types import MAIN_POOL
from mbench.data.prediction_files import RankedLists
from mbench.publish.exported import Exported
from mbench.publish.servers import SERVERS, server_of, write_server_files
from mbench.publish.sheets import hugging_face, mmeb, mteb

CSV_COLUMNS = ("model", "revision", "task", "version", "protocol", "partial", "variant", "metric", "slice")
CSV_NUMBERS = ("value", "low", "high", "n")

Writer = Callable[[Sequence[Exported], Path], list[Path]]


def export(exported: Sequence[Exported], name: str, folder: Path) -> list[Path]:
    """Write `exported` in the format `name` below `folder`; return the files.

    Raises UnknownNameError for an unknown format, PredictionError for what a server would refuse, DataError for a
    ranking that is missing, OutputError.
    """
    if name not in FORMATS:
        raise UnknownNameError("format", name, FORMATS, f"Known are {', '.join(FORMATS)}.")
    return FORMATS[name](exported, folder)


def unwritten(exported: Sequence[Exported], name: str) -> list[str]:
    """Return which files of the server `name` no ranking allows, and why: a pool that the ranking does not hold."""
    lacking = []
    for one in exported:
        files = server_of(one.task.spec) if one.task is not None and one.task.spec.source.loader == name else ()
        pools = one.rankings() if files else {}
        lacking += [
            f"{one.name}.{file.name}.json: the ranking does not hold the whole pool {file.pool!r} of every query"
            for file in files
            if file.pool not in pools
        ]
    return lacking


def _trec(exported: Sequence[Exported], folder: Path) -> list[Path]:
    """Write a run of six columns for each ranked pool: `<task>.trec`, `<task>.<pool>.trec`."""
    written = []
    for one in _tasks(exported, "trec"):
        tag = safe_name(one.result.model.id) if isinstance(one.result, TaskResult) else "mbench"
        for pool, lists in one.rankings().items():
            path = folder / f"{one.name}{'' if pool == MAIN_POOL else f'.{pool}'}.trec"
            write_text(path, "".join(_trec_lines(path, lists, tag)))
            written.append(path)
    return written


def _trec_lines(path: Path, lists: RankedLists, tag: str) -> list[str]:
    names, starts = lists.candidates.to_pylist(), lists.starts.tolist()
    queries = lists.queries.to_pylist()
    spaced = next((name for name in [*queries, *names] if len(name.split()) != 1), None)
    if spaced is not None:
        raise PredictionError(
            f"{path}: a TREC run separates columns by spaces, so the id {spaced!r} cannot be written."
        )
    scores = [float(-place) for place in range(len(names))] if lists.scores is None else lists.scores.tolist()
    return [
        f"{query} Q0 {names[place]} {place - start + 1} {scores[place]!r} {tag}\n"
        for query, start, end in zip(queries, starts, starts[1:], strict=False)
        for place in range(start, end)
    ]


def _csv(exported: Sequence[Exported], folder: Path) -> list[Path]:
    """Write every score, a line each, as `scores.csv`."""
    rows = [row for one in exported if one.result is not None for row in _csv_rows(one.result)]
    if not rows:
        raise UserError(f"{listed(one.name for one in exported)}: no scores to export.")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([(*CSV_COLUMNS, *CSV_NUMBERS), *rows])
    path = folder / "scores.csv"
    write_text(path, text.getvalue())
    return [path]


def _csv_rows(result: TaskResult | GroupResult) -> list[tuple[object, ...]]:
    what: tuple[object, ...]
    parts = {"": result.metrics}
    if isinstance(result, TaskResult):
        what = (result.task.id, result.task.version, result.task.protocol)
        for tag, values in result.slices.items():
            parts |= {f"{tag}={name}": metrics for name, metrics in values.items()}
    else:
        what = (result.group, "", "")
    head = (result.model.id, result.model.revision, *what, result.partial, result.variant)
    return [(*head, key, part, *_numbers(one)) for part, metrics in parts.items() for key, one in metrics.items()]


def _numbers(value: Value) -> tuple[object, ...]:
    return value.value, value.low, value.high, value.n


def _server(server: str) -> Writer:
    def write(exported: Sequence[Exported], folder: Path) -> list[Path]:
        """Write the files for the server of each task that has this one."""
        mine = [one for one in exported if one.task is not None and one.task.spec.source.loader == server]
        if not mine:
            raise UserError(f"None of {listed(one.name for one in exported)} is a task of the server of {server}.")
        files = [(one.task, one.rankings(), one.expected) for one in mine if one.task is not None]
        return [path for task, lists, known in files for path in write_server_files(folder, task.spec, lists, known)]

    return write


def _tasks(exported: Sequence[Exported], name: str) -> list[Exported]:
    kept = [one for one in exported if not isinstance(one.result, GroupResult)]
    if not kept:
        raise UserError(f"{listed(one.name for one in exported)}: only results of groups; {name} exports tasks.")
    return kept


FORMATS: Mapping[str, Writer] = {
    "trec": _trec,
    "csv": _csv,
    **{server: _server(server) for server in SERVERS},
    "mteb": mteb,
    "hf": hugging_face,
    "mmeb": mmeb,
}
"""What `mbench export --format` knows."""
