"""Contents as short digests: ids for candidates that a data set gives none, and keys by which embeddings are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mbench.core.arrow import blobs, filled, scalar
from mbench.core.types import Keys

SEPARATOR = "\x1f"
KEY_BYTES = 16
_BYTES = pa.large_binary()


def content_id(*parts: str) -> str:
    """Return 16 hex digits of the sha256 of the parts, joined by the unit separator (U+001F), as UTF-8.

    Equal contents have equal ids. Since ties are decided by the candidates' ids, a place in the file, such as the
    first one for the right answer, is worth nothing.
    """
    return hashlib.sha256(SEPARATOR.join(parts).encode()).hexdigest()[:16]


def keys_of(names: Sequence[str], columns: Sequence[pa.Array]) -> Keys:
    """Return uint8 [n, 16], the blake2b digest of each row of the columns called `names`: text, bytes or null.

    Equal rows have equal keys. Every value is framed by its length, so that no two rows run together to the same bytes.
    """
    start = scalar(",".join(names).encode(), _BYTES)
    rows = pc.binary_join_element_wise(start, *map(_framed, columns), scalar(b"", _BYTES))
    digests = [hashlib.blake2b(row, digest_size=KEY_BYTES).digest() for row in rows.to_pylist()]
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(digests), KEY_BYTES)


def digested(references: pa.Array, digest: Callable[[str], bytes]) -> pa.Array:
    """Return the digest of what each reference stands for, null for a null; each reference is looked up once."""
    coded = references.dictionary_encode()
    digests = blobs([digest(one) for one in coded.dictionary.to_pylist()])
    return digests.take(coded.indices)


def _framed(values: pa.Array) -> pa.Array:
    """Return `length:bytes` for each value, and `-` for a null."""
    values = values.cast(_BYTES)
    lengths = pc.binary_length(values).cast(pa.string()).cast(_BYTES)
    framed = pc.binary_join_element_wise(lengths, values, scalar(b":", _BYTES))
    return filled(framed, b"-")
