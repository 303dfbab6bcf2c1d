"""Reading rows of a corpus that may be a memmap, a strided view, or half precision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mbench.core.compiled import Payoff
from mbench.core.errors import EncodingError
from mbench.core.types import Rows, Vectors
from mbench.retrieval.search_loops import Bits
from mbench.retrieval.workers import CACHED

Corpus = npt.NDArray[np.float16] | npt.NDArray[np.float32]

NUMBERS = Payoff(1 << 30)
"""Numbers that are converted, rounded and scored in about the time that it takes to compile loops twice as fast."""
WORTH_CENTRING = 1 / 8
"""Share of the mean square that the squared mean must have."""


def is_plain(corpus: Corpus) -> bool:
    """Tell whether the rows lie one after another, as this processor reads numbers: compiled loops take no others."""
    return corpus.flags.c_contiguous and corpus.flags.aligned and corpus.dtype.isnative


def bits_of(corpus: Corpus) -> Bits:
    """Return a plain corpus as loops take it: read-only, since others would be another type to the compiler."""
    stored: Bits = corpus.view(np.int16 if corpus.dtype == np.float16 else np.int32)  # type: ignore[assignment]
    stored.flags.writeable = False
    return stored


def read_rows(corpus: Corpus, rows: Rows, out: Corpus) -> None:
    """Copy `rows` of the corpus to `out`; `np.take` is faster than indexing, but copies a strided corpus whole."""
    if corpus.flags.c_contiguous and corpus.flags.aligned:
        np.take(corpus, rows, axis=0, out=out, mode="clip")
    else:
        out[...] = corpus[rows]


def read_ascending(corpus: Corpus, rows: Rows, out: Corpus) -> None:
    """Copy ascending `rows` of the corpus to `out`, in one go where none is left out."""
    run = run_of(corpus, rows)
    if run is None:
        read_rows(corpus, rows, out)
    else:
        out[...] = run


def run_of(corpus: Corpus, rows: Rows) -> Corpus | None:
    """Return the view of ascending `rows` where none is left out, else None."""
    first, last = rows[0], rows[-1]
    return corpus[first : last + 1] if last - first + 1 == len(rows) else None


def require_finite(vectors: Corpus, rows: Rows, name: str) -> None:
    """Raise EncodingError that names the first of `rows` that holds NaN or infinity, if there is one."""
    for start in range(0, len(rows), CACHED):
        some = rows[start : start + CACHED]
        bad = ~np.isfinite(vectors[some]).all(axis=1)
        if bad.any():
            raise EncodingError(
                f"Row {some[bad.argmax()]} of the {name} holds NaN or infinity; scores would mean nothing. "
                "Expected finite embeddings: encode this item again, in float32 if float16 overflowed."
            )


def centre_of(corpus: Corpus, rows: Rows) -> Vectors | None:
    """Return float32 [d], the mean of `rows`, or None where it is too near to 0 for subtracting it to pay."""
    total, squares = np.zeros(corpus.shape[1]), 0.0
    with np.errstate(invalid="ignore"):
        for start in range(0, len(rows), CACHED):
            some = corpus[rows[start : start + CACHED]].astype(np.float64)
            total += some.sum(axis=0)
            squares += float(np.square(some).sum())
        mean = total / max(len(rows), 1)
        pays = float(np.square(mean).sum()) > WORTH_CENTRING * squares / max(len(rows), 1)
    return mean.astype(np.float32) if pays else None


def spread(n: int, size: int) -> Rows:
    """Return `size` rows spread evenly over 0..n-1, or all n where they are no more than that."""
    return np.arange(n) if n <= size else np.linspace(0, n - 1, size, dtype=np.int64)
