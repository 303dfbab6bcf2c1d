import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scoring.helpers import floats, labels, metric, rankings

from mbench.core.errors import DataError, PredictionError
from mbench.core.specs import MetricSpec
from mbench.core.types import Judgments, Rankings, Sets
from mbench.metrics import evaluate, evaluate_all
from mbench.scoring import lookup

CASES = json.loads((Path(__file__).parent / "cases" / "metrics.json").read_text())
NAMES = ("hit", "recall", "map", "map_trec", "ndcg", "mrr")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_metric_departs_from_the_case_worked_by_hand(case: dict[str, Any]) -> None:
    relevant = labels(case["relevant"], case.get("grades"))
    groups = np.array(case["groups"]) if "groups" in case else None
    for name, values in case["expected"].items():
        found = evaluate(metric(name), rankings(case["ranking"]), relevant, groups)
        np.testing.assert_allclose(found, floats(values), rtol=1e-14, err_msg=f"{name}: {case['why']}")


@st.composite
def judged_rankings(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    n_candidates = draw(st.integers(1, 12))
    everything = st.permutations(range(n_candidates))
    rows = draw(st.lists(st.tuples(everything, st.integers(0, n_candidates)), min_size=1, max_size=8))
    ranked = [row[:depth] for row, depth in rows]
    some = st.lists(st.integers(0, n_candidates + 3), unique=True, max_size=6)
    return ranked, draw(st.lists(some, min_size=len(ranked), max_size=len(ranked)))


def by_loop(name: str, k: int, ranked: list[int], relevant: list[int]) -> float:
    """The definitions once more, one query at a time."""
    if not relevant:
        return float("nan")
    found = [rank for rank, one in enumerate(ranked[:k], start=1) if one in relevant]
    precisions = sum((n + 1) / rank for n, rank in enumerate(found))
    gains = sum(1 / np.log2(rank + 1) for rank in found)
    best = sum(1 / np.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    values: dict[str, float] = {
        "hit": float(bool(found)),
        "recall": len(found) / len(relevant),
        "map": precisions / min(k, len(relevant)),
        "map_trec": precisions / len(relevant),
        "ndcg": gains / best,
        "mrr": 1 / found[0] if found else 0.0,
    }
    return values[name]


@given(judged_rankings(), st.integers(1, 15))
def test_looking_up_all_queries_at_once_confuses_queries(data: tuple[list[list[int]], list[list[int]]], k: int) -> None:
    for name in NAMES:
        found = evaluate(metric(f"{name}@{k}"), rankings(data[0]), labels(data[1]))
        np.testing.assert_allclose(found, [by_loop(name, k, *row) for row in zip(*data, strict=True)], rtol=1e-12)


@given(judged_rankings())
def test_a_longer_list_loses_a_hit(data: tuple[list[list[int]], list[list[int]]]) -> None:
    for name in ("hit", "recall", "mrr", "map_trec"):
        columns = [evaluate(metric(f"{name}@{k}"), rankings(data[0]), labels(data[1])) for k in range(1, 14)]
        assert np.nanmin(np.diff(np.nan_to_num(columns), axis=0)) >= 0


@given(judged_rankings(), st.randoms(use_true_random=False))
def test_the_order_of_queries_or_of_labels_moves_a_score(
    data: tuple[list[list[int]], list[list[int]]], random: Any
) -> None:
    order = random.sample(range(len(data[0])), len(data[0]))
    shuffled = [random.sample(row, len(row)) for row in data[1]]
    for name in NAMES:
        spec = metric(f"{name}@5")
        plain = evaluate(spec, rankings(data[0]), labels(data[1]))
        moved = evaluate(spec, rankings([data[0][i] for i in order]), labels([shuffled[i] for i in order]))
        np.testing.assert_array_equal(moved, plain[order])


@given(judged_rankings(), st.randoms(use_true_random=False))
def test_the_numbering_of_candidates_moves_a_score(data: tuple[list[list[int]], list[list[int]]], random: Any) -> None:
    number = random.sample(range(1000), 20)
    for name in NAMES:
        spec = metric(f"{name}@5")
        moved = [[[number[c] for c in row] for row in rows] for rows in data]
        np.testing.assert_array_equal(
            evaluate(spec, rankings(moved[0]), labels(moved[1])), evaluate(spec, rankings(data[0]), labels(data[1]))
        )


def test_a_value_leaves_zero_to_one_on_a_perfect_ranking_of_grades() -> None:
    relevant = labels([[4, 2, 7]], [[3, 1, 2]])
    for name in NAMES:
        for k in range(1, 8):
            value = evaluate(metric(f"{name}@{k}"), rankings([[4, 7, 2, 0, 1]]), relevant)[0]
            assert 0 < value <= 1


def test_queries_beyond_the_first_block_are_looked_up_in_the_wrong_row(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    ids = np.argsort(random.random((50, 20)), axis=1)
    ranked, relevant = Rankings(ids, -np.arange(20.0) + np.zeros((50, 1))), Sets.of(random.integers(20, size=(50, 1)))
    whole = evaluate(metric("mrr@20"), ranked, relevant)
    monkeypatch.setattr(lookup, "CELLS_AT_ONCE", 60)
    np.testing.assert_array_equal(evaluate(metric("mrr@20"), ranked, relevant), whole)
    assert (whole > 0).all()


def test_all_metrics_at_once_differ_from_one_by_one() -> None:
    main, subset = rankings([[0, 1, 2], [2, 0, 1]]), rankings([[1, 0], [2, 1]])
    judgments = Judgments({"relevant": labels([[1, 2], [0]]), "target": labels([[2], [0]])}, groups=np.array([0, 0]))
    specs = [metric(text) for text in ("map@2", "recall@1 in subset", "recall@3 of target", "group_hit@2", "ndcg@3")]
    pools = {"main": main, "subset": subset}
    found = evaluate_all(specs, pools, judgments)
    assert list(found) == ["map@2", "recall_subset@1", "recall_target@3", "group_hit@2", "ndcg@3"]
    for spec in specs:
        alone = evaluate(spec, pools[spec.pool], judgments.labels[spec.labels], judgments.groups)
        np.testing.assert_array_equal(found[spec.key], alone)


def test_group_hit_without_groups_passes_for_a_hit_rate() -> None:
    with pytest.raises(DataError, match="no groups"):
        evaluate(metric("group_hit@1"), rankings([[0]]), labels([[0]]))


def test_a_right_answer_listed_twice_counts_twice() -> None:
    with pytest.raises(PredictionError, match="Query row 1 lists candidate row 4 twice"):
        evaluate(metric("recall@3"), rankings([[1, 2, 3], [4, 0, 4]]), labels([[1], [4, 5]]))


@pytest.mark.parametrize(
    ("ranked", "said"),
    [
        (rankings([[0], [1], [2]]), "3 queries, the judgments 2"),
        (Rankings(np.zeros((2, 3), dtype=np.int64), np.zeros((2, 2))), "scores of shape"),
        (Rankings(np.zeros(2, dtype=np.int64), np.zeros(2)), "integer ids"),
        (Rankings(np.zeros((2, 1)), np.zeros((2, 1))), "integer ids"),  # type: ignore[arg-type]
        (Rankings(np.full((2, 1), -2), np.zeros((2, 1))), "candidate row -2"),
        (Rankings(np.zeros((2, 1), dtype=np.int64), np.array([[1.0], [np.nan]])), "query row 1 .*NaN"),
    ],
)
def test_rankings_that_do_not_fit_yield_a_number(ranked: Rankings, said: str) -> None:
    with pytest.raises(PredictionError, match=said):
        evaluate(metric("hit@1"), ranked, labels([[0], [0]]))


def test_a_missing_pool_or_label_set_is_scored_on_another() -> None:
    judgments = Judgments({"relevant": labels([[0]])})
    with pytest.raises(PredictionError, match=r"recall_subset@1 needs a ranking of the pool 'subset'"):
        evaluate_all([metric("recall@1 in subset")], {"main": rankings([[0]])}, judgments)
    with pytest.raises(DataError, match=r"recall_target@1 needs the labels 'target'"):
        evaluate_all([metric("recall@1 of target")], {"main": rankings([[0]])}, judgments)


def test_no_query_or_no_column_at_all_crashes() -> None:
    assert evaluate(metric("hit@1"), rankings([]), labels([])).shape == (0,)
    np.testing.assert_array_equal(evaluate(metric("hit@1"), rankings([[], []]), labels([[0], []])), [0, np.nan])


def test_right_answers_outside_of_a_pool_do_not_cap_its_recall() -> None:
    labels = Sets.of([[0, 3, 5], [2]])
    pools = {"subset": Sets.of([[3, 4], [1, 2]])}
    rankings = {"subset": Rankings(np.array([[3, 4], [1, 2]]), np.array([[0.9, 0.1], [0.9, 0.1]]))}
    specs = [MetricSpec.model_validate(text) for text in ("recall@1 in subset", "map_trec@2 in subset")]
    values = evaluate_all(specs, rankings, Judgments({"relevant": labels}, pools=pools))
    assert values["recall_subset@1"].tolist() == [1.0, 0.0]
    assert values["map_trec_subset@2"].tolist() == [1.0, 0.5]
