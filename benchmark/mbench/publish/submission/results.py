"""The results of a submission: read strictly, of this model, official, of tasks as they are declared now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from mbench.core.results import EXTRAS, GroupResult, ModelRef, TaskResult, Value, safe_name
from mbench.core.specs import ModelCard, TaskSpec
from mbench.data.catalog import Catalog
from mbench.publish.submission import limits
from mbench.publish.submission.cards import agrees
from mbench.publish.submission.folder import File, UnsafeFileError, read_bytes
from mbench.publish.submission.notes import Notes
from mbench.publish.submission.strict_json import JsonError, parse
from mbench.publish.submission.words import complaint, name_complaint, texts
from mbench.publish.text import day, moment
from mbench.scoring.diagnostics import is_possible

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
AHEAD = timedelta(days=1)
"""Clocks differ, and so do zones that a date does not name."""
LARGEST_SEED = 2**63
FRACTIONS = frozenset({"value", "low", "high", "p", "lowest", "highest", "score_change", "tied_at_cut"})
SUPERSEDED = ("task-outdated", "task-fingerprint")
"""What time alone can do to a sound submission: the task has changed since. The site marks it, a check refuses it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What results are read against: the submission's card, the declared tasks, the time, and where notes go."""

    card: ModelCard | None
    catalog: Catalog
    now: datetime
    notes: Notes


def read_result(file: File, reading: Reading) -> TaskResult | GroupResult | None:
    """Return a result that follows the schema, or None; the notes say what is wrong."""
    notes = reading.notes
    task = "/".join([*file.parts[-2:-1], PurePosixPath(file.name).stem])
    try:
        data = parse(read_bytes(file, limits.RESULT_BYTES))
    except UnsafeFileError as error:
        notes.add("unreadable", file.name, str(error), task=task)
        return None
    except JsonError as error:
        notes.add(error.code, file.name, str(error), task=task)
        return None
    cls = GroupResult if isinstance(data, dict) and "group" in data else TaskResult
    for key, text in texts(data):
        if (said := complaint(text)) is not None:
            notes.add(said.code, file.name, f"{key}: {said.message}", task=task)
    try:
        return cls.model_validate(data, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top)"
        notes.add("result-schema", file.name, f"{key}: {first['msg']}", task=task)
        return None


def judge_place(result: TaskResult | GroupResult, file: File, reading: Reading, task: str) -> None:
    """Note where a result's file does not lie where its content says, or belongs to another model."""
    notes, model = reading.notes, result.model
    name = result.task.id if isinstance(result, TaskResult) else result.group
    for key, text in (("model.id", model.id), ("model.revision", model.revision)):
        if (said := name_complaint(text)) is not None:
            notes.add(said.code, file.name, f"{key}: {said.message}", task=task)
    if file.parts[-1] != f"{name}.json":
        notes.add("result-name", file.name, f"holds a result of {name!r}; its name must be {name}.json", task=task)
    expected = [safe_name(model.id), safe_name(model.revision)][-len(file.parts[1:-1]) :]
    if list(file.parts[1:-1]) != expected:
        where = "/".join(["results", *expected])
        notes.add("result-place", file.name, f"the result of this model and revision belongs in {where}/", task=task)
    if reading.card is not None:
        _judge_model(reading.card, model, file, notes, task)


def judge_run(result: TaskResult, file: File, reading: Reading, task: str) -> None:
    """Note results of a part, of a variant, without a credible date or seed, or with numbers that are no fractions."""
    notes, run = reading.notes, result.run
    if result.partial or run.get("limit") is not None:
        notes.add("partial", file.name, "a run of a part of the task (--limit, or a smaller pool)", task=task)
    if result.variant or run.get("instructions", "default") != "default":
        said = result.variant or run.get("instructions")
        notes.add("variant", file.name, f"not the official protocol: {said}", task=task)
    date = run.get("date")
    if not isinstance(date, str) or not day(date):
        notes.add("date", file.name, "run.date is no ISO date", task=task)
    elif not EARLIEST <= moment(date) <= reading.now + AHEAD:
        notes.add("date", file.name, f"run.date: {date} is in the future or before 2020", task=task)
    if len(run) > limits.RUN_KEYS or slice_tags(result) > limits.TAGS:
        said = f"{len(run)} keys in run, {slice_tags(result)} in slices; at most {limits.RUN_KEYS} and {limits.TAGS}"
        notes.add("result-schema", file.name, said, task=task)
    seed = run.get("seed", 0)
    if type(seed) is not int or not 0 <= seed < LARGEST_SEED:
        notes.add("seed", file.name, f"run.seed: {seed!r} is no seed; the intervals cannot be recomputed", task=task)
    for key, value in _values(result):
        if not 0 <= value.value <= 1 or not _within(value):
            notes.add("result-number", file.name, f"{key}: {value.value} is no fraction within its interval", task=task)


def judge_diagnostics(result: TaskResult, file: File, reading: Reading, task: str) -> None:
    """Note diagnostics that there are none of, or that are out of their range: not all can be recomputed."""
    for key, value in result.diagnostics.items():
        if not is_possible(key, value):
            said = f"diagnostics.{key}: {value!r} is no value of a diagnostic of mbench"
            reading.notes.add("diagnostics-unknown", file.name, said, task=task)


def judge_extras(result: TaskResult, file: File, reading: Reading, task: str) -> None:
    """Note what a result holds beside its scores: it is reported only, with no ranking to recompute it from."""
    extras = {key: value for key, value in result.model_dump(mode="json").items() if key in EXTRAS and value}
    wild = [where for where, number in _fractions(extras) if not -1 <= number <= 1]
    for where in wild[:5]:
        said = f"{where} is neither a fraction nor a difference of two"
        reading.notes.add("result-number", file.name, said, task=task)
    if extras and not wild:
        said = f"{', '.join(sorted(extras))}: as reported by the run, nothing to recompute them from"
        reading.notes.add("reported-only", file.name, said, task=task, severity="info")


def judge_task(result: TaskResult, file: File, reading: Reading, task: str) -> TaskSpec | None:
    """Return the declaration that a result was made for; None, with a note, when it is not what is declared now."""
    notes, ref = reading.notes, result.task
    declared = reading.catalog.all_tasks.get(ref.id)
    if declared is None:
        notes.add("task-unknown", file.name, f"no task {ref.id!r} is declared", task=task)
        return None
    spec = declared.spec
    if ref.protocol != spec.protocol:
        said = f"protocol {ref.protocol!r}; {spec.id} has {spec.protocol!r}"
        notes.add("task-protocol", file.name, said, task=task)
    elif ref.version > spec.version:
        notes.add("task-version", file.name, f"version {ref.version}; {spec.id} has {spec.version}", task=task)
    elif ref.version < spec.version:
        said = f"measured on version {ref.version} of the task; version {spec.version} is current: run again"
        notes.add("task-outdated", file.name, said, task=task, severity="warning")
    elif ref.fingerprint != declared.fingerprint:
        said = f"fingerprint {ref.fingerprint[:16]!r}, but version {spec.version} has {declared.fingerprint}: run again"
        notes.add("task-fingerprint", file.name, said, task=task, severity="warning")
    else:
        _judge_content(result, spec, file, notes, task)
        return spec
    return None


def _judge_model(card: ModelCard, model: ModelRef, file: File, notes: Notes, task: str) -> None:
    if model.id != card.id or model.card.id != model.id:
        notes.add("other-model", file.name, f"a result of {model.id!r}; the card is that of {card.id!r}", task=task)
    elif model.card.revision != model.revision:
        notes.add("card-differs", file.name, f"model.card.revision is {model.card.revision!r}", task=task)
    elif said := agrees(card, model):
        notes.add("card-differs", file.name, said, task=task)


def _judge_content(result: TaskResult, spec: TaskSpec, file: File, notes: Notes, task: str) -> None:
    if result.labels_public != spec.labels_public:
        notes.add("labels", file.name, f"labels_public is {result.labels_public}; the task says otherwise", task=task)
    expected = spec.keys if spec.labels_public else []
    if sorted(result.metrics) != sorted(expected):
        wrong = sorted(set(result.metrics) ^ set(expected))
        notes.add("metric-keys", file.name, f"metrics: {', '.join(wrong[:5])} lacking or unknown", task=task)
    if not set(result.slices) <= set(spec.slices):
        unknown = sorted(set(result.slices) - set(spec.slices))
        notes.add("slice-keys", file.name, f"slices: the task has no {', '.join(unknown[:5])}", task=task)
    counts, sizes = result.counts, spec.sizes
    if sizes and (counts.queries, counts.candidates) != (sizes.queries, sizes.candidates):
        said = f"{counts.queries} queries and {counts.candidates} candidates; the task has {sizes.queries} and "
        notes.add("incomplete", file.name, said + f"{sizes.candidates}", task=task)


def _values(result: TaskResult) -> Iterator[tuple[str, Value]]:
    yield from result.metrics.items()
    for tag, parts in result.slices.items():
        for name, metrics in parts.items():
            yield from ((f"{tag}={name} {key}", value) for key, value in metrics.items())


def slice_tags(result: TaskResult) -> int:
    """Return how many values all slices of a result have."""
    return sum(len(tags) for tags in result.slices.values())


def _fractions(value: Any, where: str = "") -> Iterator[tuple[str, float]]:
    """Yield every score, difference and end of an interval in what a result holds beside its scores."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in FRACTIONS and isinstance(one, int | float):
                yield f"{where}{key}", one
            else:
                yield from _fractions(one, f"{where}{key}.")
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _fractions(one, f"{where}{number}.")


def _within(value: Value) -> bool:
    if value.low is None or value.high is None:
        return value.low is value.high
    return 0 <= value.low <= value.high <= 1


def siblings(file: File, files: Mapping[str, File], endings: Sequence[str]) -> dict[str, File]:
    """Return the files beside a result, by their ending after the task's id: `.ranking.parquet`, `.subset.trec`."""
    start = file.name.removesuffix(".json")
    return {ending: files[start + ending] for ending in endings if start + ending in files}
