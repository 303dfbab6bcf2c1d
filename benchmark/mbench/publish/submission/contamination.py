"""Was a model trained on a task's data? What its card says, against the data sets that the task draws from."""

from __future__ import annotations

from mbench.core.specs import ModelCard, TaskSpec
from mbench.publish.submission.records import Contamination


def status(card: ModelCard, spec: TaskSpec) -> Contamination:
    """Return "seen" where the card lists a data set of the task, "unknown" where it lists nothing at all."""
    if card.training_datasets is None:
        return "unknown"
    trained = {name.casefold() for name in card.training_datasets}
    return "seen" if any(name.casefold() in trained for name in spec.datasets) else "unseen"
