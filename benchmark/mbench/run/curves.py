"""Quality against cost from one run: embeddings that are cut short or stored coarsely, without encoding again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from mbench.core.errors import UserError
from mbench.core.extras import Point, Precision
from mbench.core.specs import ModelCard
from mbench.core.types import MAIN_POOL, Vectors
from mbench.retrieval.checks import normalised
from mbench.run.settings import CODES, Extras
from mbench.run.trial import Trial
from mbench.scoring.diagnostics import tied_at_cut

ROWS_AT_ONCE = 65_536
LARGEST_CODE = 127

Codes = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is searched: `queries` float32 [n_q, d]; `corpus` [n_c, d], whose values are what is stored."""

    queries: Vectors
    corpus: Vectors | Codes
    bytes_per_candidate: int


def curve(trial: Trial, extras: Extras) -> list[Point]:
    """Return a point for each number of dimensions, the full one first, in float32 and in each code that is asked for.

    Raises UserError where `check_dims` does.
    """
    check_dims(extras, trial.model.encoder.card, trial.corpus.shape[1])
    return [_point(trial, dims, precision) for dims, precision in wanted(extras, trial.corpus.shape[1])]


def wanted(extras: Extras, full: int) -> Iterator[tuple[int, Precision]]:
    """Return the points that are asked for: every cut in every precision."""
    precisions: list[Precision] = ["float32", *(name for name in CODES if name in extras.quantize)]
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


def cut(vectors: Vectors, dims: int) -> Vectors:
    """Return the first `dims` of the dimensions at unit length, all as they are where there are no more.

    A vector that is zero in these dimensions stays zero. Source: Kusupati et al., "Matryoshka Representation Learning",
    NeurIPS 2022; models that were not trained for it lose more.
    """
    if dims == vectors.shape[1]:
        return vectors
    short = vectors[:, :dims]
    norms = np.sqrt(np.einsum("nd,nd->n", short, short, dtype=np.float64))
    return normalised(short, np.where(norms == 0, 1.0, norms))


def as_float32(queries: Vectors, corpus: Vectors) -> Stored:
    """Store candidates as they are: 4 bytes a dimension."""
    return Stored(queries, corpus, 4 * corpus.shape[1])


def as_int8(queries: Vectors, corpus: Vectors) -> Stored:
    """Store candidates as round(c / s) in -127..127, s = largest |c| of a dimension in the corpus / 127: one byte each.

    Queries stay float32 and take the scales: q . (s code) = (q s) . code, so what is searched is the codes themselves
    (asymmetric distance: Jegou et al., "Product Quantization for Nearest Neighbor Search", TPAMI 2011). As in
    sentence-transformers' `quantize_embeddings`, a dimension's range is calibrated on the corpus; unlike there it is
    symmetric about 0, since a shifted code would add a term to the dot product.
    """
    largest = np.zeros(corpus.shape[1])
    for start in range(0, len(corpus), ROWS_AT_ONCE):
        np.maximum(largest, np.abs(corpus[start : start + ROWS_AT_ONCE]).max(axis=0), out=largest)
    scales = np.where(largest > 0, largest, 1.0) / LARGEST_CODE
    codes: Codes = np.empty(corpus.shape, dtype=np.float16)
    for start in range(0, len(corpus), ROWS_AT_ONCE):
        part = corpus[start : start + ROWS_AT_ONCE]  # codes are whole numbers of at most 127, exact in float16
        codes[start : start + len(part)] = np.clip(np.rint(part / scales), -LARGEST_CODE, LARGEST_CODE)
    return Stored((queries * scales).astype(np.float32), codes, corpus.shape[1])


def as_binary(queries: Vectors, corpus: Vectors) -> Stored:
    """Store the sign of each dimension, 0 counting as negative: one bit each, rounded up to whole bytes.

    Queries are made binary too. The dot product of signs is d - 2 x Hamming distance, so the order is that of Hamming
    distances; nothing is scored again in float32. Source: sentence-transformers' `quantize_embeddings` (binary),
    without its optional second pass.
    """
    return Stored(_signs(queries).astype(np.float32), _signs(corpus), -(-corpus.shape[1] // 8))


STORING = {"float32": as_float32, "int8": as_int8, "binary": as_binary}


def _point(trial: Trial, dims: int, precision: Precision) -> Point:
    stored = STORING[precision](cut(trial.queries, dims), cut(trial.corpus, dims))
    unchanged = precision == "float32" and dims == trial.corpus.shape[1]
    rankings, scores = (trial.rankings, trial.scores) if unchanged else trial.searched(stored.queries, stored.corpus)
    return Point(
        dims=dims,
        precision=precision,
        bytes_per_candidate=stored.bytes_per_candidate,
        metrics=scores.metrics,
        tied_at_cut=tied_at_cut(trial.task.spec, rankings[MAIN_POOL]),
    )


def _signs(vectors: Vectors) -> Codes:
    signs: Codes = np.where(vectors > 0, np.float16(1), np.float16(-1))
    return signs
