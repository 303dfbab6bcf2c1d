"""Has a model seen a task's data? What its card says, against the data sets that the task draws from.

`seen`: trained on one of them, on a collection that holds one, or on data that share pictures or texts with one.
`unknown`: not seen as far as told, but something is not told: the card's training data, what is in one of them, or what
the base model was trained on. `unseen`: all training data are declared, and none has to do with the task. A zero-shot
comparison leaves out what is seen. The training split of a data set counts as the data set: its test items were not
trained on, but their kind was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mbench.core.specs import ModelCard, TaskSpec
from mbench.publish.datasets import Vocabulary, shipped_vocabulary

Status = Literal["seen", "unseen", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a model has seen a task's data, and the reason in words."""

    status: Status
    reason: str


def status(card: ModelCard, spec: TaskSpec) -> Status:
    """Return whether the model of `card` has seen the data of a task; see `verdict` for the reason."""
    return verdict(card, spec).status


def verdict(card: ModelCard, spec: TaskSpec, vocabulary: Vocabulary | None = None) -> Verdict:
    """Judge by what is declared: `card.training_datasets` and `base_model`, `spec.datasets`, and what `vocabulary` says
    about data sets (by default leaderboard/datasets.yaml). Raises SpecError where the shipped file is damaged.
    """
    known = vocabulary or shipped_vocabulary()
    wanted = known.normals(spec.datasets)
    if not wanted:
        return Verdict("unknown", "the task does not tell which data sets it draws from")
    trained = known.normals(_trained(card, known))
    seen = [reason for name in trained if (reason := _shown(name, wanted, known))]
    if seen:
        return Verdict("seen", "; ".join(seen))
    doubts = list(_doubts(card, trained, known))
    if doubts:
        return Verdict("unknown", "; ".join(doubts))
    return Verdict("unseen", f"none of its training data ({', '.join(trained) or 'none'}) has to do with the task")


def _trained(card: ModelCard, known: Vocabulary) -> list[str]:
    base = known.base(card.base_model) if card.base_model else None
    return [*(card.training_datasets or []), *(base.trained if base else [])]


def _shown(name: str, wanted: list[str], known: Vocabulary) -> str:
    """Return how training on the data set `name` has shown some of the `wanted` ones; nothing where it has not."""
    if name in wanted:
        return f"trained on {name}"
    parts = known.parts(name)
    held = [one for one in wanted if one in parts]
    if held:
        return f"trained on {name}, which holds {', '.join(held)}"
    for overlap in known.overlaps:
        met = [one for one in wanted if one in overlap.sets]
        if met and parts & set(overlap.sets):
            return f"trained on {name}, which overlaps with {', '.join(met)}: {overlap.reason}"
    return ""


def _doubts(card: ModelCard, trained: list[str], known: Vocabulary) -> Iterator[str]:
    """Yield what is not told about the training data."""
    if card.training_datasets is None:
        yield "the card does not tell what it was trained on"
    for name in trained:
        declared = known.find(name)
        if declared is None:
            yield f"nothing is declared about the training data {name!r}"
        elif declared.undisclosed:
            yield f"trained on {name}, whose contents are not published"
    if card.base_model:
        base = known.base(card.base_model)
        if base is None:
            yield f"nothing is declared about the base model {card.base_model!r}"
        elif base.undisclosed:
            yield f"the training data of the base model {card.base_model} are not published"
