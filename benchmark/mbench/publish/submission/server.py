"""Scores from a benchmark's own server: what was sent, what was answered, and whether the two fit together.

Beside `cirr-test.json` lies `cirr-test.server.json`:

    {"schema_version": 1, "task": "cirr-test", "server": "https://cirr.cecs.anu.edu.au", "date": "2025-11-21",
     "files": {"cirr-test.recall.json": "<sha256>"}, "answer": "<the text of the server's answer>",
     "metrics": {"recall@1": 0.2432, ...}}

with the files that were sent. Metrics are fractions; each must be among the numbers of the answer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mbench.core.errors import PredictionError
from mbench.core.specs import TaskSpec
from mbench.publish.servers import SERVERS, Expected, ServerFile, check_content
from mbench.publish.submission import limits
from mbench.publish.submission.folder import SERVER, File, UnsafeFileError, read_bytes
from mbench.publish.submission.records import ServerAnswer
from mbench.publish.submission.strict_json import JsonError, parse
from mbench.publish.submission.words import complaint, texts
from mbench.publish.text import day, safe_url

SCHEMA_VERSION = 1
NUMBER = re.compile(r"[-+]?\d{1,12}(?:\.\d{1,18})?(?:[eE][-+]?\d{1,3})?")
ROUNDING = 5e-9
"""Beyond the digits that a server prints, a number in the evidence is not the server's."""


class EvidenceError(Exception):
    """Evidence that does not hold, and why; `code` names the kind of reason."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Evidence(BaseModel):
    """The content of `<task>.server.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    schema_version: Literal[1]
    task: str
    server: str
    date: str
    files: dict[str, str] = Field(min_length=1)
    answer: str = Field(min_length=1)
    metrics: dict[str, float] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that went to the server: which of its files it is, and its content (query id -> candidate ids)."""

    kind: ServerFile
    content: Mapping[str, object]


def read_answer(file: File, files: Mapping[str, File], spec: TaskSpec) -> ServerAnswer:
    """Return what a server answered, once the evidence is found sound. Raises EvidenceError."""
    evidence = _evidence(file, spec)
    list(sent_files(file, files, spec, evidence))
    for key, value in evidence.metrics.items():
        if not 0 <= value <= 1:
            raise EvidenceError("server-number", f"metrics.{key}: {value} is no fraction")
        if not _answered(value, evidence.answer):
            raise EvidenceError("server-differs", f"metrics.{key}: {value} is not among the numbers of the answer")
    return ServerAnswer(evidence.server, evidence.date, dict(evidence.metrics), evidence.answer, file.name)


def sent_files(
    file: File, files: Mapping[str, File], spec: TaskSpec, evidence: Evidence | None = None
) -> Iterator[Sent]:
    """Yield the files that went to the server, checked against their hashes and the server's rules."""
    told = evidence or _evidence(file, spec)
    folder = file.name.rpartition("/")[0]
    kinds = {f"{spec.id}.{kind.name}.json": kind for kind in SERVERS[spec.source.loader]}
    for name, digest in told.files.items():
        if name not in kinds:
            raise EvidenceError("server-files", f"files: {name[:80]!r} is none of {', '.join(kinds)}")
        sent = files.get(f"{folder}/{name}")
        if sent is None:
            raise EvidenceError("server-files", f"{name}: the file that was sent is not there")
        yield Sent(kinds[name], _content(sent, digest, kinds[name], spec))


def _evidence(file: File, spec: TaskSpec) -> Evidence:
    try:
        data = parse(read_bytes(file, limits.RESULT_BYTES))
        evidence = Evidence.model_validate(data)
    except UnsafeFileError as error:
        raise EvidenceError("unreadable", str(error)) from None
    except JsonError as error:
        raise EvidenceError(error.code, str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top)"
        raise EvidenceError("server-schema", f"{key}: {first['msg']}") from None
    for key, text in texts(data):
        said = complaint(text)
        if said is not None:
            raise EvidenceError(said.code, f"{key}: {said.message}")
    _judge(evidence, spec)
    return evidence


def _judge(evidence: Evidence, spec: TaskSpec) -> None:
    if spec.labels_public or spec.source.loader not in SERVERS:
        raise EvidenceError("server-task", f"{spec.id} has public labels or no server: its scores are recomputed")
    if evidence.task != spec.id:
        raise EvidenceError("server-task", f"evidence for {evidence.task[:80]!r}")
    if safe_url(evidence.server) is None:
        raise EvidenceError("text-url", f"server: {evidence.server[:80]!r} is no http or https address")
    if not day(evidence.date):
        raise EvidenceError("date", f"date: {evidence.date[:40]!r} is no ISO date")
    unknown = sorted(set(evidence.metrics) - set(spec.keys))
    if unknown:
        raise EvidenceError("metric-keys", f"metrics: {', '.join(unknown[:5])} unknown to {spec.id}")


def _content(file: File, digest: str, kind: ServerFile, spec: TaskSpec) -> Mapping[str, object]:
    try:
        data = read_bytes(file, limits.SERVER_BYTES)
        value = parse(data)
    except UnsafeFileError as error:
        raise EvidenceError("unreadable", f"{file.name}: {error}") from None
    except JsonError as error:
        raise EvidenceError(error.code, f"{file.name}: {error}") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise EvidenceError("server-files", f"{file.name}: not the file that was sent: its sha256 differs")
    if not isinstance(value, dict):
        raise EvidenceError("server-files", f"{file.name}: no object of query id -> candidate ids")
    expected = Expected(spec.sizes.queries if spec.sizes else None)
    try:
        check_content(value, len(data), file.name, kind, expected)
    except PredictionError as error:
        raise EvidenceError("server-files", str(error)) from None
    return value


def _answered(value: float, answer: str) -> bool:
    """Tell whether a server said this number, as a fraction or in percent."""
    said = [float(one) for one in NUMBER.findall(answer)]
    return any(abs(one - value) < ROUNDING or abs(one / 100 - value) < ROUNDING for one in said)


def evidence_name(task: str) -> str:
    """Return the name of the file with the server's answer for a task."""
    return f"{task}{SERVER}"
