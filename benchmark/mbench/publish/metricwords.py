"""What a metric key says, in a sentence: for readers who know the field but not its dialects."""

from __future__ import annotations

from mbench.core.specs import MetricSpec, TaskSpec
from mbench.core.types import MAIN_POOL

WORDS = {
    "hit": "the share of queries with a right answer among the first {k}",
    "recall": "the share of all right answers that are among the first {k}, averaged over queries",
    "map": "the average precision of the first {k}, of which a query with as many right answers as places can reach 1",
    "map_trec": "the average precision of the first {k} over all right answers (trec_eval's denominator)",
    "ndcg": "the discounted gain of the first {k} against that of the best possible order",
    "mrr": "the mean of 1 / rank of the first right answer, 0 below rank {k}",
    "group_hit": "the share of groups of queries of which every query has a right answer among the first {k}",
}
FIRST = {
    "hit": "the share of queries whose first candidate is a right answer",
    "recall": "the share of right answers that stand first: with one right answer, how often it does",
    "group_hit": "the share of groups of queries of which every query has a right answer at rank 1",
}


def metric_words(spec: TaskSpec, key: str) -> str:
    """Return what `key` of a task means; nothing for a key that the task does not declare."""
    if key in spec.averages:
        return f"the mean of {' and '.join(spec.averages[key])}"
    metric = next((one for one in spec.metrics if one.key == key), None)
    return "" if metric is None else _words(metric)


def _words(metric: MetricSpec) -> str:
    known = FIRST.get(metric.name) if metric.k == 1 else None
    words = (known or WORDS[metric.name]).format(k=metric.k)
    if metric.labels != "relevant":
        words += f"; only the label {metric.labels!r} counts as right"
    if metric.pool != MAIN_POOL:
        words += f"; within the query's {metric.pool}"
    return words
