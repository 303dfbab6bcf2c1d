"""An evaluation that is done, from which extras vary one thing at a time against the same stored candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mbench.core.errors import DataError, EncodingError, OutputError, UserError
from mbench.core.extras import Variant
from mbench.core.types import EvalData, Floats, Rankings, Rows, Vectors
from mbench.core.values import Difference
from mbench.data.catalog import Task
from mbench.retrieval.encode import Tally, Watch
from mbench.retrieval.vectors import Corpus
from mbench.run.model import Loaded
from mbench.run.settings import RunSettings
from mbench.run.steps import query_vectors, ranked, scored
from mbench.scoring.paired import Paired, compare_all
from mbench.scoring.score import Scores


@dataclass(frozen=True, slots=True)
class Trial:
    """One model on one task as it was evaluated: `queries` [n_q, d], `corpus` [n_c, d], `rankings` by pool."""

    model: Loaded
    task: Task
    settings: RunSettings
    watch: Watch
    data: EvalData
    queries: Vectors
    corpus: Vectors
    rankings: Mapping[str, Rankings]
    scores: Scores

    def only(self, rows: Rows) -> Trial:
        """Return the trial of the queries `rows` alone."""
        data = self.data.select(rows)
        rankings = {name: Rankings(one.ids[rows], one.scores[rows]) for name, one in self.rankings.items()}
        scores = scored(self.task.spec, data, rankings, self.settings.seed)
        return replace(self, data=data, queries=self.queries[rows], rankings=rankings, scores=scores)

    def searched(self, queries: Vectors, corpus: Corpus) -> tuple[Mapping[str, Rankings], Scores]:
        """Rank and score other vectors of the same items."""
        rankings = ranked(self.task.spec, self.data, queries, corpus, self.settings)
        return rankings, scored(self.task.spec, self.data, rankings, self.settings.seed)

    def varied(self, model: Loaded, data: EvalData) -> Variant:
        """Embed other queries, or the same ones as another `model` sees them; rank the stored candidates for them."""
        tally = Tally.of(self.settings.batch_size)
        queries = query_vectors(model, data, tally, self.watch)
        _, scores = self.searched(queries, self.corpus)
        return Variant(
            metrics=scores.metrics,
            differences=self._differences(scores),
            moved=float(np.mean(cosine_distances(self.queries, queries))),
        )

    def _differences(self, other: Scores) -> dict[str, Difference]:
        """Compare this trial with another in the primary metric and in group hits, where these can be compared."""
        spec, mine = self.task.spec, self.scores.per_query
        grouped = [m.key for m in spec.metrics if m.name == "group_hit" and np.isfinite(mine[m.key]).sum() > 1]
        keys = dict.fromkeys([spec.primary, *grouped])
        clusters = self.data.judgments.groups
        found = compare_all({key: mine[key] for key in keys}, other.per_query, clusters, seed=self.settings.seed)
        return {key: _difference(one) for key, one in found.items()}


@dataclass(frozen=True, slots=True)
class Gathered:
    """The variants that could be made, and of each other one why not."""

    variants: dict[str, Variant]
    unavailable: dict[str, str]


def gather(makers: Mapping[str, Callable[[], Variant]]) -> Gathered:
    """Make each variant. One that task or model cannot have is said to be unavailable; its reason is the error's."""
    found = Gathered({}, {})
    for name, make in makers.items():
        try:
            found.variants[name] = make()
        except OutputError:
            raise
        except (UserError, EncodingError, DataError) as error:
            found.unavailable[name] = str(error)
    return found


def cosine_distances(a: Vectors, b: Vectors) -> Floats:
    """Return [n] 1 - cosine of each row of `a` with that of `b`, 0 to 2.

    Half the squared distance of the unit vectors: exact also where the vectors nearly agree.
    """
    apart = _unit(a) - _unit(b)
    return np.asarray(np.einsum("nd,nd->n", apart, apart) / 2, dtype=np.float64)


def _unit(vectors: Vectors) -> Floats:
    wide = vectors.astype(np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True), dtype=np.float64)


def _difference(one: Paired) -> Difference:
    return Difference(value=one.difference, n=one.n, low=one.low, high=one.high, p=one.p, effect=one.effect)
