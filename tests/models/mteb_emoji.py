"""Tasks of mteb over some of the emoji that ship with mbench, made in memory, and what mbench scores on the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset, Image
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata

from mbench.core.specs import MetricSpec
from mbench.core.types import MAIN_POOL, Encoder, EvalData, Item, Judgments, Sets
from mbench.data.catalog import Catalog
from mbench.data.loading import load
from mbench.retrieval.checks import normalised
from mbench.retrieval.search import top_k
from mbench.scoring.metrics import evaluate_all
from mbench.scoring.stats import mean

METRICS = {"recall@1": "recall_at_1", "recall@5": "recall_at_5", "recall@10": "recall_at_10", "ndcg@10": "ndcg_at_10"}


def some_of(task: str, queries: int, others: int) -> EvalData:
    """Return the first queries of an emoji task, all that is right for them, and `others` of the corpus."""
    data = load(Catalog.read().tasks([task])[0]).select(np.arange(queries))
    relevant = data.judgments.labels["relevant"]
    rows = np.unique(np.concatenate([relevant.rows, np.arange(others)]))
    labels = {"relevant": Sets.of([np.searchsorted(rows, relevant[query]).tolist() for query in range(queries)])}
    return EvalData(data.queries, data.corpus.select(rows), Judgments(labels))


def items_of(table: Any) -> list[Item]:
    return list(table.items(np.arange(len(table))))


def scores_of(encoder: Encoder, data: EvalData) -> dict[str, float]:
    vectors = [
        normalised(encoder.encode(items_of(data.queries), role="query")),
        normalised(encoder.encode(items_of(data.corpus), role="candidate")),
    ]
    rankings = {MAIN_POOL: top_k(vectors[0], vectors[1], 10, tie_ranks=data.corpus.tie_ranks())}
    found = evaluate_all([MetricSpec.model_validate(key) for key in METRICS], rankings, data.judgments)
    return {key: mean(column) for key, column in found.items()}


def table_of(items: list[Item]) -> Dataset:
    columns: dict[str, list[Any]] = {"id": [item.id for item in items]}
    for name in ("text", "instruction"):
        if getattr(items[0], name) is not None:
            columns[name] = [getattr(item, name) for item in items]
    if items[0].image is None:
        return Dataset.from_dict(columns)
    return Dataset.from_dict(columns | {"image": [item.image for item in items]}).cast_column("image", Image())


def mteb_task(data: EvalData, category: str, prompt: str | None = None) -> AbsTaskRetrieval:
    """Return `data` as a task of mteb; with `prompt` the task tells the instruction and not the queries."""
    queries, corpus = table_of(items_of(data.queries)), table_of(items_of(data.corpus))
    if prompt is not None:
        queries = queries.remove_columns("instruction")
    names, ids = data.corpus.ids(), data.queries.ids()
    relevant = data.judgments.labels["relevant"]
    split = RetrievalSplitData(
        queries=queries,
        corpus=corpus,
        relevant_docs={ids[row]: {names[one]: 1 for one in relevant[row]} for row in range(len(ids))},
        top_ranked=None,
    )
    told: dict[str, Any] = {
        "name": f"Emoji{category.upper()}", "description": "Emoji of mbench.", "type": "Any2AnyRetrieval",
        "dataset": {"path": "mbench", "revision": "1"}, "category": category, "modalities": ["image", "text"],
        "eval_splits": ["test"], "eval_langs": ["eng-Latn"], "main_score": "recall_at_5", "prompt": prompt,
    }  # fmt: skip

    class Emoji(AbsTaskRetrieval):
        metadata = TaskMetadata(**told)

        def load_data(self, num_proc: int | None = None, **_: Any) -> None:
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Emoji()
