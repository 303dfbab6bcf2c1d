"""Exact top-k search over embeddings, for use from Python: `from mbench.search import top_k`."""

from mbench.core.types import Rankings
from mbench.retrieval.search import top_k

__all__ = ["Rankings", "top_k"]
