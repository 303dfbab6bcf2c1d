"""A comparison as tables of text and as JSON."""

from __future__ import annotations

from typing import Any

from mbench.publish.comparison.operands import Operand
from mbench.publish.comparison.records import Comparison, Gap, SliceGap, TaskNote
from mbench.publish.plain import Sheet, points, probability, spanned
from mbench.scoring.paired import Paired

NUMBERS = ("A - B", "95% interval", "p", "p (Holm)", "effect", "wins / ties / losses", "n")
SLICE_NUMBERS = ("A - B", "95% interval", "p", "n", "adds")
"""The last one is what the slice adds to the difference of the task: over the values of a tag that give each query
one, these parts sum up to it."""

SLICES_SHOWN = 5
"""So many slices of each task are printed, those first that add most to the difference."""


def sheets(comparison: Comparison) -> list[Sheet]:
    """Return a table of differences for each pair, and one of the slices that drive them, in percentage points."""
    first, others = comparison.operands[0].label, [one.label for one in comparison.operands[1:]]
    tables = []
    for other in others:
        gaps = [gap for gap in comparison.gaps if gap.b == other and gap.chosen]
        rows = tuple(_row(gap, comparison.tasks[gap.task]) for gap in gaps)
        title = f"A = {first}, B = {other}: differences in percentage points"
        tables.append(Sheet(title, ("task", "metric", *NUMBERS), rows, frozenset(NUMBERS)))
        driving = tuple(_slice_row(gap, one) for gap in gaps for one in gap.slices[:SLICES_SHOWN])
        heads = ("task", "metric", "slice", *SLICE_NUMBERS)
        title = f"A = {first}, B = {other}: slices that add most to the difference"
        tables.append(Sheet(title, heads, driving, frozenset(SLICE_NUMBERS)))
    return tables


def notes(comparison: Comparison) -> list[str]:
    """Return what limits the numbers: tasks left out, data not at hand, differences that tests cannot judge."""
    said = list(comparison.notes)
    clustered = [task for task, about in comparison.tasks.items() if about.clustered]
    if clustered:
        said.append(f"{', '.join(clustered)}: queries that belong together are drawn and tested together")
    said += [f"{task}: {about.note}" for task, about in comparison.tasks.items() if about.note]
    limited = [gap for gap in comparison.gaps if gap.chosen and gap.paired.note]
    return said + [f"{gap.task} {gap.metric}: {gap.a} and {gap.b}: {gap.paired.note}" for gap in limited]


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison of the first two under `tasks`: by task and metric key, with all metrics of both.

    Further results are compared with the first, too: a list of the same form under `others`. `p_holm` is null for a
    metric that was not asked for. Differences are of fractions, A - B.
    """
    first, second, *rest = comparison.operands
    return {
        **_pair(comparison, first, second),
        "others": [_pair(comparison, first, one) for one in rest],
        "notes": notes(comparison),
    }


def _row(gap: Gap, about: TaskNote) -> tuple[str, ...]:
    marks = ["partial"] * about.partial + [about.variant] * bool(about.variant)
    task = gap.task + (f" ({', '.join(marks)})" if marks else "")
    one = gap.paired
    effect = "" if one.effect is None else f"{one.effect:+.3f}"
    counts = f"{one.wins:,} / {one.ties:,} / {one.losses:,}"
    spread = spanned(one.low, one.high)
    tested = (probability(one.p), probability(gap.adjusted))
    return (task, gap.metric, points(one.difference), spread, *tested, effect, counts, f"{one.n:,}")


def _slice_row(gap: Gap, part: SliceGap) -> tuple[str, ...]:
    one = part.paired
    numbers = (points(one.difference), spanned(one.low, one.high), probability(one.p), f"{one.n:,}", points(part.part))
    return (gap.task, gap.metric, f"{part.tag} = {part.value}", *numbers)


def _pair(comparison: Comparison, a: Operand, b: Operand) -> dict[str, Any]:
    tasks: dict[str, dict[str, Any]] = {}
    for gap in comparison.gaps:
        if gap.b == b.label:
            tasks.setdefault(gap.task, {})[gap.metric] = _gap(gap, comparison.tasks[gap.task])
    return {"a": _side(a), "b": _side(b), "tasks": tasks}


def _side(operand: Operand) -> dict[str, str]:
    model = operand.model
    return {
        "label": operand.label,
        "model": model.id,
        "revision": model.revision,
        "fingerprint": model.fingerprint,
        "path": str(operand.path),
    }


def _gap(gap: Gap, about: TaskNote) -> dict[str, Any]:
    slices: dict[str, dict[str, Any]] = {}
    for one in gap.slices:
        slices.setdefault(one.tag, {})[one.value] = {**_numbers(one.paired), "part": one.part}
    marks = {"partial": about.partial, "variant": about.variant, "clustered": about.clustered}
    return {**_numbers(gap.paired), "p_holm": gap.adjusted, **marks, "note": gap.paired.note, "slices": slices}


def _numbers(one: Paired) -> dict[str, Any]:
    return {
        "difference": one.difference,
        "low": one.low,
        "high": one.high,
        "p": one.p,
        "effect": one.effect,
        "wins": one.wins,
        "ties": one.ties,
        "losses": one.losses,
        "n": one.n,
    }
