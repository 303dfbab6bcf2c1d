"""How much of a composed query's score needs the composition: the score with a part of the query taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mbench.core.errors import UserError
from mbench.core.extras import Ablations, Variant
from mbench.core.types import Encoder, ItemTable
from mbench.models.baselines import ImageOnly, TextOnly
from mbench.models.blank import BlankPictures
from mbench.run.trial import Trial, gather

SEEN: Mapping[str, Callable[[Encoder], Encoder]] = {
    "text-only": TextOnly.of,
    "image-only": ImageOnly.of,
    "no-reference": BlankPictures,
}
"""How a model sees queries under each ablation. Candidates are always seen whole."""


def ablations(trial: Trial, names: Sequence[str]) -> Ablations:
    """Return the scores of a task's composed queries (a picture, and words) with a part of each taken away.

    text-only: the words remain, as a query of text alone, which the model must be able to embed as such. image-only:
    the picture remains. no-reference: the query stays composed, but its picture is grey (see `BlankPictures`). The
    first two ask what one modality scores by itself; the third, what the composed path makes of the words where the
    picture tells nothing. The model `text-only:MODEL` is another thing: it sees candidates without pictures too.

    A model that cannot embed what is left, and a task whose queries are not composed, get the reason and no number.
    """
    found = gather({name: partial(_ablated, trial, name) for name in names})
    return Ablations(variants=found.variants, unavailable=found.unavailable)


def _ablated(trial: Trial, name: str) -> Variant:
    _require_composed(trial.data.queries)
    return trial.varied(trial.model.seen_through(SEEN[name](trial.model.encoder)), trial.data)


def _require_composed(queries: ItemTable) -> None:
    words = [*queries.column("text"), *queries.column("instruction")]
    for what, values in (("picture", queries.column("image")), ("words", words)):
        if not any(values):
            raise UserError(f"The queries have no {what}, so nothing is composed that could be taken apart.")
