"""What the reproduction ledger declares: leaderboard/ledger.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from mbench.core import resources
from mbench.core.declared import spec_from
from mbench.core.errors import SpecError, UnknownNameError
from mbench.core.specs import GroupSpec, ModelCard, ReferenceScore, Strict, TaskSpec
from mbench.data.catalog import Catalog
from mbench.data.yaml import read_yaml


class Known(Strict):
    """A published model that results of ours are measurements of.

    `name` as in reference scores, `id` our model's. Where the id alone does not tell the weights, `checkpoint` or
    `base` is the last part of what a result's card names: the model on the Hub, or the folder.
    """

    name: str
    id: str
    checkpoint: str | None = None
    base: str | None = None

    def measured_by(self, card: ModelCard) -> bool:
        """Tell whether a result with this card is a measurement of the published model."""
        return self.id == card.id and all(
            wanted is None or wanted == (named or "").rpartition("/")[2]
            for wanted, named in ((self.checkpoint, card.checkpoint), (self.base, card.base_model))
        )


class Tolerance(Strict):
    """By how much (a fraction, either way) a measured number may differ from a published one, and why."""

    model: str
    task: str
    metric: str
    tolerance: float = Field(gt=0, lt=1)
    reason: str = Field(min_length=10)


class LedgerSpec(Strict):
    """The whole file. `rounding` is half of the last place that papers print."""

    rounding: float = Field(ge=0, lt=0.01)
    models: list[Known]
    tolerances: list[Tolerance] = Field(default_factory=list)

    def known(self, name: str) -> list[Known]:
        """Return what is declared about a published model."""
        return [one for one in self.models if one.name == name]

    def tolerance(self, published: ReferenceScore, task: str) -> Tolerance | None:
        """Return the tolerance declared for a published number on a task or group."""
        wanted = (published.model, task, published.metric)
        return next((one for one in self.tolerances if (one.model, one.task, one.metric) == wanted), None)


def read_ledger(catalog: Catalog, path: Path | None = None) -> LedgerSpec:
    """Read the ledger's declarations: those that ship with mbench unless `path` names others.

    Raises SpecError for a file that does not follow the schema or declares a thing twice, UnknownNameError for a model,
    task or metric without a published number in `catalog`.
    """
    path = path or resources.folder("leaderboard") / "ledger.yaml"
    document = read_yaml(path)
    spec: LedgerSpec = spec_from(LedgerSpec, document.value, str(path), document.lines)
    published = {(one.model, task, one.metric) for task, one in published_scores(catalog)}
    names = {model for model, _, _ in published}
    for known in spec.models:
        if known.name not in names:
            raise UnknownNameError("published model", known.name, names, f"({path}: no task has a number of it)")
    seen: set[tuple[str, str, str]] = set()
    for one in spec.tolerances:
        key = (one.model, one.task, one.metric)
        if key not in published:
            known_keys = [" ".join(other) for other in published]
            raise UnknownNameError("published number", " ".join(key), known_keys, f"({path}: tolerances)")
        if key in seen:
            raise SpecError(f"{path}: tolerances: {' '.join(key)} stands twice.")
        seen.add(key)
    return spec


def published_scores(catalog: Catalog) -> Iterator[tuple[str, ReferenceScore]]:
    """Yield every published number with the id of its task or group, in the catalogue's order."""
    specs: list[TaskSpec | GroupSpec] = [one.spec for one in catalog.all_tasks.values()]
    specs += [one.spec for one in catalog.all_groups.values()]
    for spec in specs:
        yield from ((spec.id, one) for one in spec.reference_scores)
