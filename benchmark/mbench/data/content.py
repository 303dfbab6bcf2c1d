"""Ids for candidates that a data set gives none: made of their content, so that no order of a file shows in them."""

from __future__ import annotations

import hashlib

SEPARATOR = "\x1f"


def content_id(*parts: str) -> str:
    """Return 16 hex digits of the sha256 of the parts, joined by the unit separator (U+001F), as UTF-8.

    Equal contents have equal ids. Since ties are decided by the candidates' ids, a place in the file, such as the
    first one for the right answer, is worth nothing.
    """
    return hashlib.sha256(SEPARATOR.join(parts).encode()).hexdigest()[:16]
