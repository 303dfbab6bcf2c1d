"""Quality against cost from one run: embeddings that are cut short or stored coarsely, without encoding again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from mbench.core.errors import UserError
from mbench.core.extras import Point, Precision
from mbench.core.mapped import forget
from mbench.core.specs import ModelCard
from mbench.core.types import MAIN_POOL, Vectors
from mbench.retrieval.checks import normalised
from mbench.retrieval.space import Space
from mbench.retrieval.vectors import Corpus
from mbench.run.settings import CODES, Extras
from mbench.run.trial import Trial
from mbench.scoring.diagnostics import tied_at_cut

ROWS_AT_ONCE = 4_096
LARGEST_CODE = 127


@dataclass(frozen=True, slots=True)
class Stored:
    """What is searched: `queries` float32 [n_q, d]; `corpus` [n_c, d], whose values are what is stored."""

    queries: Vectors
    corpus: Corpus
    bytes_per_candidate: int


def curve(trial: Trial, extras: Extras) -> list[Point]:
    """Return a point for each number of dimensions, the full one first: as they are, and in each code asked for.

    Raises UserError where `check_dims` does.
    """
    full = trial.corpus.shape[1]
    check_dims(extras, trial.model.encoder.card, full)
    return [_point(trial, dims, precision) for dims, precision in wanted(extras, full, _precision(trial.corpus))]


def wanted(extras: Extras, full: int, precision: Precision = "float32") -> Iterator[tuple[int, Precision]]:
    """Return the points that are asked for: every cut in every code, beside the `precision` that embeddings have."""
    precisions: list[Precision] = [precision, *(name for name in CODES if name in extras.quantize)]
    return product(sorted({full, *extras.dims}, reverse=True), precisions)


def check_dims(extras: Extras, card: ModelCard, full: int | None) -> None:
    """Refuse cuts that cannot be: raises UserError for a dot-product model and for more dimensions than `full`."""
    if extras.dims and card.similarity != "cosine":
        raise UserError(
            f"--dims: model {card.id!r} is compared by dot product, where cutting and normalising would change what is "
            "compared; leave --dims out (--quantize works)."
        )
    too_many = [dims for dims in extras.dims if full is not None and dims > full]
    if too_many:
        raise UserError(f"--dims {too_many[0]}: model {card.id!r} has {full} dimensions; ask for {full} or fewer.")


def cut(vectors: Corpus, dims: int, space: Space) -> Corpus:
    """Return the first `dims` of the dimensions at unit length, all as they are where there are no more.

    A vector that is zero in these dimensions stays zero. Source: Kusupati et al., "Matryoshka Representation Learning",
    NeurIPS 2022; models that were not trained for it lose more.
    """
    if dims == vectors.shape[1]:
        return vectors
    short: Corpus = space.array((len(vectors), dims), vectors.dtype)
    for part in _parts(vectors):
        kept = vectors[part, :dims].astype(np.float32)
        norms = np.sqrt(np.einsum("nd,nd->n", kept, kept, dtype=np.float64))
        short[part] = normalised(kept, np.where(norms == 0, 1.0, norms))
    return short


def as_they_are(queries: Vectors, corpus: Corpus, space: Space) -> Stored:
    """Store candidates as they are: 4 bytes a dimension in float32, 2 in float16."""
    return Stored(queries, corpus, corpus.itemsize * corpus.shape[1])


def as_int8(queries: Vectors, corpus: Corpus, space: Space) -> Stored:
    """Store candidates as round(c / s) in -127..127, s = largest |c| of a dimension in the corpus / 127: one byte each.

    Queries stay float32 and take the scales: q . (s code) = (q s) . code, so what is searched is the codes themselves
    (asymmetric distance: Jegou et al., "Product Quantization for Nearest Neighbor Search", TPAMI 2011). As in
    sentence-transformers' `quantize_embeddings`, a dimension's range is calibrated on the corpus; unlike there it is
    symmetric about 0, since a shifted code would add a term to the dot product.
    """
    largest = np.zeros(corpus.shape[1])
    for part in _parts(corpus):
        np.maximum(largest, np.abs(corpus[part]).max(axis=0), out=largest)
    scales = np.where(largest > 0, largest, 1.0) / LARGEST_CODE
    codes = space.array(corpus.shape, np.float16)  # whole numbers up to 127 are exact in float16
    for part in _parts(corpus):
        codes[part] = np.clip(np.rint(corpus[part] / scales), -LARGEST_CODE, LARGEST_CODE)
    return Stored((queries * scales).astype(np.float32), codes, corpus.shape[1])


def as_binary(queries: Vectors, corpus: Corpus, space: Space) -> Stored:
    """Store the sign of each dimension, 0 counting as negative: one bit each, rounded up to whole bytes.

    Queries are made binary too. The dot product of signs is d - 2 x Hamming distance, so the order is that of Hamming
    distances; nothing is scored again in float32. Source: sentence-transformers' `quantize_embeddings` (binary),
    without its optional second pass.
    """
    signs = space.array(corpus.shape, np.float16)
    for part in _parts(corpus):
        signs[part] = _signs(corpus[part])
    return Stored(_signs(queries), signs, -(-corpus.shape[1] // 8))


STORING = {"float32": as_they_are, "float16": as_they_are, "int8": as_int8, "binary": as_binary}


def _point(trial: Trial, dims: int, precision: Precision) -> Point:
    space = Space(trial.settings.memory, trial.settings.cache)
    stored = STORING[precision](
        np.asarray(cut(trial.queries, dims, space), dtype=np.float32), cut(trial.corpus, dims, space), space
    )
    unchanged = stored.corpus is trial.corpus
    rankings, scores = (trial.rankings, trial.scores) if unchanged else trial.searched(stored.queries, stored.corpus)
    return Point(
        dims=dims,
        precision=precision,
        bytes_per_candidate=stored.bytes_per_candidate,
        metrics=scores.metrics,
        tied_at_cut=tied_at_cut(trial.task.spec, rankings[MAIN_POOL]),
    )


def _precision(corpus: Corpus) -> Precision:
    return "float16" if corpus.dtype == np.float16 else "float32"


def _signs(vectors: Corpus) -> Vectors:
    return np.where(vectors > 0, np.float32(1), np.float32(-1))


def _parts(vectors: Corpus) -> Iterator[slice]:
    """Yield slices of the rows, forgetting pages of a mapped array that were read."""
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)
        forget(vectors)
