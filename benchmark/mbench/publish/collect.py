"""Reading what runs left behind: every result below the given folders, and what was left out, with the reason.

Files are read as data only: no symbolic links, nothing larger than a result can be, no number that is not a fraction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeGuard

from mbench.core.errors import DataError, UserError
from mbench.core.results import GroupResult, TaskResult
from mbench.publish.bulk import many_records
from mbench.publish.plausible import read_plausible
from mbench.publish.submission import Judge, Report, Trusted, trusted
from mbench.publish.submission.records import ServerAnswer
from mbench.publish.text import moment
from mbench.publish.walking import result_places


@dataclass(frozen=True, slots=True)
class Source:
    """A folder to read, the name by which the site calls it, and whether it holds submissions or plain results."""

    path: Path
    label: str
    submissions: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A result of one model on one task, and the file that it came from as the site names it.

    `path` is that file where there is one: the evidence lies beside it. `status` says of a submission's numbers how far
    they were checked ("recomputed", "server", "not recomputed"); it is empty for plain results. `answer` is what the
    benchmark's server said, where the numbers are its.
    """

    result: TaskResult
    where: str
    path: Path | None = None
    status: str = ""
    answer: ServerAnswer | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A file, and why its numbers are not on the site.

    `of` is the model whose other results are shown, where the file is one of a submission. `hidden` says that on
    account of this file the whole submission is left out.
    """

    where: str
    reason: str
    of: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Collection:
    """All that was read: results to show, broken files, and files left out for a good reason.

    Of the left out, `partial` holds results of limited runs where there is no whole one, and `older` those that a newer
    run replaced. Results of groups are checked and not kept: the site averages what it shows.
    """

    entries: tuple[Entry, ...] = ()
    broken: tuple[Note, ...] = ()
    left_out: tuple[Note, ...] = ()
    partial: tuple[Entry, ...] = ()
    older: tuple[Entry, ...] = ()


def sources(results: Sequence[Path], submissions: Path | None) -> list[Source]:
    """Name the folders to read; two folders of one name are numbered. Raises UserError when one is not there."""
    named: dict[Path, Source] = {}
    for path in [*results, *([submissions] if submissions else [])]:
        if not path.is_dir():
            wanted = "holds submissions" if path == submissions else "`mbench run -o` wrote results to"
            raise UserError(f"{path}: no such folder; name one that {wanted}.")
        place = path.resolve()
        same = sum(other.name == place.name for other in named if other != place)
        label = f"{place.name} ({same + 1})" if same else place.name
        named.setdefault(place, Source(place, label, path == submissions))
    return list(named.values())


@many_records()
def collect(folders: Sequence[Source], judge: Judge | None = None) -> Collection:
    """Read all results below `folders`. Of two results of one model, revision and task the newest run is kept.

    With a `judge` submissions are checked as a whole: files broken by accident are left out, and on account of any
    other error the whole submission is (`trusted`). Without, they are read as plain results are. Of plain results its
    catalogue tells which contradict their tasks.
    """
    broken: list[Note] = []
    unofficial: list[Note] = []
    entries: list[Entry] = []
    partial: list[Entry] = []
    judged = [one for one in folders if judge is not None and one.submissions]
    for folder in judged:
        for report in judge.check_all(folder.path) if judge is not None else ():
            sound = trusted(report)
            broken += _refused(folder, report, sound)
            entries += _accepted(folder, report, sound)
    for where, path in _files([one for one in folders if one not in judged]):
        try:
            result = read_plausible(path, judge.catalog if judge is not None else None)
        except DataError as error:
            broken.append(Note(where, str(error).removeprefix(f"{path}: ")))
            continue
        reason = _unofficial(result)
        if reason:
            unofficial.append(Note(where, reason))
            partial += [Entry(result, where, path)] if _shown_as_partial(result) else []
        elif isinstance(result, TaskResult):
            entries.append(Entry(result, where, path))
    kept, older, replaced = _newest(entries)
    whole = {_key(entry) for entry in kept}
    limited = (one for one in _newest(partial)[0] if _key(one) not in whole)
    return Collection(kept, tuple(broken), (*unofficial, *replaced), tuple(limited), older)


def _refused(folder: Source, report: Report, sound: Trusted) -> list[Note]:
    of = report.card.id if sound.results and report.card else ""
    names = [f"{folder.label}/{report.name}/{one.file}".rstrip("/") for one in sound.problems]
    notes = zip(names, sound.problems, strict=True)
    return [Note(name, one.message, of, hidden=not sound.results) for name, one in notes]


def _accepted(folder: Source, report: Report, sound: Trusted) -> list[Entry]:
    states = {one.place: one.status for one in report.tasks}
    names = [f"{folder.label}/{report.name}/{one.file}" for one in sound.results]
    return [
        Entry(one.result, name, one.path, states[one.place], one.answer)
        for name, one in zip(names, sound.results, strict=True)
    ]


def _unofficial(result: TaskResult | GroupResult) -> str:
    """Return why a sound result is none for a leaderboard, or nothing."""
    if result.partial:
        return "partial: the run was limited to some of the queries or candidates"
    if isinstance(result, TaskResult) and not result.labels_public:
        return "the labels are withheld: only the benchmark's server has scores"
    return f"not the official protocol: {result.variant}" if result.variant else ""


def _shown_as_partial(result: TaskResult | GroupResult) -> TypeGuard[TaskResult]:
    return isinstance(result, TaskResult) and result.partial and not result.variant


def _files(folders: Sequence[Source]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for names in result_places(folder.path, submissions=folder.submissions):
            yield "/".join([folder.label, *names]), Path(folder.path, *names)


class Newest(NamedTuple):
    """The newest result of each model, revision and task, all others, and why these are not shown."""

    kept: tuple[Entry, ...]
    older: tuple[Entry, ...]
    replaced: tuple[Note, ...]


def _newest(entries: Sequence[Entry]) -> Newest:
    kept: dict[tuple[str, ...], Entry] = {}
    older: list[Entry] = []
    replaced: list[Note] = []
    for entry in sorted(entries, key=_age):
        key = _key(entry)
        if key in kept:
            older.append(kept[key])
            replaced.append(Note(kept[key].where, f"replaced by the newer run in {entry.where}"))
        kept[key] = entry
    return Newest(tuple(kept[key] for key in sorted(kept)), tuple(older), tuple(replaced))


def _key(entry: Entry) -> tuple[str, ...]:
    model, task = entry.result.model, entry.result.task
    return model.id, model.revision, task.id, task.protocol


def _age(entry: Entry) -> tuple[float, str]:
    return moment(str(entry.result.run.get("date", ""))).timestamp(), entry.where
