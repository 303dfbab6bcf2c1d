"""The records that travel between the rooms, and the `Encoder` protocol that an adapter fulfils.

Rows are positions in an `ItemTable` (int64); ids are the data set's own strings. `n_q` counts queries, `n_c`
candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

    from mbench.core.specs import ModelCard

Role = Literal["query", "candidate"]
Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint8]

MAIN_POOL = "main"
"""Key of the ranking that a task's plain metrics are computed on: the corpus, or the gallery where a task has one."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to embed: all that an adapter ever sees. `image` is the decoded picture exactly as its file has it."""

    id: str
    text: str | None = None
    image: Image | None = None
    instruction: str | None = None


class ItemTable(Protocol):
    """Rows of items, of which only the asked ones become Python objects."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def ids(self, rows: Rows | None = None) -> list[str]:
        """Return the ids of `rows`, or of all rows."""

    def items(self, rows: Rows, *, images: bool = True, reduced: Callable[[Item], Item] | None = None) -> list[Item]:
        """Return the items, if `images` with pictures, `reduced`. Raises ImageError, and what `reduced` raises."""

    def content_keys(self, rows: Rows, needs: frozenset[str]) -> Keys:
        """Return [len(rows), 16], digests of the fields in `needs` (id, text, image): equal contents, equal digests."""

    def costs(self, rows: Rows) -> Floats:
        """Return a number for each row that grows with the work of encoding it (pixels, characters)."""

    def tie_ranks(self) -> Rows:
        """Return [n] the place of each row's id in ascending byte order: what breaks ties between equal scores."""

    def select(self, rows: Rows) -> ItemTable:
        """Return the table of `rows`, in their order."""

    def replaced(self, **columns: Sequence[str | None] | None) -> ItemTable:
        """Return the table with `text`, `instruction` or `image` replaced by given values; None clears the column."""

    def column(self, name: str) -> list[object]:
        """Return an extra column of the source, such as `paraphrases` or `opposite`; all None where it has none."""

    def modalities(self) -> frozenset[str]:
        """Return which of text, image, image+text occur."""

    def check_images(self) -> None:
        """Verify that every picture that a row names is there. Raises ImageError that names the first missing ones."""


@dataclass(frozen=True, slots=True)
class Sets:
    """A set of rows for each query, in compressed sparse rows: query i has `rows[starts[i]:starts[i + 1]]`.

    `grades` are parallel to `rows` (graded relevance); None means 1 for each.
    """

    starts: Rows
    rows: Rows
    grades: Floats | None = None

    @staticmethod
    def of(lists: Iterable[Sequence[int]]) -> Sets:
        """Build from one sequence of rows a query."""
        kept = [np.asarray(one, dtype=np.int64) for one in lists]
        starts = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum([len(one) for one in kept], out=starts[1:])
        return Sets(starts, np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, query: int) -> Rows:
        return self.rows[self.starts[query] : self.starts[query + 1]]

    def sizes(self) -> Rows:
        """Return [n_q] how many rows each query has."""
        return np.diff(self.starts)

    def select(self, queries: Rows) -> Sets:
        """Return the sets of `queries`, in their order."""
        sizes = self.sizes()[queries]
        starts = np.zeros(len(queries) + 1, dtype=np.int64)
        np.cumsum(sizes, out=starts[1:])
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
        picked = np.repeat(self.starts[queries], sizes) + within
        return Sets(starts, self.rows[picked], None if self.grades is None else self.grades[picked])


@dataclass(frozen=True, slots=True)
class Tags:
    """Values of one tag (semantic aspect, kind of change): `members` holds for each query the positions in `values`."""

    values: tuple[str, ...]
    members: Sets


@dataclass(frozen=True, slots=True)
class Judgments:
    """What is right for each query, and what it is ranked in. All sets are over candidate rows.

    `labels["relevant"]` is always there unless the labels are withheld (test servers): then `labels` is empty.
    `pools["gallery"]` restricts the main ranking of a query; other pools (`subset`) are ranked beside it.
    `groups` [n_q] numbers queries that belong together (the questions of one scene), -1 for none.
    `lacking` [n_q] counts right answers that the corpus does not hold (M-BEIR's local pools): labels have no rows for
    them, and a query that has no other is judged and missed.
    """

    labels: Mapping[str, Sets]
    exclude: Sets | None = None
    pools: Mapping[str, Sets] = field(default_factory=dict)
    tags: Mapping[str, Tags] = field(default_factory=dict)
    groups: Rows | None = None
    lacking: Rows | None = None

    def select(self, queries: Rows) -> Judgments:
        """Return the judgments of `queries`, in their order."""
        return Judgments(
            labels={name: one.select(queries) for name, one in self.labels.items()},
            exclude=None if self.exclude is None else self.exclude.select(queries),
            pools={name: one.select(queries) for name, one in self.pools.items()},
            tags={name: Tags(one.values, one.members.select(queries)) for name, one in self.tags.items()},
            groups=None if self.groups is None else self.groups[queries],
            lacking=None if self.lacking is None else self.lacking[queries],
        )


@dataclass(frozen=True, slots=True)
class Rendering:
    """One way of putting all queries into words, and its weight in the average of the queries' vectors."""

    items: ItemTable
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class EvalData:
    """A task's data, ready to be encoded and judged.

    With `renderings` the vectors of a query's renderings are normalised, averaged with their weights and normalised
    again; without, `queries` itself is the only rendering.
    """

    queries: ItemTable
    corpus: ItemTable
    judgments: Judgments
    renderings: tuple[Rendering, ...] = ()

    def select(self, queries: Rows) -> EvalData:
        """Return the data with only `queries`, in their order; the corpus stays whole."""
        return EvalData(
            self.queries.select(queries),
            self.corpus,
            self.judgments.select(queries),
            tuple(Rendering(r.items.select(queries), r.weight) for r in self.renderings),
        )


@dataclass(frozen=True, slots=True)
class Rankings:
    """The best candidates of each query: `ids` candidate rows [n_q, k] int64, -1 = none; `scores` [n_q, k] float64.

    Ordered by score descending, then candidate id descending; -1 and -inf fill a row that has fewer than k.
    """

    ids: Rows
    scores: Floats


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """What the command line says about loading a model. `args` are the --model-args; adapters refuse unknown keys.

    `argument` is what follows the colon of a name such as `text-only:tiny`.
    """

    args: Mapping[str, str] = field(default_factory=dict)
    argument: str | None = None
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    seed: int = 0
    offline: bool = False
    trust_remote_code: bool = False


ALL_NEEDS = frozenset({"text", "image"})


class Encoder(Protocol):
    """What an adapter offers; one that only looks vectors up also offers `Lookup` (core/lookup.py).

    Optional attributes tell more:
    `needs` (default text and image): the fields of an item that the embedding depends on; without "image" no picture is
    opened, and with "id" (precomputed embeddings) nothing is shared between items of equal content.
    `identity` (default empty): a mapping of all that can change an embedding besides the card (hash of the weights,
    dtype, prompts, pixel limits); it enters the model's fingerprint.
    `roles_alike` (default False): True if an item without an instruction has the same embedding in both roles.
    Optional methods: `prepare` and `encode_prepared` let it work in two stages, and `reduced` makes a picture as small
    as the model sees it as soon as it is decoded (core/staged.py).
    """

    card: ModelCard

    def encode(self, items: Sequence[Item], *, role: Role) -> Vectors:
        """Return float32 [len(items), d], one vector an item, in their order."""


class EncoderFactory(Protocol):
    """What is registered under a model's name: usually the adapter's class."""

    card: ModelCard

    def load(self, options: LoadOptions) -> Encoder:
        """Load the weights and return the encoder. Raises ModelError or UserError."""


def needs_of(encoder: Encoder) -> frozenset[str]:
    """Return the fields that `encoder` depends on."""
    needs: frozenset[str] = getattr(encoder, "needs", ALL_NEEDS)
    return needs
