"""What makes two models the same model: all that can change an embedding, hashed."""

from __future__ import annotations

from collections.abc import Mapping

from mbench.core.types import Encoder

Identity = Mapping[str, object]


def extended(encoder: Encoder, **more: object) -> Identity:
    """Return the identity of a model built on `encoder`.

    It stays empty where `encoder` has none: what does not say what its embeddings depend on must not gain the trust of
    the embedding store by being wrapped.
    """
    inner: Identity = getattr(encoder, "identity", None) or {}
    return {**inner, **more} if inner else {}
