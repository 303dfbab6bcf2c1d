"""Exact top-k search: `top_k` returns what scoring everything and sorting it all would return, and does far less.

    scores   canonical float64 dot products of the stored values          (retrieval/pairs.py)
    order    score descending, then tie rank descending, as trec_eval orders ids; the cut is made in this order
    how      a cheap product with a proven error bound drops what cannot be among the k best (retrieval/filters.py,
             retrieval/scan.py); what is left is scored exactly (retrieval/pool.py); small pools need numpy alone
             (retrieval/small.py)

So ids, order and scores do not depend on tile size, memory, threads or the precision of the filter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

import numpy as np

from mbench.core.errors import EncodingError, UnknownNameError, UserError
from mbench.core.types import Rankings, Rows, Sets, Vectors
from mbench.retrieval.exact import batches, listed_pairs, score_all
from mbench.retrieval.excluded import Excluded
from mbench.retrieval.filters import FP32, PRECISIONS
from mbench.retrieval.int8 import INT8, WIDEST, most_of_pair, padded
from mbench.retrieval.pairs import Scored, TieOrder, canonical_scores, place_in_query
from mbench.retrieval.plan import Plan, make_plan
from mbench.retrieval.probe import fastest_precision
from mbench.retrieval.rounded import Trial
from mbench.retrieval.scan import Scan
from mbench.retrieval.small import Small, fits
from mbench.retrieval.tiles import Tiles, device_memory, spare_bytes
from mbench.retrieval.vectors import NUMBERS, Corpus, centre_of, require_finite, spread
from mbench.retrieval.workers import plain_torch, run_all, whole_denormals

PAIRS = 1 << 17
"""Pairs that are scored in one go on the plain path."""
EXCLUDED = 1 << 19
"""Excluded pairs that are looked up at a time, in about 70 bytes each."""
FEW = 256
"""Queries for which it pays to round the corpus to int8, at least,"""
NARROW = 256
"""numbers of a vector,"""
CROWD = 800
"""and candidates for each of the k."""
SAMPLE = 1024
"""Rows whose mean stands for the corpus."""


def top_k(  # noqa: PLR0913 - the public face: everything but the first three has a default
    queries: Vectors,
    corpus: Corpus,
    k: int,
    *,
    exclude: Sets | None = None,
    galleries: Sets | None = None,
    tie_ranks: Rows | None = None,
    memory: int | None = None,
    workers: int | None = None,
    precision: str = "auto",
    device: str = "cpu",
) -> Rankings:
    """Return the k best candidates of each query, exactly.

    queries    float32 [n_q, d]
    corpus     float16 or float32 [n, d], an array or a memmap; strided views are fine
    exclude    rows that each query must not get; they are removed before the cut
    galleries  rows that each query is ranked in, instead of all; a row named twice counts once
    tie_ranks  int64 [n], a permutation of 0..n-1: of equal scores the higher rank comes first (default: the row number)
    memory     bytes to take at most (default and most: 192 MB) besides arguments, result and the libraries that are
               loaded at first: torch, and after much work numba, if it is installed, which takes 130 to 170 MB
    workers    threads (default: as many as torch would use)
    precision  format of the filter: int8, bf16, fp32, fp64 or auto (the fastest here); never changes a result
    device     where the filter multiplies: cpu or cuda:N, where the corpus stays if it fits; never changes a result

    `ids` and `scores` are [n_q, k'], k' = min(k, the largest number of candidates that a query has); -1 and -inf fill
    the rows of queries that have fewer. Raises EncodingError for vectors that are not of these shapes and types or
    hold NaN or infinity, UserError for other arguments that cannot be.
    """
    _check_vectors(queries, corpus)
    corpus = corpus.view(np.ndarray)
    _check_numbers(k, memory, workers)
    for name, sets in (("exclude", exclude), ("galleries", galleries)):
        _check_sets(name, sets, len(queries), len(corpus))
    ties = TieOrder(_checked_ranks(tie_ranks, len(corpus)))
    small = precision == "auto" and device == "cpu" and fits(queries, corpus, galleries, memory)
    with whole_denormals(), nullcontext(1) if small else plain_torch() as threads:
        format_ = "" if small else _format(precision, device, queries, len(corpus), k)
        sizes = (len(queries), len(corpus), queries.shape[1], min(k, len(corpus)))
        plan = make_plan(*sizes, memory, workers or threads, device)
        search = _Search(queries, corpus, min(k, len(corpus)), ties, plan)
        if small:
            search.small(galleries, exclude)
        elif galleries is not None or len(corpus) <= 2 * k:
            search.plain(galleries, exclude)
        else:
            with device_memory(device):
                search.filtered(exclude, format_, device)
    return search.rankings()


class _Search:
    """The arguments of one search, and the rankings that it fills block by block."""

    def __init__(self, queries: Vectors, corpus: Corpus, k: int, ties: TieOrder, plan: Plan) -> None:
        self.queries, self.corpus, self.k, self.ties, self.plan = queries, corpus, k, ties, plan
        self.ids = np.full((len(queries), k), -1, dtype=np.int64)
        self.scores = np.full((len(queries), k), -np.inf)

    def small(self, galleries: Sets | None, exclude: Sets | None) -> None:
        """Find what is best without torch."""
        for part, best in Small(self.queries, self.corpus, self.k, self.ties).blocks(galleries, exclude):
            self._put(part, best)

    def plain(self, galleries: Sets | None, exclude: Sets | None) -> None:
        """Score every candidate of every query."""

        def work(part: slice) -> None:
            pairs = listed_pairs(galleries, exclude, part, len(self.corpus))
            self._put(part, score_all(self.queries[part], self.corpus, self.k, self.ties, pairs))

        sizes = np.full(len(self.queries), len(self.corpus)) if galleries is None else galleries.sizes()
        run_all(work, batches(sizes, PAIRS), self.plan.workers)

    def filtered(self, exclude: Sets | None, precision: str, device: str) -> None:
        """Scan the corpus once for each block of queries."""
        names = [one.name for one in PRECISIONS]
        levels = PRECISIONS[names.index(FP32.name if precision == INT8 else precision) :]
        centre = centre_of(self.corpus, spread(len(self.corpus), SAMPLE))
        # Numbers are read once for each block of queries, and rounded once more for a look in int8.
        times = -(-len(self.queries) // self.plan.block) * (2 if precision == INT8 else 1)
        loops = NUMBERS.worth(times * self.corpus.size) and device == "cpu"
        tiles = Tiles(self.corpus, centre, device, spare_bytes(device), loops)
        trial = Trial() if precision == INT8 else None
        for part in _blocks(len(self.queries), self.plan.block, exclude):
            block = self.queries[part]
            scan = Scan(
                block,
                tiles,
                self.k,
                self.ties,
                Excluded.among(exclude, part, len(self.corpus)),
                levels,
                self.plan,
                partial(self._score, block),
                trial=trial,
            )
            self._put(part, scan.run())

    def rankings(self) -> Rankings:
        """Return what was found, without the columns that no query fills."""
        width = int((self.ids >= 0).sum(axis=1).max(initial=0))
        return Rankings(self.ids[:, :width], self.scores[:, :width])

    def _put(self, part: slice, best: Scored) -> None:
        place = place_in_query(best.queries)
        self.ids[part.start + best.queries, place] = best.candidates
        self.scores[part.start + best.queries, place] = best.scores

    def _score(self, block: Vectors, queries: Rows, candidates: Rows) -> np.ndarray:
        """Score pairs, in threads: the scorer of a scan's pool."""
        scores = np.empty(len(queries))

        def work(part: slice) -> None:
            scores[part] = canonical_scores(block, self.corpus, queries[part], candidates[part])

        step = max(4096, -(-len(queries) // self.plan.workers))
        run_all(work, [slice(s, s + step) for s in range(0, len(queries), step)], self.plan.workers)
        return scores


def _blocks(n_queries: int, size: int, exclude: Sets | None) -> Iterator[slice]:
    """Yield blocks of at most `size` queries, and fewer where very many pairs are excluded."""
    for start in range(0, n_queries, size):
        stop = min(start + size, n_queries)
        sizes = np.zeros(stop - start, dtype=np.int64) if exclude is None else exclude.sizes()[start:stop]
        for part in batches(sizes, EXCLUDED):
            yield slice(start + part.start, start + part.stop)


def _format(precision: str, device: str, queries: Vectors, n: int, k: int) -> str:
    """Return the name of the format to look in first."""
    names = (INT8, *(one.name for one in PRECISIONS))
    dimension = queries.shape[1]
    if precision == "auto":
        fastest = fastest_precision(device)
        pays = len(queries) >= FEW and NARROW <= dimension <= WIDEST and k * CROWD <= n
        return FP32.name if fastest == INT8 and not (pays and most_of_pair(padded(dimension))) else fastest
    if precision not in names:
        raise UnknownNameError("precision", str(precision), [*names, "auto"], f"One of auto, {', '.join(names)}.")
    if precision == INT8 and (device != "cpu" or dimension > WIDEST or not most_of_pair(padded(dimension))):
        raise UserError(
            f"precision int8 needs the device cpu (given: {device}), at most {WIDEST:,} dimensions (found: "
            f"{dimension:,}), and a processor and a torch that multiply int8 without error; give precision auto."
        )
    return precision


def _check_vectors(queries: Vectors, corpus: Corpus) -> None:
    for name, vectors, types in (("queries", queries, ("float32",)), ("corpus", corpus, ("float16", "float32"))):
        if not isinstance(vectors, np.ndarray) or vectors.dtype not in [np.dtype(t) for t in types]:
            found = getattr(vectors, "dtype", type(vectors).__name__)
            raise EncodingError(f"The {name} must be a numpy array of {' or '.join(types)}, not {found}.")
        if vectors.ndim != 2 or vectors.shape[1] == 0:
            raise EncodingError(
                f"The {name} must be [rows, dimension], with a dimension of 1 or more; found {vectors.shape}."
            )
    if queries.shape[1] != corpus.shape[1]:
        raise EncodingError(
            f"The queries have {queries.shape[1]} dimensions and the corpus has {corpus.shape[1]}: "
            "they do not come from the same model."
        )
    require_finite(queries, np.arange(len(queries)), "queries")


def _check_numbers(k: int, memory: int | None, workers: int | None) -> None:
    for name, number in (("k", k), ("memory", memory), ("workers", workers)):
        if number is not None and number < 1:
            raise UserError(f"{name} must be 1 or more, not {number}.")


def _check_sets(name: str, sets: Sets | None, n_queries: int, n: int) -> None:
    if sets is None:
        return
    if len(sets) != n_queries:
        raise UserError(f"`{name}` has sets for {len(sets)} queries, but there are {n_queries} queries.")
    wrong = np.flatnonzero((sets.rows < 0) | (sets.rows >= n))
    if len(wrong):
        query = int(np.searchsorted(sets.starts, wrong[0], side="right")) - 1
        raise UserError(f"`{name}` of query {query} names row {sets.rows[wrong[0]]}, but the corpus has {n} rows.")


def _checked_ranks(ranks: Rows | None, n: int) -> Rows | None:
    if ranks is None:
        return None
    seen = np.zeros(n, dtype=bool)
    if ranks.shape == (n,) and ranks.dtype == np.int64 and (n == 0 or (ranks.min() >= 0 and ranks.max() < n)):
        seen[ranks] = True
    if not seen.all():
        raise UserError(f"`tie_ranks` must be int64 [{n}] and hold each of 0..{n - 1} once.")
    return ranks
