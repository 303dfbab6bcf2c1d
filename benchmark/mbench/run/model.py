"""A model that is ready to embed, with the embeddings that it computed before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from mbench.core.types import Encoder, ItemTable, LoadOptions, Role
from mbench.models.catalog import load_model
from mbench.retrieval.store import Store
from mbench.run.provenance import model_ref, shares_cache, store_name
from mbench.run.settings import RunSettings

Note = Callable[[str], None]


def _ignored(message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that is ready, the options it was loaded with, and its stores of embeddings by role.

    `name` is what the user called it, to load it once more; `cache` is where its stores lie (None: for this run only),
    `note` is told what is wrong with them, and `memory` bounds, in bytes, what a run takes.
    """

    encoder: Encoder
    options: LoadOptions
    stores: Mapping[Role, Store]
    name: str = ""
    cache: Path | None = None
    note: Note = _ignored
    memory: int | None = None

    def store_for(self, table: ItemTable, role: Role) -> Store:
        """Return where the embeddings of a table are kept: apart by role, unless role does not matter to the model.

        Then a picture or caption that is a query of one task and a candidate of another is embedded once.
        """
        alike = bool(getattr(self.encoder, "roles_alike", False))
        told = not alike or any(one is not None for one in table.column("instruction"))
        return self.stores[role if told else "candidate"]

    def seen_through(self, wrapper: Encoder) -> Loaded:
        """Return the same model as `wrapper` shows things to it, with stores of its own."""
        stores = _stores(wrapper, self.options, self.cache, self.note, self.memory)
        return replace(self, encoder=wrapper, stores=stores)


def loaded(name: str, options: LoadOptions, settings: RunSettings, note: Note) -> Loaded:
    """Load a model and open its stores of embeddings. Raises ModelError or UserError."""
    encoder = load_model(name, options)
    stores = _stores(encoder, options, settings.cache, note, settings.memory)
    return Loaded(encoder, options, stores, name, settings.cache, note, settings.memory)


def _stores(
    encoder: Encoder, options: LoadOptions, cache: Path | None, note: Note, memory: int | None
) -> dict[Role, Store]:
    ref = model_ref(encoder, options)
    told: dict[str, JsonValue] = {"id": ref.id, "revision": ref.revision, "args": dict(options.args)}
    trusted = cache if shares_cache(encoder) else None
    roles: tuple[Role, ...] = ("query", "candidate")
    name = store_name(ref)
    return {role: Store(trusted, name, role, note, told, memory) for role in roles}
