"""How embeddings lie in their space: apart by modality, crowded into a cone, or with a few that are near to all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mbench.core.types import Floats, ItemTable, Rankings, Rows, Vectors

SAMPLE = 4_096
"""Rows that stand for a larger table."""
NEIGHBOURS = 10
"""The k of k-occurrence, as in the source."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embeddings of a task: `queries` [n_q, d], `corpus` [n_c, d]."""

    queries: Vectors
    corpus: Vectors


def modality_gap(some: Floats, others: Floats) -> float:
    """Return the distance between the centroids of two sets of unit vectors, [n, d] and [m, d]: 0 to 2.

    Source: Liang et al., "Mind the Gap: Understanding the Modality Gap in Multi-modal Contrastive Representation
    Learning", NeurIPS 2022, section 4.2.
    """
    return float(np.linalg.norm(some.mean(axis=0) - others.mean(axis=0)))


def anisotropy(vectors: Floats) -> float | None:
    """Return the mean cosine of all pairs of different rows of unit vectors [n, d]; None where there is no pair.

    (|sum of rows|^2 - n) / (n (n - 1)): 0 for directions spread evenly, 1 where all agree. Source: Ethayarajh, "How
    Contextual are Contextualized Word Representations?", EMNLP 2019, section 4.1, which samples pairs.
    """
    n = len(vectors)
    if n < 2:
        return None
    total = vectors.sum(axis=0)
    return float((total @ total - np.square(vectors).sum()) / (n * (n - 1)))


def hubness(rankings: Rankings, n_candidates: int) -> float | None:
    """Return the skewness of k-occurrence, E[(N - mean)^3] / std^3, with N [n_c] how many queries have a candidate
    among their NEIGHBOURS best; None where all candidates occur equally often or the rankings are shorter than that.

    Above 0 some candidates are hubs. Source: Radovanovic et al., "Hubs in Space: Popular Nearest Neighbors in
    High-Dimensional Data", JMLR 2010, section 2.
    """
    nearest = rankings.ids[:, :NEIGHBOURS]
    if nearest.shape[1] < NEIGHBOURS or n_candidates <= NEIGHBOURS:
        return None
    times, candidates = np.unique(np.bincount(nearest[nearest >= 0], minlength=n_candidates), return_counts=True)
    off = times - np.average(times, weights=candidates)
    variance = np.average(off**2, weights=candidates)
    return float(np.average(off**3, weights=candidates) / variance**1.5) if variance > 0 else None


def sampled_units(vectors: Vectors, rows: Rows) -> Floats:
    """Return `rows` of the vectors at unit length; a zero vector stays zero."""
    some = vectors[rows].astype(np.float64)
    norms = np.linalg.norm(some, axis=1, keepdims=True)
    return np.asarray(some / np.where(norms == 0, 1.0, norms), dtype=np.float64)


def sample_of(n: int, seed: int) -> Rows:
    """Return the rows that stand for a table of `n`, in ascending order: all, or SAMPLE random ones."""
    if n <= SAMPLE:
        return np.arange(n, dtype=np.int64)
    return np.sort(np.random.default_rng(seed).choice(n, SAMPLE, replace=False)).astype(np.int64)


def shape(queries: ItemTable, corpus: ItemTable, embedded: Embedded, seed: int) -> dict[str, float | None]:
    """Return the `anisotropy` of the candidates and, where there is one, the `modality_gap` between queries and
    candidates that share no modality and the `modality_gap_in_corpus` between texts and pictures of a mixed pool.
    """
    rows = sample_of(len(corpus), seed)
    candidates = sampled_units(embedded.corpus, rows)
    found = {"anisotropy": anisotropy(candidates)}
    if not queries.modalities() & corpus.modalities():
        asked = sampled_units(embedded.queries, sample_of(len(queries), seed))
        found["modality_gap"] = modality_gap(asked, candidates)
    if {"text", "image"} <= corpus.modalities():
        part = corpus.select(rows)
        text, image = (np.array([one is not None for one in part.column(name)]) for name in ("text", "image"))
        if (text & ~image).any() and (image & ~text).any():
            found["modality_gap_in_corpus"] = modality_gap(candidates[text & ~image], candidates[image & ~text])
    return found
