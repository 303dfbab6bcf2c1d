"""Reading a submission without computing anything: what the site does with each, and the first half of a check."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from mbench.core.errors import UserError
from mbench.core.files import canonical_json
from mbench.core.results import RANKINGS, SCORES, GroupResult, TaskResult, Value
from mbench.core.specs import ModelCard, TaskSpec
from mbench.core.types import MAIN_POOL
from mbench.data.catalog import Catalog
from mbench.publish.submission.cards import folder_name, read_card
from mbench.publish.submission.folder import CARD, SERVER, File, is_result, list_files
from mbench.publish.submission.lookalike import skeleton
from mbench.publish.submission.notes import Notes
from mbench.publish.submission.records import Averaged, Inspected, ServerAnswer, Status, Submitted, TaskReport
from mbench.publish.submission.results import (
    SUPERSEDED,
    Reading,
    judge_diagnostics,
    judge_extras,
    judge_place,
    judge_run,
    judge_task,
    read_result,
    siblings,
)
from mbench.publish.submission.server import EvidenceError, read_answer

UNCOMPUTED = "read without recomputing"


def inspect(folder: Path, catalog: Catalog | None = None, *, now: datetime | None = None) -> Inspected:
    """Read a submission safely: bounded, following no link, executing nothing, recomputing nothing.

    Whatever is wrong with it is among the findings; results that cannot be used are left out. Raises UserError when
    `folder` is no folder.
    """
    if not folder.is_symlink() and not folder.is_dir():
        raise UserError(f"{folder}: is no folder; name one with a {CARD}, such as submissions/tiny.")
    notes = Notes()
    if folder.is_symlink():
        notes.add("symlink", "", "a symbolic link; put the folder itself there")
        return Inspected(folder, folder.name, None, findings=tuple(notes.found))
    place = folder.resolve()
    files = {file.name: file for file in list_files(place, notes)}
    card = read_card(files[CARD], notes) if CARD in files else None
    if CARD not in files:
        notes.add("card-missing", CARD, "there is no card; `mbench submit new` writes one")
    if card is not None and place.name != folder_name(card):
        notes.add("folder-name", CARD, f"the folder of {card.id!r} must be called {folder_name(card)}")
    reading = Reading(card, catalog or Catalog.read(), now or datetime.now(UTC), notes)
    return _Reader(place, files, reading).read()


class _Reader:
    """Reads the results of one submission."""

    def __init__(self, folder: Path, files: Mapping[str, File], reading: Reading) -> None:
        self.folder = folder
        self.files = files
        self.reading = reading
        self.notes = reading.notes
        self.results: list[Submitted] = []
        self.groups: list[Averaged] = []
        self.marks: list[TaskReport] = []
        self.used: set[str] = set()

    def read(self) -> Inspected:
        for file in self.files.values():
            if is_result(file.parts[-1]) and len(file.parts) > 1:
                self._one(file)
        self._judge_whole()
        return Inspected(
            folder=self.folder,
            name=self.folder.name,
            card=self.reading.card,
            results=tuple(self.results),
            groups=tuple(self.groups),
            marks=tuple(self.marks),
            findings=tuple(self.notes.found),
        )

    def _one(self, file: File) -> None:
        self.used.add(file.name)
        result = read_result(file, self.reading)
        if result is None:
            return
        name = result.task.id if isinstance(result, TaskResult) else result.group
        place = f"{result.model.revision}/{name}"
        judge_place(result, file, self.reading, place)
        if isinstance(result, GroupResult):
            self.groups.append(Averaged(result, file.name))
        else:
            self._task(result, file, place)

    def _task(self, result: TaskResult, file: File, place: str) -> None:
        judge_run(result, file, self.reading, place)
        judge_diagnostics(result, file, self.reading, place)
        judge_extras(result, file, self.reading, place)
        if any(one.place == place for one in self.results):
            self.notes.add("duplicate-result", file.name, "a second result of this task and revision", task=place)
        spec = judge_task(result, file, self.reading, place)
        beside = self._beside(file)
        answer = self._answer(beside, spec, place) if spec is not None else None
        rankings = self._rankings(beside, file, place)
        per_query = beside[SCORES].path if SCORES in beside else None
        shown = _carded(result, self.reading.card, answer)
        self.results.append(Submitted(shown, file.name, file.path, rankings, per_query, answer))
        self.marks.append(self._mark(result, file, place, answer))

    def _beside(self, file: File) -> dict[str, File]:
        start = file.name.removesuffix(".json") + "."
        endings = [f".{name.removeprefix(start)}" for name in self.files if name.startswith(start)]
        beside = siblings(file, self.files, endings)
        self.used |= {one.name for one in beside.values()}
        return beside

    def _answer(self, beside: Mapping[str, File], spec: TaskSpec, place: str) -> ServerAnswer | None:
        if SERVER not in beside:
            return None
        try:
            return read_answer(beside[SERVER], self.files, spec)
        except EvidenceError as error:
            self.notes.add(error.code, beside[SERVER].name, str(error), task=place)
            return None

    def _rankings(self, beside: Mapping[str, File], file: File, place: str) -> dict[str, Path]:
        """Return the rankings by pool: one Parquet file ("") or TREC runs, never both, as one would go unseen."""
        runs = {ending: one.path for ending, one in beside.items() if ending.endswith(".trec")}
        if RANKINGS in beside:
            for ending in runs:
                said = f"a second ranking beside the one in Parquet, which is judged; leave {ending} out"
                self.notes.add("stray-file", beside[ending].name, said, task=place)
            return {"": beside[RANKINGS].path}
        if not runs:
            self.notes.add("evidence-missing", file.name, "no ranking (Parquet or TREC run) lies beside it", task=place)
        return {ending.removesuffix(".trec").removeprefix(".") or MAIN_POOL: path for ending, path in runs.items()}

    def _mark(self, result: TaskResult, file: File, place: str, answer: ServerAnswer | None) -> TaskReport:
        errors = self.notes.errors(place)
        status: Status = "refused" if errors else "server" if answer else "not recomputed"
        later = [one.message for one in self.notes.found if one.task == place and one.code in SUPERSEDED]
        reason = (*(one.message for one in errors), *later, answer.server if answer else UNCOMPUTED)[0]
        ref = result.task
        return TaskReport(ref.id, ref.protocol, result.model.revision, status, reason, file.name)

    def _judge_revisions(self) -> None:
        """Note revisions that look alike, and a run that is there again under another revision."""
        names: dict[str, str] = {}
        for revision in sorted({one.result.model.revision for one in self.results}):
            other = names.setdefault(skeleton(revision), revision)
            if other != revision:
                self.notes.add("name-lookalike", "results/", f"the revisions {other!r} and {revision!r} look alike")
        runs: dict[tuple[str, str, str], Submitted] = {}
        for one in self.results:
            found, metrics = one.result, canonical_json(one.result.model_dump(mode="json")["metrics"])
            first = runs.setdefault((found.task.id, str(found.run.get("date")), metrics), one)
            if first is not one:
                said = f"the run in {first.file} again, under another revision"
                self.notes.add("duplicate-result", one.file, said, task=one.place)

    def _judge_whole(self) -> None:
        self._judge_revisions()
        card = self.reading.card
        for name in self.files:
            if name.startswith("results/") and name not in self.used:
                self.notes.add("stray-file", name, "belongs to no result: there is no <task>.json beside it")
        if not self.results:
            self.notes.add("no-results", "results/", "there is no result that can be used")
        elif card is not None and card.revision not in {one.result.model.revision for one in self.results}:
            said = f"revision {card.revision!r} has no result; the card names the newest that was run"
            self.notes.add("revision-differs", CARD, said)


def _carded(result: TaskResult, card: ModelCard | None, answer: ServerAnswer | None) -> TaskResult:
    """Return the result with the submission's card, which was looked at, and with the server's metrics."""
    changed: dict[str, object] = {}
    if card is not None:
        own = card.model_copy(update={"revision": result.model.revision})
        changed["model"] = result.model.model_copy(update={"card": own})
    if answer is not None:
        queries = max(1, result.counts.queries)
        changed["metrics"] = {key: Value(value=value, n=queries) for key, value in answer.metrics.items()}
    return result.model_copy(update=changed)
