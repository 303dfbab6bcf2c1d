"""`mteb:NAME`: any model of mteb's registry that gives one vector an item, through its EncoderProtocol.

mteb (https://github.com/embeddings-benchmark/mteb, Enevoldsen et al. 2025, https://arxiv.org/abs/2502.13595) loads the
model, prepares texts and pictures and renders prompts. The other way round is `mteb_encoder.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from mbench.core.errors import ModelError, UnsupportedModalityError, UserError
from mbench.core.specs import Modality, ModelCard
from mbench.core.types import Item, LoadOptions, Role, Vectors
from mbench.models.cards import shipped_card
from mbench.models.device import resolve_device
from mbench.models.identity import Identity
from mbench.models.mteb_batches import Asked, batches_of, task_metadata
from mbench.models.mteb_load import load_registered, networks, registered, require_mteb, silent, weights_hash
from mbench.models.options import Args, Count, Text

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta

NO_REVISIONS = (None, "", "no_revision_available")


class MtebArgs(Args):
    """Arguments of `mteb:NAME`."""

    embed_dim: Count | None = Field(default=None, description="dimension to embed in, for models that offer several")
    use_instruction: bool = Field(default=True, description="give queries' instructions to the model")
    id: Text | None = Field(default=None, description="the model's name in results; mteb:NAME")


class Mteb:
    """A model of mteb's registry."""

    card: ModelCard = shipped_card("mteb")
    args: ClassVar[type[Args]] = MtebArgs
    argument: ClassVar[str] = "NAME"

    def __init__(self, meta: ModelMeta, model: Any, args: MtebArgs, options: LoadOptions) -> None:
        self.meta, self.model, self.options, self.loading = meta, model, args, options
        self.prompted = bool(meta.use_instructions)
        self.card = self.card.model_copy(update=_told(meta, args))
        self.identity = self._identity()

    @classmethod
    def load(cls, options: LoadOptions) -> Mteb:
        """Load the model that the name's argument tells. Raises UserError, ModelError, MissingDependencyError."""
        args = MtebArgs.read(options, "mteb")
        require_mteb()
        if options.dtype != "auto":
            raise UserError("Models of mteb choose their precision themselves; leave out --dtype.")
        meta = registered(options)
        settings = {} if args.embed_dim is None else {"embed_dim": args.embed_dim}
        model = load_registered(meta, options, resolve_device(options.device), **settings)
        return cls(meta, model, args, options)

    def __reduce__(self) -> tuple[Callable[[LoadOptions], Mteb], tuple[LoadOptions]]:
        """Load anew in another process: what a wrapper of mteb holds need not travel."""
        return type(self).load, (self.loading,)

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return [n, d], one call of the model for all items that are made of the same and share a prompt.

        Raises UnsupportedModalityError for an item of which the model embeds nothing or not all.
        """
        rows_of: dict[Asked, list[int]] = defaultdict(list)
        for row, item in enumerate(items):
            rows_of[self._asked(item, role)].append(row)
        found = {asked: self._encoded([items[row] for row in rows], asked, role) for asked, rows in rows_of.items()}
        dimension = next(iter(found.values())).shape[1] if found else self.card.dimension or 0
        vectors = np.zeros((len(items), dimension), dtype=np.float32)
        for asked, rows in rows_of.items():
            vectors[rows] = found[asked]
        return vectors

    def _asked(self, item: Item, role: Role) -> Asked:
        told = (item.instruction or "") if role == "query" and self.options.use_instruction else ""
        joined = bool(told) and not self.prompted
        text, image = item.text is not None or joined, item.image is not None
        if image and not joined and not (item.text or "").strip():
            text = False
        parts: Modality = "image+text" if text and image else "image" if image else "text"
        if not (text or image) or parts not in self.card.modalities:
            what = f"has {parts}" if text or image else "has no picture and no text"
            takes = ", ".join(self.card.modalities)
            raise UnsupportedModalityError(f"Model {self.card.id!r}: {role} {item.id!r} {what}; it embeds {takes}.")
        # Instructions in the text share a call; those in the prompt have one each.
        return Asked(text, image, told if self.prompted else "")

    def _encoded(self, items: Sequence[Item], asked: Asked, role: Role) -> Vectors:
        from mteb.types import PromptType

        joined = role == "query" and self.options.use_instruction and not self.prompted
        with silent():
            found = self.model.encode(
                batches_of(items, role, asked, joined),
                task_metadata=task_metadata(asked, role),
                hf_split="test",
                hf_subset="default",
                prompt_type=PromptType.query if role == "query" else PromptType.document,
                batch_size=len(items),
                show_progress_bar=False,
            )
        vectors: Vectors = np.asarray(found.detach().float().cpu() if hasattr(found, "detach") else found, np.float32)
        return vectors

    def _identity(self) -> Identity:
        """Return what embeddings depend on; nothing where neither the weights nor their revision are known."""
        from importlib.metadata import version

        held = networks(self.model)
        if not held and (self.meta.revision in NO_REVISIONS or not self.meta.open_weights):
            return {}
        return {
            **self.options.model_dump(exclude={"id"}),
            "mteb": version("mteb"),
            "model": str(self.meta.name),
            "revision": self.card.revision,
            "weights": weights_hash(held) if held else "of the revision",
        }


def _told(meta: ModelMeta, args: MtebArgs) -> dict[str, object]:
    """Return what mteb's registry says of a model, as the card tells it. Raises ModelError."""
    similarity = meta.similarity_fn_name.value if meta.similarity_fn_name else "cosine"
    if similarity not in ("cosine", "dot"):
        raise ModelError(f"mteb:{meta.name}: compares by {similarity}; mbench compares by cosine or dot.")
    modalities: list[Modality] = [one for one in ("text", "image") if one in meta.modalities]
    if len(modalities) == 2:
        modalities.append("image+text")
    return {
        "id": args.id or f"mteb:{meta.name}",
        "title": str(meta.name),
        "modalities": modalities,
        "uses_instructions": args.use_instruction and "text" in modalities,
        "dimension": args.embed_dim or (meta.embed_dim if isinstance(meta.embed_dim, int) else None),
        "similarity": similarity,
        "parameters": meta.n_parameters,
        "license": str(meta.license or "not stated"),
        "open_weights": meta.open_weights is not False,
        "revision": "unversioned" if meta.revision in NO_REVISIONS else meta.revision,
        "checkpoint": meta.name,
        "base_model": meta.adapted_from,
        "training_datasets": None if meta.training_datasets is None else sorted(meta.training_datasets),
    }
