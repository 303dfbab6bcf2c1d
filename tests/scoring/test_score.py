from typing import Any

import numpy as np
import pytest
from tests.scoring.helpers import labels, rankings, task

from mbench.core.errors import DataError, PredictionError
from mbench.core.types import Judgments, Sets, Tags
from mbench.scoring.score import score

MAIN = rankings([[0, 1], [1, 0], [2, 0], [0, 2], [1, 2]])
RELEVANT = labels([[0], [0], [], [2], [1, 2]])


def test_the_mean_is_over_something_else_than_all_judged_queries() -> None:
    found = score(task(["hit@1", "recall@1", "map@2"]), Judgments({"relevant": RELEVANT}), {"main": MAIN})
    assert (found.judged, found.skipped) == (4, 1)
    assert {key: (one.value, one.n) for key, one in found.metrics.items()} == {
        "hit@1": (0.5, 4),
        "recall@1": (0.375, 4),
        "map@2": (0.75, 4),
    }
    np.testing.assert_array_equal(found.per_query["hit@1"], [1, 0, np.nan, 0, 1])


def test_a_query_without_an_answer_drops_out_of_the_mean() -> None:
    found = score(task(["hit@2"]), Judgments({"relevant": labels([[0], [1]])}), {"main": rankings([[0], []])})
    assert (found.metrics["hit@2"].value, found.metrics["hit@2"].n) == (0.5, 2)


def test_cirr_average_is_not_taken_query_by_query() -> None:
    pools = {"main": MAIN, "subset": rankings([[0], [1], [0], [2], [1]])}
    spec = task(["recall@1", "recall@1 in subset"], averages={"average": ["recall@1", "recall_subset@1"]})
    found = score(spec, Judgments({"relevant": RELEVANT}), pools)
    assert list(found.metrics) == ["recall@1", "recall_subset@1", "average"]
    assert found.metrics["average"].value == pytest.approx((0.375 + 0.625) / 2)
    parts = [found.per_query["recall@1"], found.per_query["recall_subset@1"]]
    np.testing.assert_array_equal(found.per_query["average"], np.mean(parts, axis=0))
    low, high = found.metrics["average"].low, found.metrics["average"].high
    assert low is not None and high is not None
    assert low < 0.5 < high


def test_an_average_mixes_queries_that_only_one_part_judges() -> None:
    spec = task(["recall@1", "recall@1 of target"], averages={"average": ["recall@1", "recall_target@1"]})
    with pytest.raises(DataError, match="average cannot be averaged: its parts do not judge the same queries"):
        score(spec, Judgments({"relevant": RELEVANT, "target": labels([[0]] * 5)}), {"main": MAIN})


def test_group_hit_is_averaged_over_queries() -> None:
    judgments = Judgments({"relevant": labels([[0], [0], [2], [0], [1]])}, groups=np.array([3, 3, 3, 8, 8]))
    found = score(task(["group_hit@1", "hit@1"]), judgments, {"main": MAIN})
    assert (found.metrics["group_hit@1"].value, found.metrics["group_hit@1"].n) == (0.5, 2)
    assert (found.metrics["hit@1"].value, found.metrics["hit@1"].n) == (0.8, 5)
    assert (found.metrics["group_hit@1"].low, found.metrics["group_hit@1"].high) == (0.0, 1.0)


def test_intervals_draw_the_questions_of_a_scene_one_by_one() -> None:
    ranked = rankings([[query // 20 % 2] for query in range(200)])
    relevant = labels([[0]] * 200)
    plain = score(task(["hit@1"]), Judgments({"relevant": relevant}), {"main": ranked}).metrics["hit@1"]
    scenes = Judgments({"relevant": relevant}, groups=np.arange(200) // 20)
    clustered = score(task(["hit@1"]), scenes, {"main": ranked}).metrics["hit@1"]
    assert (plain.value, plain.n) == (clustered.value, clustered.n) == (0.5, 200)
    assert clustered.low is not None and plain.low is not None
    assert clustered.low < plain.low - 0.1


def test_a_slice_counts_a_query_once_or_shows_empty_values() -> None:
    members = Sets.of([[0, 1], [1], [0, 3], [], [0]])
    judgments = Judgments(
        {"relevant": RELEVANT}, tags={"aspect": Tags(("negation", "cardinality", "unused", "unjudged"), members)}
    )
    spec = task(["hit@1", "map@2"], slices=["aspect"], slice_metric="map@2")
    found = score(spec, judgments, {"main": MAIN}).slices
    assert list(found) == ["aspect"]
    parts = {value: (one["map@2"].value, one["map@2"].n) for value, one in found["aspect"].items()}
    assert parts == {"negation": (1.0, 2), "cardinality": (0.75, 2)}
    assert found["aspect"]["cardinality"]["map@2"].low == 0.5


def test_a_single_judged_query_gets_an_interval() -> None:
    found = score(task(["hit@1"]), Judgments({"relevant": labels([[0], []])}), {"main": rankings([[0], [1]])})
    assert (found.metrics["hit@1"].value, found.metrics["hit@1"].low, found.metrics["hit@1"].high) == (1.0, None, None)


def test_the_seed_does_not_reach_the_intervals() -> None:
    random = np.random.default_rng(0)
    ranked = rankings([random.permutation(30).tolist() for _ in range(30)])
    judgments = Judgments({"relevant": labels([[0, 1]] * 30)})

    def low(seed: int) -> float | None:
        return score(task(["ndcg@30"]), judgments, {"main": ranked}, seed=seed).metrics["ndcg@30"].low

    assert low(1) == low(1) != low(2)


@pytest.mark.parametrize(
    ("judgments", "keys", "said"),
    [
        (Judgments({}), {}, r"labels are withheld.*mbench export RESULT"),
        (Judgments({"target": RELEVANT}), {}, r"\['target'\] but not 'relevant'"),
        (Judgments({"relevant": labels([[]] * 5)}), {}, "no query is judged under hit@1"),
        (Judgments({"relevant": RELEVANT}), {"slices": ["aspect"]}, r"slices name 'aspect'.*tags \[\]"),
        (
            Judgments({"relevant": RELEVANT}, groups=np.zeros(4, dtype=np.int64)),
            {},
            "disagree on the number of queries",
        ),
        (
            Judgments({"relevant": RELEVANT}, tags={"aspect": Tags(("a",), Sets.of([[0]]))}),
            {"slices": ["aspect"]},
            "disagree on the number of queries",
        ),
    ],
    ids=["withheld", "no-relevant", "nothing-judged", "no-such-tag", "short-groups", "short-tags"],
)
def test_data_that_cannot_be_scored_yields_a_number(judgments: Judgments, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        score(task(["hit@1"], **keys), judgments, {"main": MAIN})


def test_a_ranking_that_lacks_a_pool_or_queries_yields_a_number() -> None:
    judgments = Judgments({"relevant": RELEVANT})
    with pytest.raises(PredictionError, match="needs a ranking of the pool 'subset'"):
        score(task(["hit@1", "hit@1 in subset"]), judgments, {"main": MAIN})
    with pytest.raises(PredictionError, match="hold 4 queries, the judgments 5"):
        score(task(["hit@1"]), judgments, {"main": rankings([[0]] * 4)})
