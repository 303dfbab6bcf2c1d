"""What is declared in files: tasks, groups of tasks, metrics and model cards. Extra keys are refused everywhere."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, field_validator, model_validator

from mbench.core.types import MAIN_POOL

Modality = Literal["text", "image", "image+text"]
Kind = Literal["cir", "control", "classification", "vqa", "retrieval", "grounding"]
MetricName = Literal["hit", "recall", "map", "map_trec", "ndcg", "mrr", "group_hit"]

TASK_ID = r"^[a-z0-9]+(-[a-z0-9]+)*$"
METRIC = re.compile(r"(?P<name>\w+)@(?P<k>\d+)(?: of (?P<labels>\w+))?(?: in (?P<pool>\w+))?")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


class Strict(BaseModel):
    """Base of all declarations: frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MetricSpec(Strict):
    """One metric of a task: `recall@5`, `recall@5 of target` (other labels), `recall@1 in subset` (other pool)."""

    name: MetricName
    k: int = Field(ge=1)
    labels: str = "relevant"
    pool: str = MAIN_POOL

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        match = METRIC.fullmatch(value)
        if match is None:
            raise ValueError(f"{value!r} is not a metric; write NAME@K, NAME@K of LABELS or NAME@K in POOL")
        parts: dict[str, object] = {key: text for key, text in match.groupdict().items() if text is not None}
        return parts | {"k": int(match["k"])}

    @property
    def key(self) -> str:
        """The name in results: `<metric>[_<labels>][_<pool>]@<k>`."""
        labels = "" if self.labels == "relevant" else f"_{self.labels}"
        pool = "" if self.pool == MAIN_POOL else f"_{self.pool}"
        return f"{self.name}{labels}{pool}@{self.k}"


class FileSpec(Strict):
    """A file of a source: its place below the data root (or beside the YAML file), size, hash and origin.

    With `unpack` it is an archive, wanted for what it holds: it is unpacked to that folder (`.`: the source's own).
    `pictures` tells whether it holds pictures, which only `mbench fetch` brings; left open, its size decides.
    """

    path: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    bytes: int | None = Field(default=None, ge=0)
    url: str | None = None
    unpack: str | None = None
    pictures: bool | None = None


class HubSpec(Strict):
    """A data set on the Hugging Face Hub, pinned to a commit.

    `include` are patterns of the files to take (`*` matches slashes too); none takes all tables and texts. They go to
    `folder` below the source's own, and archives among them are unpacked to `unpack` (`.`: the source's own folder).
    """

    repo: str
    revision: str
    repo_type: Literal["dataset", "model"] = "dataset"
    include: list[str] = []
    folder: str = ""
    unpack: str | None = None


class SourceSpec(Strict):
    """Where the data comes from and which loader reads it. `options` are the loader's own, checked by it.

    `folder` is the family's folder below the data root; with `shipped` the files lie beside the task's YAML file.
    """

    loader: str
    split: str = "test"
    folder: str = ""
    shipped: bool = False
    files: list[FileSpec] = []
    hub: HubSpec | None = None
    instructions: str = ""
    options: dict[str, JsonValue] = {}


class QuerySpec(Strict):
    """What a query is made of; `instruction` is for tasks with one instruction for all queries."""

    modality: Annotated[list[Modality], BeforeValidator(_as_list)]
    instruction: str | None = None


class CandidateSpec(Strict):
    """What a candidate is made of and what a query is ranked in: the whole corpus or the query's own gallery."""

    modality: Annotated[list[Modality], BeforeValidator(_as_list)]
    pool: Literal["corpus", "gallery"] = "corpus"
    instruction: str | None = None


class SizeSpec(Strict):
    """Numbers that the official data has; loading anything else is an error.

    With `partial_pool` fewer candidates load too, and results on them are marked as partial.
    """

    queries: int = Field(ge=1)
    candidates: int = Field(ge=1)
    partial_pool: bool = False


class ReferenceScore(Strict):
    """A published number (a fraction, as results hold it) and where it stands."""

    model: str
    metric: str
    value: float = Field(ge=0, le=1)
    source: str


class TaskSpec(Strict):
    """A task: data, protocol and metrics. `averages` are means of listed metrics, such as CIRR's (R@5 + Rs@1) / 2."""

    id: str = Field(pattern=TASK_ID)
    version: int = Field(ge=1)
    protocol: str
    title: str = ""
    description: str
    kind: Kind
    source: SourceSpec
    query: QuerySpec
    candidates: CandidateSpec
    sizes: SizeSpec | None = None
    metrics: list[MetricSpec] = Field(min_length=1)
    averages: dict[str, list[str]] = {}
    primary: str
    slices: list[str] = []
    slice_metric: str = ""
    labels_public: bool = True
    pictures_public: bool = False
    datasets: list[str] = []
    license: str
    citation: str
    homepage: str = ""
    traps: list[str] = []
    reference_scores: list[ReferenceScore] = []

    @model_validator(mode="after")
    def _names_exist(self) -> TaskSpec:
        keys = [m.key for m in self.metrics]
        for key in keys:
            if keys.count(key) > 1:
                raise ValueError(f"metrics: {key} is listed twice")
        for name, parts in self.averages.items():
            for part in parts:
                if part not in keys:
                    raise ValueError(f"averages.{name}: {part!r} is none of the metrics {keys}")
        for where, name in (("primary", self.primary), ("slice_metric", self.sliced)):
            if name not in self.keys:
                raise ValueError(f"{where}: {name!r} is none of the metrics {self.keys}")
        return self

    @property
    def keys(self) -> list[str]:
        """All metric keys of a result, in the order of the file, averages last."""
        return [m.key for m in self.metrics] + list(self.averages)

    @property
    def sliced(self) -> str:
        """The metric key that slices are reported in."""
        return self.slice_metric or self.primary

    @property
    def depth(self) -> int:
        """The deepest cut that a metric of the main pool needs."""
        return max(m.k for m in self.metrics)


class Aggregate(Strict):
    """One number of a group: the plain mean of `metric` over `members` (default: all); `primary` is each one's own."""

    name: str
    metric: str = "primary"
    members: list[str] = []


class GroupSpec(Strict):
    """Tasks (or other groups, or patterns) that belong together, and how their scores are averaged.

    The metric of a reference score is the name of an aggregate.
    """

    id: str = Field(pattern=TASK_ID)
    title: str = ""
    description: str
    members: list[str] = Field(min_length=1)
    aggregates: list[Aggregate] = []
    reference_scores: list[ReferenceScore] = []
    citation: str = ""


class ModelCard(Strict):
    """What is known about a model. `parameters` counts all weights; `training_datasets` marks contaminated scores.

    `roles_differ`: whether an item without instruction has another vector as a query than as a candidate.
    """

    id: str
    title: str = ""
    description: str = ""
    modalities: list[Modality]
    uses_instructions: bool
    roles_differ: bool | None = None
    exif_orientation: Literal["ignored", "applied"] = "ignored"
    dimension: int | None = Field(default=None, ge=1)
    similarity: Literal["cosine", "dot"] = "cosine"
    parameters: int | None = Field(default=None, ge=0)
    license: str
    open_weights: bool = True
    revision: str = "unversioned"
    checkpoint: str | None = None
    base_model: str | None = None
    training_datasets: list[str] | None = None
    paper: str | None = None
    notes: str = ""

    @field_validator("modalities")
    @classmethod
    def _some(cls, value: list[Modality]) -> list[Modality]:
        if not value:
            raise ValueError("names no modality; list some of text, image, image+text")
        return value
