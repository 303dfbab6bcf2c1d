"""The reproduction ledger: every published number, and what was measured here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mbench.core.results import TaskResult, Value
from mbench.core.specs import ReferenceScore
from mbench.data.catalog import Catalog
from mbench.publish.collect import Collection
from mbench.publish.ledger_spec import Known, LedgerSpec, published_scores
from mbench.scoring.aggregate import aggregate

Status = Literal["within", "tolerated", "outside", "not measured", "withheld", "other model"]

EXPLAINED: Mapping[Status, str] = {
    "within": "the published number lies in the measured 95% interval, up to rounding",
    "tolerated": "the difference is within the declared tolerance, for the reason told",
    "outside": "neither: one of the two numbers is not what it is taken for",
    "not measured": "there is no complete result on the current task",
    "withheld": "the labels are withheld: only the benchmark's server can measure it",
    "other model": "the published model is none of ours, or its source does not tell the weights",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A published number and one measurement of it, or none; all fractions. `difference` is measured - published."""

    task: str
    published: ReferenceScore
    status: Status
    model: str = ""
    revision: str = ""
    measured: Value | None = None
    tolerance: float | None = None
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Measured minus published."""
        return None if self.measured is None else self.measured.value - self.published.value


@dataclass(frozen=True, slots=True)
class _Measured:
    """The current results of one model at one revision, by task."""

    results: Mapping[str, TaskResult]

    @property
    def any(self) -> TaskResult:
        """A result, for what it says of the model."""
        return next(iter(self.results.values()))


def ledger(collection: Collection, catalog: Catalog, spec: LedgerSpec) -> list[Line]:
    """Return a line for every published number and every measurement of it, in the catalogue's order.

    Results on an earlier state of a task do not count, nor scores that claim to know withheld labels; groups are
    averaged from results that do.
    """
    models = _models(collection, catalog)
    return [line for task, one in published_scores(catalog) for line in _lines(task, one, models, catalog, spec)]


def outside(lines: list[Line]) -> list[Line]:
    """Return the lines whose measurement neither the interval nor a declared tolerance covers."""
    return [line for line in lines if line.status == "outside"]


def _models(collection: Collection, catalog: Catalog) -> list[_Measured]:
    found: dict[tuple[str, str], dict[str, TaskResult]] = {}
    for entry in collection.entries:
        result = entry.result
        declared = catalog.all_tasks.get(result.task.id)
        if declared and declared.fingerprint == result.task.fingerprint and declared.spec.labels_public:
            found.setdefault((result.model.id, result.model.revision), {})[result.task.id] = result
    return [_Measured(results) for _, results in sorted(found.items())]


def _lines(
    task: str, published: ReferenceScore, models: list[_Measured], catalog: Catalog, spec: LedgerSpec
) -> Iterator[Line]:
    known = spec.known(published.model)
    declared = spec.tolerance(published, task)
    found = False
    for model in models:
        value = _value(task, published.metric, model, catalog) if _is(model, known) else None
        if value is None:
            continue
        found = True
        ref = model.any.model
        allowed, reason = (declared.tolerance, declared.reason) if declared else (None, "")
        status = _status(published.value, value, allowed, spec.rounding)
        yield Line(task, published, status, ref.id, ref.revision, value, allowed, reason)
    if not found:
        names = ", ".join(dict.fromkeys(one.id for one in known))
        yield Line(task, published, _why_not(task, catalog) if known else "other model", names)


def _is(model: _Measured, known: list[Known]) -> bool:
    return any(one.measured_by(model.any.model.card) for one in known)


def _value(task: str, metric: str, model: _Measured, catalog: Catalog) -> Value | None:
    """Return the score of a task under a metric, or of a group under the aggregate of that name."""
    if task in catalog.all_groups:
        return aggregate(catalog.all_groups[task].spec, model.results, catalog).get(metric)
    return model.results[task].metrics.get(metric) if task in model.results else None


def _why_not(task: str, catalog: Catalog) -> Status:
    declared = catalog.all_tasks.get(task)
    return "withheld" if declared is not None and not declared.spec.labels_public else "not measured"


def _status(published: float, measured: Value, allowed: float | None, rounding: float) -> Status:
    low = measured.value if measured.low is None else measured.low
    high = measured.value if measured.high is None else measured.high
    if low - rounding <= published <= high + rounding:
        return "within"
    return "tolerated" if allowed is not None and abs(measured.value - published) <= allowed else "outside"
