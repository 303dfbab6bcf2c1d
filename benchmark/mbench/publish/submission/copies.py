"""Is it somebody else's? Look-alike names, models that are there already, rankings that were copied.

Other submissions are read as carefully as the one in question; those that cannot be read say nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mbench.core.specs import ModelCard
from mbench.core.types import MAIN_POOL
from mbench.data.catalog import Catalog
from mbench.data.prediction_files import RankedLists
from mbench.publish.submission.folder import CARD
from mbench.publish.submission.inspecting import inspect
from mbench.publish.submission.lookalike import skeleton
from mbench.publish.submission.parquet import ParquetError
from mbench.publish.submission.rankings import RankingError, read_all
from mbench.publish.submission.records import Finding, Inspected, Submitted

NEARLY = 0.98
"""A share of queries with one and the same list that two different models do not reach."""
LONG = 5
"""Candidates a query: lists of one or two agree by chance."""
DEEP = 100
"""Candidates of a list that are compared in their order."""
TOP = 10
"""The first candidates, compared whatever their order: what comes after them can be moved and no number changes."""
FEW = 20
"""Queries: below, agreement says nothing."""

Digests = Mapping[bytes, frozenset[bytes]]
"""The digests of each query's list, in order and the first of it as a set, by the digest of the query's id."""


@dataclass(slots=True)
class Others:
    """The other submissions of a folder, and the digests of their rankings as far as they were asked for."""

    submissions: Sequence[Inspected] = ()
    _digests: dict[Path, Digests] = field(default_factory=dict)

    @staticmethod
    def within(submissions: Path, catalog: Catalog) -> Others:
        """Read all submissions in a folder: what has a card, and no links."""
        folders = sorted(path for path in submissions.iterdir() if path.is_dir() and not path.is_symlink())
        return Others([inspect(path, catalog) for path in folders if os.access(path / CARD, os.R_OK)])

    def but(self, mine: Path) -> Iterator[Inspected]:
        """Yield the submissions in other folders than `mine`."""
        yield from (one for one in self.submissions if one.folder != mine)

    def digests(self, one: Submitted) -> Digests:
        """Return the digests of a result's main ranking; empty where it cannot be read."""
        if one.path not in self._digests:
            self._digests[one.path] = _digests(one)
        return self._digests[one.path]


def judge_names(mine: Inspected, card: ModelCard, others: Others, known: Sequence[str]) -> Iterator[Finding]:
    """Yield where a card's id or title is another's, or looks like it. `known` are names of registered models."""
    titles = {skeleton(one.card.title): one for one in others.but(mine.folder) if one.card is not None}
    for name in known:
        if name != card.id and skeleton(name) == skeleton(card.id):
            yield _error("name-lookalike", f"{card.id!r} looks like {name!r}, which is another model")
    for other in others.but(mine.folder):
        if other.card is None:
            continue
        if other.card.id == card.id:
            yield _error("duplicate-model", f"the submission {other.name} is of {card.id!r}, too; add a revision there")
        elif skeleton(other.card.id) == skeleton(card.id):
            yield _error("name-lookalike", f"{card.id!r} looks like {other.card.id!r} of the submission {other.name}")
    namesake = titles.get(skeleton(card.title))
    if namesake is not None and namesake.card is not None and namesake.card.id != card.id:
        yield _error("name-lookalike", f"the title {card.title!r} looks like that of the submission {namesake.name}")


def judge_rankings(mine: Inspected, others: Others) -> Iterator[Finding]:
    """Yield where rankings are those of another submission's model.

    A model that says what it is derived from (`base_model`, or a baseline such as text-only:tiny) may share some of its
    base's rankings, where what it changes does not matter, but not all.
    """
    for other in others.but(mine.folder):
        if other.card is None or mine.card is None or other.card.id == mine.card.id:
            continue
        known = [
            (one, others.digests(one), theirs) for one in mine.results for theirs in _digests_of(one, other, others)
        ]
        same = [one for one, own, theirs in known if _copied(own, theirs)]
        related = _derived(mine.card, other.card) or _derived(other.card, mine.card)
        for one in same:
            message = f"the ranking is that of {other.card.id!r} in the submission {other.name}"
            if related and len(same) < len(known):
                yield Finding("same-ranking", "info", one.file, f"{message}, which is related", one.place)
            else:
                yield Finding("copied-ranking", "error", one.file, message, one.place)


def _digests_of(one: Submitted, other: Inspected, others: Others) -> Iterator[Digests]:
    """Yield the digests of another submission's rankings of the same task, where both tell models apart."""
    for theirs in other.results:
        if theirs.result.task == one.result.task and others.digests(one) and others.digests(theirs):
            yield others.digests(theirs)


def _derived(card: ModelCard, base: ModelCard) -> bool:
    return card.base_model == base.id or card.id.partition(":")[2] == base.id


def _copied(mine: Digests, theirs: Digests) -> bool:
    shared = [query for query in mine if query in theirs]
    same = sum(not mine[query].isdisjoint(theirs[query]) for query in shared)
    return len(shared) >= FEW and same >= NEARLY * len(shared)


def _digests(one: Submitted) -> Digests:
    try:
        lists = read_all(one.rankings)[MAIN_POOL]
    except (ParquetError, RankingError, KeyError, OSError):
        return {}
    return _listed(lists)


def _listed(lists: RankedLists) -> Digests:
    """Return the digests of all lists, or none where lists are too short to tell models apart.

    Lists in which everything ties are left out: the ids alone order them, the same for any model. The scores are left
    out, too: whoever copies a ranking can move them.
    """
    sizes: npt.NDArray[np.int64] = np.diff(lists.starts)
    if not len(sizes) or np.median(sizes) < LONG:
        return {}
    starts = lists.starts.tolist()
    return {
        _digest([query]): _agreeing(lists.candidates[start : min(end, start + DEEP)].to_pylist())
        for query, start, end in zip(lists.queries.to_pylist(), starts, starts[1:], strict=False)
        if end > start and (lists.scores is None or lists.scores[start] != lists.scores[end - 1])
    }


def _agreeing(names: Sequence[str]) -> frozenset[bytes]:
    """Return what two lists share if one was made of the other; short ones hold the same candidates for any model."""
    ordered = {_digest(names)}
    return frozenset(ordered | {_digest(["", *sorted(names[:TOP])])} if len(names) >= 2 * TOP else ordered)


def _digest(names: Sequence[str]) -> bytes:
    return hashlib.blake2b("\n".join(names).encode(), digest_size=16).digest()


def _error(code: str, message: str) -> Finding:
    return Finding(code, "error", CARD, message)
