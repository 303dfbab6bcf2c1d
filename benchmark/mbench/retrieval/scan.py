"""The scan of the whole corpus for one block of queries: tile after tile, from the cheap filter to the sharp ones.

A tile is multiplied with all queries in the cheapest format. Where too many candidates of some queries survive, the
limit is first raised from the tile itself (the k-th best of a tile is a lower bound too), and what is still too much
goes to the next, sharper format. What the sharpest leaves is scored exactly by the pool. A tile of copies of a few
vectors is not filtered: the few are scored, and of each group only the k that win ties are pooled.

What a sample of the corpus proves about the k-th best score is far below what it tells: `guess` is where that score
probably is, and what lies below it is dropped as well. At the end k candidates of a query must reach its guess, for
then nothing below it mattered. The few queries that were guessed too high are searched once more, without a guess.
With looks in int8 (retrieval/rounded.py) there are several samples, and after some of them a better guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from mbench.core.types import Rows, Vectors
from mbench.retrieval.blocks import Panels
from mbench.retrieval.copies import groups_of_copies, winners
from mbench.retrieval.excluded import Excluded
from mbench.retrieval.filters import Filter, Precision
from mbench.retrieval.int8 import LEAST
from mbench.retrieval.looking import Look, Looking
from mbench.retrieval.pairs import Scored, TieOrder
from mbench.retrieval.path import Path, rows_of, tiled
from mbench.retrieval.plan import FIRST, Plan, bearable, parts
from mbench.retrieval.pool import Found, Pool, Scorer
from mbench.retrieval.rounded import Rounded, RoundedQueries, RoundedTile, Trial
from mbench.retrieval.survivors import BLOCK
from mbench.retrieval.tiles import Tile, Tiles
from mbench.retrieval.workers import Room, give_back, run_all

SAMPLED = 128
"""Candidates, times k, that make the first tile."""
ROUNDS = 3
"""First tiles that the samples for int8 make, at least,"""
SAMPLED_SHARE = 4
"""and of a large corpus one part in so many;"""
TOGETHER = 4
"""so many runs in one place, and what lies between is long enough to be used where it is."""


@dataclass
class Scan:
    """One block of queries against the corpus. `levels` are the formats to try, from cheap to sharp.

    While its `trial` pays, if it has one, a look in int8 comes before that in float32.
    """

    queries: Vectors
    tiles: Tiles
    k: int
    ties: TieOrder
    excluded: Excluded
    levels: tuple[Precision, ...]
    plan: Plan
    scorer: Scorer
    guessing: bool = True
    trial: Trial | None = None
    pool: Pool = field(init=False)
    filters: dict[int, Filter] = field(init=False, default_factory=dict)
    room: Room = field(init=False)
    looking: Looking = field(init=False)
    rounded: RoundedQueries | None = field(init=False, default=None)
    panels: Panels | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.pool = Pool(len(self.queries), self.k, self.ties, self.scorer)
        self.room = Room(self.plan.workers, self.tiles.device, self.tiles.loops)
        self.looking = Looking(self.pool, self.k, self.excluded, self.room, np.full(len(self.queries), -np.inf))

    def run(self) -> Scored:
        """Return the first k pairs of each query."""
        self.tiles.path = path = self._path()
        width = self._width(0)
        first, *others = path.samples()
        seen = sum(map(len, first))
        self._first(rows_of(first), path.guess_rank(self.k, seen) if self.guessing else 0)
        if self.tiles.loops:
            self.panels = Panels.where_they_pay(self._at(0))
        for nth, sample in enumerate(others, 1):
            if nth > 1 and nth & (nth - 1) == 0:
                self.looking.raise_guess(path.guess_rank(self.k, seen), seen)
            self._all(tiled(sample, width))
            seen += sum(map(len, sample))
        if others:
            self.looking.raise_guess(path.guess_rank(self.k, seen), seen)
        self._all(path.tiles(width))
        best = self.pool.finish()
        missed = np.flatnonzero(self.pool.low < self.looking.guess)
        return best if not len(missed) else self._again(best, missed)

    def _path(self) -> Path:
        """Return the order of the rows. Int8 leaves much while the guess is low, which is made again and again."""
        n, width = len(self.tiles.corpus), self._width(0)
        first = FIRST * width
        if self.trial is None or not self.trial.pays or len(self.queries) < LEAST or n < ROUNDS * first:
            return Path(n, min(max(SAMPLED * self.k, width), first))
        self.rounded = RoundedQueries.of(self._at(0))
        wanted = max(ROUNDS * first, n // SAMPLED_SHARE)
        return Path(n, wanted, wanted // first, TOGETHER)

    def _all(self, tiles: Iterable[list[range]]) -> None:
        """Filter all tiles for all queries."""
        run_all(lambda tile: self._filter(0, self._everyone, rows_of(tile)), tiles, self.plan.workers)

    def _again(self, best: Scored, missed: Rows) -> Scored:
        """Replace what was found for the queries `missed`, whose guess was too high, by what they have without one.

        Some memory of the first scan is still held, so the second takes less than its share.
        """
        self.filters.clear()
        give_back()
        scan = replace(
            self,
            queries=self.queries[missed],
            excluded=self.excluded.of(missed),
            plan=replace(self.plan, look=self.plan.look // 2),
            scorer=lambda queries, candidates: self.scorer(missed[queries], candidates),
            guessing=False,
            trial=None,
        )
        scan.room = scan.looking.room = self.room
        found, right = scan.run(), ~np.isin(best.queries, missed)
        give_back()
        queries = np.concatenate([best.queries[right], missed[found.queries]])
        order = np.argsort(queries, kind="stable")
        candidates = np.concatenate([best.candidates[right], found.candidates])
        return Scored(queries[order], candidates[order], np.concatenate([best.scores[right], found.scores])[order])

    @property
    def _everyone(self) -> slice:
        return slice(0, len(self.queries))

    def _first(self, candidates: Rows, rank: int) -> None:
        """Look at candidates from all over the corpus, each thread for other queries: all later limits build on it.

        The guess is the score of rank `rank` among them; 0 to make none.
        """
        dense = self._first_look(candidates, rank)
        run_all(lambda part: self._sharper(0, part, candidates), dense, self.plan.workers)

    def _first_look(self, candidates: Rows, rank: int) -> list[slice]:
        """Return the queries of which too much survives; the large tile is let go before sharper ones are loaded."""
        tile = self.tiles.load(candidates, self._at(0), Room(1, self.tiles.device, self.tiles.loops))
        dense: list[slice] = []
        shares = parts(self._everyone, -(-len(self.queries) // self.plan.workers))
        if np.isinf(tile.norm):
            return shares

        def look(part: slice) -> None:
            dense.extend(self._look(0, part, candidates, tile, rank))

        run_all(look, shares, self.plan.workers)
        return dense

    def _at(self, level: int) -> Filter:
        """Return the filter of a level; the sharp ones are seldom needed."""
        if level not in self.filters:
            self.filters[level] = Filter.of(self.queries, self.levels[level], self.tiles.centre, self.tiles.device)
        return self.filters[level]

    def _width(self, level: int) -> int:
        """Return how many rows of the corpus fill a tile."""
        return self.plan.width(self.levels[level])

    def _filter(self, level: int, part: slice, candidates: Rows) -> None:
        """Pool the survivors among `candidates` of the queries in `part`."""
        width = self._width(level)
        for left in range(0, len(candidates), width):
            some = candidates[left : left + width]
            if level == 0 and part == self._everyone and self._pooled_from_blocks(some):
                continue
            tile = self.tiles.load(some, self._at(level), self.room)
            if np.isinf(tile.norm):
                self._filter(level + 1, part, some)
                continue
            for dense in self._look(level, part, some, tile):
                self._sharper(level, dense, some)

    def _pooled_from_blocks(self, candidates: Rows) -> bool:
        """Pool what survives for all queries where compiled blocks find that sooner; tell whether that was done."""
        in_int8 = self.rounded is not None and self.trial is not None and self.trial.pays
        if in_int8 or self.panels is None or not self.panels.trial.pays:
            return False
        chosen = self._at(0)
        tile = self.tiles.assumed(candidates, chosen) or self.tiles.load(candidates, chosen, self.room)
        most = min(bearable(self.k, len(candidates)) * len(self.queries), self.plan.survivors(self.k))
        found = self.looking.found_in_blocks(Look(self._everyone, candidates, tile, chosen), self.panels, most)
        if found is not None:
            self.pool.add(found)
        return found is not None

    def _look(self, level: int, part: slice, candidates: Rows, tile: Tile, rank: int = 0) -> list[slice]:
        """Multiply and pool what survives, some queries at a time; return the queries of which too much does."""
        dense: list[slice] = []
        most = bearable(self.k, len(candidates))
        rounded = None if rank else self._rounded(level, tile)
        for queries in parts(part, self.plan.looked(self.levels[level]) // len(candidates)):
            chosen, both = self._at(level).select(queries), rounded and rounded.select(queries)
            found = self.looking.found(Look(queries, candidates, tile, chosen, both, rank), most)
            if found is not None:
                self.pool.add(found)
            elif dense and dense[-1].stop == queries.start:
                dense[-1] = slice(dense[-1].start, queries.stop)
            else:
                dense.append(queries)
        return dense

    def _rounded(self, level: int, tile: Tile) -> Rounded | None:
        """Return all queries and a tile in int8 where a look in it may pay."""
        if level or self.rounded is None or self.trial is None or len(tile.vectors) % BLOCK:
            return None
        return Rounded(self.rounded, RoundedTile.of(tile, self.room), self.trial) if self.trial.pays else None

    def _sharper(self, level: int, part: slice, candidates: Rows) -> None:
        """Where most candidates are copies of a few vectors, score those few exactly; else go to the next format."""
        groups = groups_of_copies(self.tiles.corpus, candidates)
        if groups is not None:
            kept = winners(groups, candidates, self.ties, self.k + self.excluded.most)
            for queries in parts(part, self.plan.dense // len(kept)):
                self._score_copies(queries, candidates[kept], groups[kept])
        elif level + 1 < len(self.levels):
            self._filter(level + 1, part, candidates)
        else:
            self._accept(level, part, candidates)

    def _accept(self, level: int, part: slice, candidates: Rows) -> None:
        """Pool what survives even the sharpest filter, however much it is."""
        tile = self.tiles.load(candidates, self._at(level), self.room)
        for queries in parts(part, self.plan.dense // len(candidates)):
            look = Look(queries, candidates, tile, self._at(level).select(queries))
            found = self.looking.found(look, 2 * len(candidates))
            if found is not None:
                self.pool.add(found)

    def _score_copies(self, part: slice, candidates: Rows, groups: Rows) -> None:
        """Pool candidates with exact scores, of which only one of each group is computed."""
        _, firsts, groups = np.unique(groups, return_index=True, return_inverse=True)
        queries = np.arange(part.start, part.stop)
        scores = self.scorer(queries.repeat(len(firsts)), np.tile(candidates[firsts], len(queries)))
        every = scores.reshape(len(queries), -1)[:, groups]
        every[self.excluded.within(part, candidates)] = -np.inf
        rows, columns = np.nonzero((every >= self.pool.low[part, None]) & (every > -np.inf))
        found = every[rows, columns]
        self.pool.add(Found(queries[rows], candidates[columns], found, found))
