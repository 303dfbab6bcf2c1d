"""What a result holds beside its scores where a run was asked for more: ablations, control, curves, stability."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mbench.core.values import Difference, Record, Value

Precision = Literal["float32", "float16", "int8", "binary"]


class Variant(Record):
    """The queries asked otherwise, ranked against the same candidate embeddings.

    `differences` are the score of the run minus that of the variant, by metric key: the primary metric, and group hits
    where the task has them. `moved` is the mean cosine distance (0 to 2) between each query's embedding in the run and
    in the variant. Where only some queries have the variant (opposite questions), both are over those.
    """

    metrics: dict[str, Value]
    differences: dict[str, Difference]
    moved: float


class Variants(Record):
    """Variants by name; `unavailable` says of each of the others why it has no number."""

    variants: dict[str, Variant] = Field(default_factory=dict)
    unavailable: dict[str, str] = Field(default_factory=dict)


class Ablations(Variants):
    """Composed queries of which a part is taken away: `text-only`, `image-only`, `no-reference`."""


class Spread(Record):
    """How far a score moves between wordings that mean the same: `value` is `highest` - `lowest`."""

    value: float
    lowest: float
    highest: float
    wordings: int


class Control(Variants):
    """What instructions do, in the primary metric.

    `control_gain` is the score with the task's instructions minus that with none, `misinstruction_drop` minus that with
    another query's.
    """

    control_gain: Difference | None = None
    misinstruction_drop: Difference | None = None
    paraphrase_spread: Spread | None = None


class Point(Record):
    """One point of quality against cost: embeddings cut to `dims` dimensions and stored in `precision`.

    `bytes_per_candidate` counts the stored numbers alone. `tied_at_cut` is the share of queries whose cut under the
    primary metric only the tie rule decided: coarse codes tie often.
    """

    dims: int = Field(ge=1)
    precision: Precision
    bytes_per_candidate: int = Field(ge=1)
    metrics: dict[str, Value]
    tied_at_cut: float


class Setup(Record):
    """What embeddings were computed with; `model_fingerprint` covers weights, arguments and dtype."""

    model_fingerprint: str
    batch_size: int
    device: str
    dtype: str
    threads: int
    model_args: dict[str, str] = Field(default_factory=dict)


class Variation(Record):
    """One thing changed: the largest change of any metric (with its key), and of any embedding as cosine distance."""

    setup: Setup
    metric: str
    score_change: float
    embedding_change: float


class Stability(Record):
    """Does the score depend on the machine? A sample of the task, embedded anew under one variation at a time.

    `metrics` are the sample's scores under `setup`: its pool is smaller than the task's, so they compare with nothing
    else. `unavailable` says of each other variation why it was not tried.
    """

    queries: int
    candidates: int
    setup: Setup
    metrics: dict[str, Value]
    variations: dict[str, Variation] = Field(default_factory=dict)
    unavailable: dict[str, str] = Field(default_factory=dict)
