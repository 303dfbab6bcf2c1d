"""A model of mbench as an encoder of mteb: `mteb.evaluate(mbench_as_mteb("tiny"), tasks)`.

It follows the EncoderProtocol of mteb (https://github.com/embeddings-benchmark/mteb), so that all its tasks that are
made of texts and pictures take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from mbench.core.errors import UnsupportedModalityError
from mbench.core.specs import ModelCard
from mbench.core.types import Encoder, Item, LoadOptions, Role, Vectors
from mbench.models.catalog import load_model
from mbench.models.mteb_load import require_mteb

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models.model_meta import ModelMeta
    from mteb.types import PromptType
    from torch import Tensor

Batch = Mapping[str, Sequence[Any]]
ORGANISATION = "mbench"
"""mteb's names have an organisation; ours stand below this one."""


class MbenchEncoder:
    """A loaded model of mbench with the methods and the metadata that mteb asks of an encoder."""

    def __init__(self, encoder: Encoder, meta: ModelMeta) -> None:
        self.encoder = encoder
        self.mteb_model_meta = meta

    def encode(
        self,
        inputs: Iterable[Batch],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **_: object,
    ) -> Vectors:
        """Return [n, d] of all batches. What is neither a document nor a query is encoded as a query is.

        A query's instruction is its own, where the data have one, else the prompt of the task, if the model uses
        instructions. Raises UnsupportedModalityError for a batch without text and picture, and what the model raises.
        """
        role: Role = "candidate" if prompt_type is not None and prompt_type.value == "document" else "query"
        prompt = prompt_of(task_metadata, prompt_type) if self.encoder.card.uses_instructions else None
        found = [self._vectors(batch, prompt, role, task_metadata.name) for batch in inputs]
        return np.concatenate(found) if found else np.zeros((0, self.encoder.card.dimension or 0), dtype=np.float32)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        """Return [n, m] the similarity of each to each: cosine or dot, as the model's card says."""
        from mteb.similarity_functions import cos_sim, dot_score

        found: Tensor = (cos_sim if self._by_cosine else dot_score)(embeddings1, embeddings2)
        return found

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Tensor:
        """Return [n] the similarity of each to its counterpart."""
        from mteb.similarity_functions import pairwise_cos_sim, pairwise_dot_score

        found: Tensor = (pairwise_cos_sim if self._by_cosine else pairwise_dot_score)(embeddings1, embeddings2)
        return found

    @property
    def _by_cosine(self) -> bool:
        return self.encoder.card.similarity == "cosine"

    def _vectors(self, batch: Batch, prompt: str | None, role: Role, task: str) -> Vectors:
        if not {"text", "image"} & batch.keys():
            raise UnsupportedModalityError(
                f"mteb's task {task!r} has batches of {', '.join(batch)}; models of mbench embed text and image."
            )
        return self.encoder.encode(items_of(batch, prompt, self.encoder.card.uses_instructions), role=role)


def mbench_as_mteb(name: str, options: LoadOptions | None = None) -> MbenchEncoder:
    """Load the model that mbench calls `name` as an encoder for mteb. Raises what `load_model` raises.

    Raises MissingDependencyError that says how to install it unless mteb is there.
    """
    require_mteb()
    encoder = load_model(name, options or LoadOptions())
    return MbenchEncoder(encoder, meta_of(name, encoder.card, options or LoadOptions()))


def items_of(batch: Batch, prompt: str | None, instructed: bool) -> list[Item]:
    """Return the rows of one of mteb's batches.

    mteb joins instructions to the texts of queries; where the model takes `instructed` queries they are kept apart.
    """
    apart = instructed and {"instruction", "query"} <= batch.keys()
    nothing = [None] * len(next(iter(batch.values())))
    texts = batch["query"] if apart else batch.get("text", nothing)
    told = batch["instruction"] if apart else [prompt] * len(nothing)
    pictures = batch.get("image", nothing)
    ids = batch.get("id", range(len(nothing)))
    return [
        Item(str(key), text=text, image=picture, instruction=one or prompt)
        for key, text, picture, one in zip(ids, texts, pictures, told, strict=True)
    ]


def prompt_of(task: TaskMetadata, prompt_type: PromptType | None) -> str | None:
    """Return the prompt that a task of mteb has for queries or documents, if it has one.

    Where it has a single prompt, that tells what to find and is for queries alone.
    """
    kind = "query" if prompt_type is None else prompt_type.value
    prompt: str | Mapping[str, str] | None = task.prompt
    of = prompt if isinstance(prompt, Mapping) else {"query": prompt}
    return of.get(kind) or None


def meta_of(name: str, card: ModelCard, options: LoadOptions) -> ModelMeta:
    """Return mteb's metadata of a model of mbench, from its card; its loader loads the model again."""
    from mteb.models.model_meta import ModelMeta

    told: dict[str, Any] = {
        "loader": partial(_loaded, mbench_name=name, options=options),
        "name": f"{ORGANISATION}/{card.id.replace('/', '__')}",
        "revision": card.revision,
        "release_date": None,
        "languages": None,
        "n_parameters": card.parameters,
        "memory_usage_mb": None,
        "max_tokens": None,
        "embed_dim": card.dimension,
        "license": _license(card.license),
        "open_weights": card.open_weights,
        "public_training_code": None,
        "public_training_data": None,
        "framework": ["PyTorch"],
        "reference": card.paper,
        "similarity_fn_name": card.similarity,
        "use_instructions": card.uses_instructions,
        "training_datasets": None if card.training_datasets is None else set(card.training_datasets),
        "adapted_from": card.base_model,
        "modalities": [one for one in ("text", "image") if any(one in part for part in card.modalities)],
    }
    return ModelMeta(**told)


def _loaded(
    model_name: str,
    revision: str | None = None,
    *,
    mbench_name: str,
    options: LoadOptions,
    device: str | None = None,
    **_: object,
) -> MbenchEncoder:
    return mbench_as_mteb(mbench_name, options if device is None else replace(options, device=device))


def _license(said: str) -> str | None:
    """Return the licence as mteb writes it, if it knows it."""
    from mteb.types import Licenses

    lower = said.lower()
    return lower if lower in get_args(Licenses) else None
