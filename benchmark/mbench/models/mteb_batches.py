"""Items as mteb hands them to an encoder: a loader of batches, a kind of prompt and the metadata of a task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mbench.core.types import Item, Role
from mbench.models.pictures import rgb

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata

TASK_TYPE = "Any2AnyRetrieval"
CATEGORIES = {(True, False): "t", (False, True): "i", (True, True): "it"}
"""mteb's letters for what an item is made of: by whether there is text, whether there is a picture."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What items of one batch have in common: what they are made of, and the prompt of the task."""

    text: bool
    image: bool
    prompt: str


class Rows:
    """Columns of equal length as mteb's wrappers look at a data set: `features`, a length and rows."""

    def __init__(self, columns: Mapping[str, Sequence[object]]) -> None:
        self.columns = columns
        self.features = dict.fromkeys(columns)

    @property
    def column_names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, row: int) -> dict[str, object]:
        return {name: values[row] for name, values in self.columns.items()}


class Batches:
    """The one batch of a call, with the attributes of torch's DataLoader that mteb's wrappers use."""

    def __init__(self, dataset: Rows) -> None:
        self.dataset = dataset
        self.batch_size = len(dataset)
        self.num_workers = 0
        self.collate_fn: object = None

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Mapping[str, list[object]]]:
        yield {name: list(values) for name, values in self.dataset.columns.items()}


def batches_of(items: Sequence[Item], role: Role, asked: Asked, joined: bool) -> Batches:
    """Return `items`, which are all made of what `asked` says, with mteb's columns.

    With `joined` instructions follow the queries' texts, as mteb joins them for models without prompts.
    """
    columns: dict[str, Sequence[object]] = {"id": [item.id for item in items]}
    if asked.text:
        texts = [item.text or "" for item in items]
        told = (
            [item.instruction or "" for item in items] if joined and any(item.instruction for item in items) else None
        )
        columns |= _queries(texts, told) if role == "query" else _documents(texts)
    if asked.image:
        columns["image"] = [rgb(item.image) for item in items if item.image is not None]
    return Batches(Rows(columns))


def _queries(texts: Sequence[str], told: Sequence[str] | None) -> dict[str, Sequence[object]]:
    if told is None:
        return {"text": texts, "query": texts}
    both = [f"{text} {one}".strip() if one else text for text, one in zip(texts, told, strict=True)]
    return {"text": both, "query": texts, "instruction": told}


def _documents(texts: Sequence[str]) -> dict[str, Sequence[object]]:
    return {"text": [text.strip() for text in texts], "body": texts}


def task_metadata(asked: Asked, role: Role) -> TaskMetadata:
    """Return the metadata of a retrieval task with that prompt for queries, from which models take their prompts."""
    from mteb.abstasks.task_metadata import TaskMetadata

    made_of = CATEGORIES[asked.text, asked.image]
    told: dict[str, Any] = {
        "name": "mbench",
        "description": "Items that mbench encodes.",
        "dataset": {"path": "mbench", "revision": "1"},
        "type": TASK_TYPE,
        "category": f"{made_of}2i" if role == "query" else f"t2{made_of}",
        "modalities": ["text", "image"],
        "eval_splits": ["test"],
        "eval_langs": ["eng-Latn"],
        "main_score": "ndcg_at_10",
        "prompt": {"query": asked.prompt},
    }
    return TaskMetadata(**told)
