"""The same task asked otherwise: fewer queries, other instructions or none, other wordings, the opposite question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from mbench.core.errors import UserError, nearest
from mbench.core.types import EvalData, ItemTable, Rendering, Rows

Instructions = Literal["default", "none", "shuffled", "paraphrased", "opposite"]

REWORDS = "rewords"
"""Extra column that says which field paraphrases and opposites replace: instruction (where absent) or text."""

Change = Callable[[ItemTable, np.random.Generator], ItemTable]


def limited(data: EvalData, n: int) -> EvalData:
    """Return the data with the first `n` queries; the corpus stays whole. Raises UserError when n < 1."""
    if n < 1:
        raise UserError(f"--limit must be at least 1; it is {n}.")
    return data.select(np.arange(min(n, len(data.queries)), dtype=np.int64))


def with_instructions(data: EvalData, mode: str, seed: int = 0) -> EvalData:
    """Return the data with other instructions.

    none: without any. shuffled: each query has the instruction of another one, never its own words; a permutation of
    all of them wherever one exists. paraphrased: one of the query's paraphrases, drawn with `seed`. opposite: the
    question whose right answer is another one; a query that has none keeps its own (see `has_opposite`).

    Raises UserError for an unknown mode, when there is nothing to shuffle, and when the task has no paraphrases or
    opposites.
    """
    if mode == "default":
        return data
    change = _CHANGES.get(mode)
    if change is None:
        near = nearest(mode, ["default", *_CHANGES])
        guess = f" Did you mean {near[0]!r}?" if near else ""
        raise UserError(
            f"Unknown value {mode!r} of --instructions; it is one of default, {', '.join(_CHANGES)}.{guess}"
        )
    return replace(
        data,
        queries=change(data.queries, np.random.default_rng(seed)),
        renderings=tuple(Rendering(change(r.items, np.random.default_rng(seed)), r.weight) for r in data.renderings),
    )


def has_opposite(queries: ItemTable) -> npt.NDArray[np.bool_]:
    """Return [n_q] which queries have an opposite question."""
    return np.array([value is not None for value in queries.column("opposite")], dtype=np.bool_)


def derangement(codes: Rows, generator: np.random.Generator) -> Rows:
    """Return [n] for each place another place whose code differs from its own.

    The result is a permutation unless one code has more than half of the places; then the places for which no partner
    is left draw theirs freely. Raises ValueError when all codes are equal.
    """
    if len(np.unique(codes)) < 2:
        raise ValueError("all codes are equal")
    order = generator.permutation(len(codes)).astype(np.int64)
    for place in np.flatnonzero(codes[order] == codes):
        if codes[order[place]] != codes[place]:
            continue
        partners = np.flatnonzero((codes != codes[place]) & (codes[order] != codes[place]))
        if len(partners):
            partner = generator.choice(partners)
            order[[place, partner]] = order[[partner, place]]
        else:
            order[place] = generator.choice(np.flatnonzero(codes != codes[place]))
    return order


def _without(queries: ItemTable, generator: np.random.Generator) -> ItemTable:
    return queries.replaced(instruction=None)


def _shuffled(queries: ItemTable, generator: np.random.Generator) -> ItemTable:
    instructions = cast(list[str | None], queries.column("instruction"))
    number: dict[str | None, int] = {}
    codes = np.array([number.setdefault(one, len(number)) for one in instructions], dtype=np.int64)
    if len(number) < 2:
        raise UserError(
            f"--instructions shuffled: there is nothing to shuffle, since all {len(queries)} queries have "
            f"{'no instruction' if None in number else 'the same instruction'}."
        )
    return queries.replaced(instruction=[instructions[place] for place in derangement(codes, generator)])


def _paraphrased(queries: ItemTable, generator: np.random.Generator) -> ItemTable:
    choices = cast(list[list[str] | None], queries.column("paraphrases"))
    lacking = [queries.ids(np.array([row]))[0] for row, one in enumerate(choices) if not one]
    if lacking:
        raise UserError(
            f"--instructions paraphrased: {len(lacking)} of {len(queries)} queries have no paraphrases "
            f"(the first is {lacking[0]!r}); this task cannot be paraphrased."
        )
    drawn = generator.random(len(choices))
    return _reworded(queries, [one[int(at * len(one))] for one, at in zip(choices, drawn, strict=True) if one])


def _opposite(queries: ItemTable, generator: np.random.Generator) -> ItemTable:
    if not has_opposite(queries).any():
        raise UserError("--instructions opposite: the queries of this task have no opposite questions.")
    field = _field(queries)
    own = cast(list[str | None], queries.column(field))
    others = cast(list[str | None], queries.column("opposite"))
    return _reworded(queries, [mine if other is None else other for mine, other in zip(own, others, strict=True)])


def _reworded(queries: ItemTable, words: list[Any]) -> ItemTable:
    return queries.replaced(**{_field(queries): words})


def _field(queries: ItemTable) -> str:
    stated = queries.column(REWORDS)
    return str(stated[0]) if stated and stated[0] is not None else "instruction"


_CHANGES: Mapping[str, Change] = {
    "none": _without,
    "shuffled": _shuffled,
    "paraphrased": _paraphrased,
    "opposite": _opposite,
}
