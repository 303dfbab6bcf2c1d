"""What a run measures beside its scores, and what of it an earlier result holds already."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import JsonValue

from mbench.core.errors import UnknownNameError, UserError
from mbench.core.extras import Ablations, Point, Precision
from mbench.core.results import EXTRAS, TaskResult
from mbench.core.specs import ModelCard, TaskSpec
from mbench.run.curves import check_dims, wanted
from mbench.run.settings import ABLATIONS, CODES, REPORTS, Extras, RunSettings
from mbench.run.trial import Trial

Phase = Callable[[str], Any]


def extras_of(ablate: Sequence[str], report: Sequence[str], dims: Sequence[str], quantize: Sequence[str]) -> Extras:
    """Return what the flags ask for. Raises UnknownNameError with the nearest names, UserError for a bad number."""
    for kind, names, known in (("ablation", ablate, ABLATIONS), ("report", report, REPORTS), ("code", quantize, CODES)):
        for name in names:
            if name not in known:
                raise UnknownNameError(kind, name, known, f"It is one of {', '.join(known)}.")
    for text in dims:
        if not text.isdecimal() or int(text) < 1:
            raise UserError(f"--dims: expected numbers of dimensions such as 64,128, found {text!r}")
    return Extras(tuple(ablate), tuple(report), tuple(map(int, dims)), tuple(quantize))


def check_extras(spec: TaskSpec, card: ModelCard, settings: RunSettings) -> None:
    """Refuse what cannot be measured before anything is encoded. Raises UserError."""
    extras = settings.extras
    if not extras.flags():
        return
    if not spec.labels_public:
        raise UserError(f"{extras.flags()}: the labels of task {spec.id!r} are withheld, so there are no scores.")
    if "control" in extras.report and settings.instructions != "default":
        raise UserError("--report control compares with the task's own instructions; leave --instructions out.")
    check_dims(extras, card, card.dimension)


def check_enough(spec: TaskSpec, queries: int, extras: Extras) -> None:
    """Raise UserError where there are too few queries to compare anything."""
    if extras.flags() and queries < 2:
        raise UserError(f"{extras.flags()}: task {spec.id!r} has {queries} query here; comparing needs at least 2.")


def measured(trial: Trial, phase: Phase) -> dict[str, Any]:
    """Return the fields of a TaskResult that the settings ask for; each is timed as a phase of its own."""
    extras = trial.settings.extras
    if not extras.flags():
        return {}
    from mbench.run.ablation import ablations
    from mbench.run.control import control
    from mbench.run.curves import curve
    from mbench.run.stability import stability

    makers: dict[str, Callable[[], object]] = {}
    if extras.ablate:
        makers["ablations"] = lambda: ablations(trial, extras.ablate)
    if "control" in extras.report:
        makers["control"] = lambda: control(trial)
    if extras.dims or extras.quantize:
        makers["curves"] = lambda: curve(trial, extras)
    if "stability" in extras.report:
        makers["stability"] = lambda: stability(trial)
    found: dict[str, Any] = {}
    for name, make in makers.items():
        with phase(name):
            found[name] = make()
    return found


def holds(there: TaskResult, extras: Extras) -> bool:
    """Tell whether a result has all that is asked for, measured or said to be unavailable."""
    ablated = there.ablations or Ablations()
    return (
        {*extras.ablate} <= {*ablated.variants, *ablated.unavailable}
        and ("control" not in extras.report or there.control is not None)
        and ("stability" not in extras.report or there.stability is not None)
        and _has_points(there.curves or [], extras)
    )


def _has_points(points: list[Point], extras: Extras) -> bool:
    if not points:
        return not (extras.dims or extras.quantize)
    held = {(one.dims, one.precision) for one in points}
    return {*wanted(extras, max(one.dims for one in points), _whole(points))} <= held


def _whole(points: list[Point]) -> Precision:
    """Return the precision that the embeddings have themselves."""
    return next(one.precision for one in points if one.precision not in CODES)


def with_extras_of(result: TaskResult, there: TaskResult) -> TaskResult:
    """Return `result` with the extras that an equal earlier one holds and that were not measured now.

    Where the scores are still the same, how they came about is told by the earlier run, which encoded, and not by this
    one, which read stored embeddings; only the seconds of the extras are added.
    """
    kept = {
        "ablations": _joined(there.ablations, result.ablations),
        "control": result.control or there.control,
        "curves": _points(there.curves, result.curves),
        "stability": result.stability or there.stability,
    }
    run = _run_of(result, there) if result.metrics == there.metrics else result.run
    return result.model_copy(update={**kept, "run": run})


def _run_of(result: TaskResult, there: TaskResult) -> dict[str, JsonValue]:
    before, now = there.run.get("seconds"), result.run.get("seconds")
    if not isinstance(before, dict) or not isinstance(now, dict):
        return there.run
    return {**there.run, "seconds": {**before, **{name: now[name] for name in EXTRAS if name in now}}}


def _joined(old: Ablations | None, new: Ablations | None) -> Ablations | None:
    if old is None or new is None:
        return new or old
    names = {*new.variants, *new.unavailable}
    return Ablations(
        variants={name: one for name, one in old.variants.items() if name not in names} | new.variants,
        unavailable={name: why for name, why in old.unavailable.items() if name not in names} | new.unavailable,
    )


def _points(old: list[Point] | None, new: list[Point] | None) -> list[Point] | None:
    if old is None or new is None:
        return new or old
    by_cost = {(one.dims, one.precision): one for one in [*old, *new]}
    order = (_whole(new), *CODES)
    return sorted(by_cost.values(), key=lambda one: (-one.dims, order.index(one.precision)))
