"""One task, two results: every metric's difference, and the slices that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mbench.core.errors import DataError, UserError
from mbench.core.types import Floats
from mbench.publish.comparison.context import Context, Flags
from mbench.publish.comparison.records import ALL, PRIMARY, Asked, Gap, SliceGap
from mbench.publish.comparison.scores import QueryScores, aligned
from mbench.scoring.paired import Paired, compare_all


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sides of one task, with the scores of their queries."""

    a: str
    b: str
    task: str
    primary: str
    ours: QueryScores
    theirs: QueryScores

    @property
    def files(self) -> str:
        """Both files, for messages."""
        return f"{self.ours.path} and {self.theirs.path}"


def gaps_of(pair: Pair, context: Context, asked: Asked) -> list[Gap]:
    """Compare two results of a task under all metrics that both have; only the chosen ones by slice.

    Raises UserError for fewer than two judged queries under a chosen metric, for queries judged in one file only, and
    for results that do not both have the primary metric when it is asked for.
    """
    pair = replace(pair, theirs=aligned(pair.theirs, pair.ours.ids, pair.ours.path))
    keys = [key for key in pair.ours.columns if key in pair.theirs.columns]
    chosen = {key for key in keys if key in asked.metrics or ALL in asked.metrics}
    chosen |= {pair.primary} & set(keys) if PRIMARY in asked.metrics else set()
    if PRIMARY in asked.metrics and pair.primary not in keys:
        raise UserError(
            f"{pair.files}: both must have {pair.primary}, the task's primary metric; choose with --metric."
        )
    judged = {key: int(np.count_nonzero(_judged(pair.ours.columns[key]))) for key in keys}
    few = next((key for key in keys if key in chosen and judged[key] < 2), None)
    if few is not None:
        raise UserError(f"{pair.files}: {few}: {judged[few]} judged query; a comparison needs at least 2.")
    found = _compared(pair, [key for key in keys if judged[key] > 1], context, asked)
    gaps = [Gap(pair.a, pair.b, pair.task, key, paired, key in chosen) for key, paired in found.items()]
    return [replace(gap, slices=_slices(pair, gap.metric, context, asked)) if gap.chosen else gap for gap in gaps]


def _judged(values: Floats) -> Flags:
    return np.asarray(~np.isnan(values), dtype=np.bool_)


def _compared(pair: Pair, keys: Sequence[str], context: Context, asked: Asked) -> dict[str, Paired]:
    columns = {key: pair.ours.columns[key] for key in keys}
    try:
        return compare_all(columns, pair.theirs.columns, context.clusters, seed=asked.seed, method=asked.method)
    except DataError as error:
        raise UserError(f"{pair.files}: {error}") from None


def _slices(pair: Pair, key: str, context: Context, asked: Asked) -> tuple[SliceGap, ...]:
    """Compare within each slice that has at least two judged queries; the ones that matter most come first."""
    judged = _judged(pair.ours.columns[key])
    found: list[SliceGap] = []
    for tag, values in context.slices.items():
        inside = {value: rows & judged for value, rows in values.items() if np.count_nonzero(rows & judged) > 1}
        a = {value: np.where(rows, pair.ours.columns[key], np.nan) for value, rows in inside.items()}
        b = {value: np.where(rows, pair.theirs.columns[key], np.nan) for value, rows in inside.items()}
        for value, one in compare_all(a, b, context.clusters, seed=asked.seed, method=asked.method).items():
            found.append(SliceGap(tag, value, one, one.difference * one.n / int(judged.sum())))
    return tuple(sorted(found, key=lambda one: -abs(one.part)))
