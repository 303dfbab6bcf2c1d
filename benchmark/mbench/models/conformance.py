"""The conformance suite for adapters: what every part of mbench relies on, asked of one model.

An adapter passes when it does what its card says and nothing else: its vectors depend on an item's content alone, and
whatever it cannot embed it refuses by an error of mbench that names the item.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mbench.core.errors import MbenchError, ModelError
from mbench.core.types import LoadOptions, needs_of
from mbench.models import conformance_checks, conformance_cost, conformance_inputs, conformance_offers
from mbench.models.catalog import load_model
from mbench.models.conformance_items import ordinary
from mbench.models.conformance_subject import Check, Finding, MisbehaviourError, Subject, failed, skipped


@dataclass(frozen=True, slots=True)
class Row:
    """A check and what it found."""

    group: str
    check: str
    finding: Finding


def subject_of(name: str, options: LoadOptions, batch_size: int | None = None) -> Subject:
    """Load the model called `name` for examination. Raises UserError, ModelError."""
    return Subject(name, load_model(name, options), options, batch_size)


def checks(subject: Subject, *, worker: bool = True) -> tuple[Check, ...]:
    """Return what is asked of a model, in order; without `worker` it is not loaded a second time.

    Of a model that knows embeddings by id alone, nothing can be asked.
    """
    refusal = _knows_no_other_ids(subject)
    if refusal:
        return (Check("model", "check-model applies", lambda _: skipped(f"embeddings are looked up by id: {refusal}")),)
    again = (conformance_cost.WORKER,) if worker else ()
    ours = (*conformance_checks.CHECKS, *conformance_offers.CHECKS, *conformance_inputs.CHECKS)
    return (*ours, *again, *conformance_cost.CHECKS)


def examine(subject: Subject, asked: Sequence[Check]) -> Iterator[Row]:
    """Run the checks one by one. Raises ModelError when the machine is out of memory for an ordinary batch."""
    for check in asked:
        yield Row(check.group, check.name, _finding(check, subject))


def _finding(check: Check, subject: Subject) -> Finding:
    try:
        return check.run(subject)
    except MisbehaviourError as error:
        return failed(str(error))
    except MbenchError as error:
        return failed(f"refused an ordinary item: {error}")
    except MemoryError as error:
        raise ModelError(
            f"Model {subject.card.id!r}: out of memory in the check {check.name!r} ({error or 'no more is told'}). "
            "Give a smaller --batch-size, --dtype bf16 or another --device."
        ) from None


def _knows_no_other_ids(subject: Subject) -> str:
    """Return why a model that needs ids refuses an ordinary item, or nothing."""
    if "id" not in needs_of(subject.encoder):
        return ""
    try:
        subject.raw(ordinary(subject.card)[:1], "query")
    except MbenchError as error:
        return str(error)
    except MisbehaviourError:
        return ""
    return ""
