"""Collecting a model's results into its submission: what is official and complete, made small."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mbench.core.errors import CheckFailedError, MbenchError, UserError, nearest
from mbench.core.files import write_json, write_text
from mbench.core.results import RANKINGS, SCORES, GroupResult, TaskResult, read_result, result_folder, safe_name
from mbench.core.specs import TaskSpec
from mbench.data.catalog import Catalog
from mbench.publish.submission import limits
from mbench.publish.submission.cards import read_card
from mbench.publish.submission.compact import compact_queries, compact_ranking
from mbench.publish.submission.folder import CARD, RESULTS, File
from mbench.publish.submission.notes import Notes
from mbench.publish.submission.parquet import ParquetError
from mbench.publish.submission.server import evidence_name
from mbench.publish.submission.writing import amend, missing, write_card
from mbench.publish.text import moment

ADVISED_BYTES = 20 * 2**20
"""A submission beyond this is slow to fetch with the repository."""


@dataclass(frozen=True, slots=True)
class Found:
    """A result file of the model."""

    path: Path
    result: TaskResult | GroupResult


@dataclass(frozen=True, slots=True)
class Packed:
    """What was done: the submission's folder, the results in it that were written, notes, and its size in bytes."""

    folder: Path
    written: tuple[str, ...]
    notes: tuple[str, ...]
    size: int


def pack(name: str, results: Path, submissions: Path, catalog: Catalog) -> Packed:
    """Put the results of the model `name` below `results` into its submission, and write its card if there is none.

    Partial results, variants and outdated ones stay out, with a note. Raises UserError where there are none of that
    model, CheckFailedError for a submission that is too large, OutputError.
    """
    found = _found(name, results)
    folder = submissions / safe_name(name)
    notes: list[str] = []
    tasks = [one for one in found if isinstance(one.result, TaskResult)]
    kept = [one for one in tasks if _official(one, catalog, notes)]
    if not kept:
        raise UserError(f"{results}: no complete official result of {name!r} that is current.\n" + "\n".join(notes))
    written = [_write(one, folder, catalog, notes) for one in kept]
    written += [_write_group(one, folder) for one in found if _whole(one, kept, notes)]
    _card(folder, kept, notes)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > limits.TOTAL_BYTES:
        raise CheckFailedError(f"{folder}: {size} bytes; a submission has at most {limits.TOTAL_BYTES}.")
    if size > ADVISED_BYTES:
        notes.append(f"{size / 2**20:.0f} MiB is much for a repository; leave out what nobody needs.")
    return Packed(folder, tuple(written), tuple(notes), size)


def _found(name: str, results: Path) -> list[Found]:
    if not results.is_dir():
        raise UserError(f"{results}: no such folder; name the one that `mbench run -o` wrote to.")
    everything = list(_all(results))
    mine = [one for one in everything if one.result.model.id == name]
    if not mine:
        models = sorted({one.result.model.id for one in everything})
        near = nearest(name, models) or models[:5]
        raise UserError(f"{results}: no result of the model {name!r}; there are {', '.join(near) or 'none at all'}.")
    return mine


def _all(results: Path) -> Iterator[Found]:
    for path in sorted(results.glob("*/*/*.json")):
        if "." in path.stem:
            continue
        try:
            yield Found(path, read_result(path))
        except MbenchError:
            continue


def _official(one: Found, catalog: Catalog, notes: list[str]) -> bool:
    reason = _unfit(one, catalog)
    if reason:
        notes.append(f"left out: {one.path}: {reason}")
    return not reason


def _unfit(one: Found, catalog: Catalog) -> str:
    result = one.result
    if not isinstance(result, TaskResult) or result.partial:
        return "a run of a part of the task"
    if result.variant:
        return f"not the official protocol ({result.variant})"
    task = catalog.all_tasks.get(result.task.id)
    if task is None or task.fingerprint != result.task.fingerprint:
        return "the task is unknown or has changed since; run it again"
    if not result.labels_public and not (one.path.parent / evidence_name(task.id)).is_file():
        return f"the labels are the server's; put its answer into {evidence_name(task.id)} beside the result"
    lacking = [ending for ending in (RANKINGS, SCORES) if not _beside(one, ending).is_file()]
    return f"{', '.join(one.path.stem + ending for ending in lacking)} not there; run again" if lacking else ""


def _write(one: Found, folder: Path, catalog: Catalog, notes: list[str]) -> str:
    target = result_folder(folder / RESULTS, one.result.model) / one.path.name
    spec: TaskSpec = catalog.all_tasks[one.path.stem].spec
    target.unlink(missing_ok=True)
    try:
        compact_ranking(_beside(one, RANKINGS), target.with_name(target.stem + RANKINGS), spec)
        if spec.labels_public:
            compact_queries(_beside(one, SCORES), target.with_name(target.stem + SCORES))
    except ParquetError as error:
        raise UserError(f"{one.path}: its evidence cannot be packed: {error}. Run again.") from None
    if not spec.labels_public:
        for path in sorted(one.path.parent.glob(f"{one.path.stem}.*.json")):
            write_text(target.with_name(path.name), path.read_text(encoding="utf-8"))
    write_json(target, one.result.model_dump(mode="json"))
    return str(target.relative_to(folder))


def _whole(one: Found, kept: list[Found], notes: list[str]) -> bool:
    """Tell whether a group's means are those of the results that were kept."""
    if not isinstance(one.result, GroupResult):
        return False
    beside = {k.result.task.id: k.result.task for k in kept if _same_run(k, one) and isinstance(k.result, TaskResult)}
    whole = not one.result.partial and not one.result.variant
    whole = whole and all(beside.get(task) == ref for task, ref in one.result.tasks.items())
    if not whole:
        notes.append(f"left out: {one.path}: the means of results that are not all here")
    return whole


def _write_group(one: Found, folder: Path) -> str:
    target = result_folder(folder / RESULTS, one.result.model) / one.path.name
    write_json(target, one.result.model_dump(mode="json"))
    return str(target.relative_to(folder))


def _card(folder: Path, kept: list[Found], notes: list[str]) -> None:
    newest = max(kept, key=_date).result.model
    path = folder / CARD
    if not path.is_file():
        write_card(path, newest.card)
        notes.append(f"{path}: written from the newest result; look it over.")
        return
    card = read_card(File(CARD, path, path.stat().st_size), Notes())
    if card is None:
        return
    if told := missing(card, newest.card):
        amend(path, told)
        notes.append(f"{path}: {', '.join(told)} filled in from the newest result; look it over.")
    if card.revision != newest.revision:
        amend(path, {"revision": newest.revision})
        notes.append(f"{path}: the revision is now {newest.revision}, that of the newest result.")


def _beside(one: Found, ending: str) -> Path:
    return one.path.with_name(one.path.stem + ending)


def _same_run(one: Found, other: Found) -> bool:
    return one.path.parent == other.path.parent


def _date(one: Found) -> float:
    run = one.result.run if isinstance(one.result, TaskResult) else {}
    return moment(str(run.get("date", ""))).timestamp()
