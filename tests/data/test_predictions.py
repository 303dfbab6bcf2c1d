"""A ranking made elsewhere gives a number only if it is whole, and names the query that makes it not so."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.data.small import declaration

from mbench.core.errors import PredictionError
from mbench.core.results import Evidence, write_rankings
from mbench.core.specs import TaskSpec
from mbench.core.types import EvalData, Judgments, Rankings, Sets
from mbench.data.predictions import ranked_part, read_predictions
from mbench.data.table import ArrowTable

CORPUS = ["1", "2", "3", "10"]


def data(**judgments: Any) -> EvalData:
    """Queries 7, 8 (judged) and 9 (not judged); candidates 1, 2, 3, 10."""
    queries = ArrowTable.of({"id": ["7", "8", "9"], "text": ["", "", ""]}, name="queries")
    corpus = ArrowTable.of({"id": CORPUS, "text": CORPUS}, name="corpus")
    labels = {"labels": {"relevant": Sets.of([[0], [1], []])}}
    return EvalData(queries, corpus, Judgments(**(labels | judgments)))


def ids(rankings: Rankings) -> list[list[str]]:
    return [[CORPUS[row] for row in one if row >= 0] for one in rankings.ids]


def put(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def run(*entries: tuple[str, str, float | str]) -> str:
    return "".join(f"{query} Q0 {name} {rank} {score} tag\n" for rank, (query, name, score) in enumerate(entries))


WHOLE = run(("8", "2", 1.5), ("7", "1", 0.5), ("7", "3", 2.0))


def test_a_trec_run_is_ranked_by_score_then_id_descending_and_not_by_its_ranks(tmp_path: Path) -> None:
    text = run(("8", "2", 1), ("7", "1", 0.5), ("7", "2", 2), ("7", "10", 2.0), ("7", "3", 2))
    found = read_predictions(put(tmp_path, "a.run", "\ufeff" + text + "\n"), data())
    assert found.keys() == {"main"}
    assert ids(found["main"]) == [["3", "2", "10", "1"], ["2"], []]
    assert found["main"].scores[0].tolist() == [2, 2, 2, 0.5]
    assert found["main"].scores[2].tolist() == [-np.inf] * 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7 0 1 1\n", "line 1: 4 columns; a TREC run has six"),
        (WHOLE + "7 Q0 2 1 0.5\n", "line 4: 5 columns"),
        (WHOLE + "7 Q0 2 1 0.5 tag 3\n", "line 4: 7 columns"),
        (WHOLE + "7 Q0 2 1 high tag\n", "line 4: the score 'high' is not a number"),
        (WHOLE + "7 Q0 2 1 1_0 tag\n", "line 4: the score '1_0' is not a number"),
        (WHOLE + run(("7", "2", "nan")), "query '7' ranks '2' with a score that is no finite number"),
        (WHOLE + run(("7", "2", "inf")), "no finite number"),
        (WHOLE + run(("5", "2", 1)), "1 query ids that the task does not have: '5'"),
        (WHOLE + run(("7", "4", 1)), "query '7' ranks '4', which is no candidate of the task"),
        (WHOLE + run(("7", "3", 1)), "query '7' ranks '3' twice"),
        (run(("7", "1", 1)), "1 of 3 queries have no ranking of the main pool: '8'"),
        ("", "0 bytes"),
        ("\n\n", "holds no ranking"),
    ],
)
def test_a_malformed_run_is_refused_by_line_or_query(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PredictionError) as error:
        read_predictions(put(tmp_path, "a.run", text), data())
    assert "a.run" in str(error.value)
    assert words in str(error.value)


def test_pickles_pictures_folders_and_absent_files_are_refused_unopened(tmp_path: Path) -> None:
    for content in (pickle.dumps({"7": ["1"]}), b"\x89PNG\r\n\x1a\n\xff\xfe"):
        with pytest.raises(PredictionError, match=r"a\.pkl: not text|a\.pkl, line 1"):
            read_predictions(put(tmp_path, "a.pkl", content), data())
    with pytest.raises(PredictionError, match="a folder"):
        read_predictions(tmp_path, data())
    with pytest.raises(PredictionError, match=r"absent\.run: cannot be read"):
        read_predictions(tmp_path / "absent.run", data())


def test_where_labels_are_withheld_every_query_needs_a_ranking(tmp_path: Path) -> None:
    with pytest.raises(PredictionError, match="queries have no ranking of the main pool: '9'"):
        read_predictions(put(tmp_path, "a.run", WHOLE), data(labels={}))


def test_an_excluded_reference_is_left_out_before_the_cut(tmp_path: Path) -> None:
    exclude = Sets.of([[2], [], []])
    assert ids(read_predictions(put(tmp_path, "a.run", WHOLE), data(exclude=exclude))["main"]) == [["1"], ["2"], []]


def test_a_candidate_outside_of_the_gallery_is_refused(tmp_path: Path) -> None:
    pools = {"gallery": Sets.of([[0], [1], []])}
    with pytest.raises(PredictionError, match="query '7' ranks '3' outside of its gallery pool"):
        read_predictions(put(tmp_path, "a.run", WHOLE), data(pools=pools))
    good = run(("8", "2", 1), ("7", "1", 1))
    assert read_predictions(put(tmp_path, "a.run", good), data(pools=pools)).keys() == {"main"}


SUBSET = Sets.of([[0, 2, 3], [1, 3], []])


def test_a_pool_is_read_off_a_run_that_holds_all_of_it(tmp_path: Path) -> None:
    text = run(("7", "2", 9), ("7", "1", 2), ("7", "3", 3), ("8", "2", 1), ("8", "10", 2))
    path = put(tmp_path, "a.run", text)
    judged = data(pools={"subset": SUBSET}, exclude=Sets.of([[3], [], []]))
    assert ids(read_predictions(path, judged)["subset"]) == [["3", "1"], ["10", "2"], []]
    assert read_predictions(path, data(pools={"subset": SUBSET})).keys() == {"main"}


def cirr(metric: str, **lists: list[str]) -> str:
    return json.dumps(
        {"version": "rc2", "metric": metric} | {name.removeprefix("q"): one for name, one in lists.items()}
    )


def test_the_files_for_the_server_of_cirr_are_ranked_in_the_order_given(tmp_path: Path) -> None:
    judged = data(pools={"subset": SUBSET})
    recall = read_predictions(put(tmp_path, "a.json", cirr("recall", q8=["2"], q7=["1", "3", "2"])), judged)
    assert recall.keys() == {"main"}
    assert ids(recall["main"]) == [["1", "3", "2"], ["2"], []]
    subset = read_predictions(put(tmp_path, "b.json", cirr("recall_subset", q8=["2"], q7=["10", "1"])), judged)
    assert subset.keys() == {"subset"}
    assert ids(subset["subset"]) == [["10", "1"], ["2"], []]


def test_the_file_for_the_server_of_circo_may_hold_numbers_or_text(tmp_path: Path) -> None:
    for first in ([1, 10], ["1", "10"]):
        path = put(tmp_path, "val.json", json.dumps({"7": first, "8": [2]}))
        assert ids(read_predictions(path, data())["main"]) == [["1", "10"], ["2"], []]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("[1]", "expected an object"),
        ("{}", "expected an object"),
        ('{"7": [1], "7": [2], "8": [2]}', "'7' stands twice"),
        ('{"7": [1.5], "8": [2]}', "query '7': expected a list of candidate ids"),
        ('{"7": [true], "8": [2]}', "query '7': expected a list of candidate ids"),
        ('{"7": {"1": 2}, "8": [2]}', "query '7': expected a list of candidate ids"),
        ('{"7": [1, 1], "8": [2]}', "query '7' ranks '1' twice"),
        ('{"7": [], "8": [2]}', "no ranking of the main pool: '7'"),
        ('{"7": [1]}', "no ranking of the main pool: '8'"),
        ('{"7": [1], "8": [355099]}', "ranks '355099', which is no candidate"),
        (cirr("recal", q7=["1"], q8=["2"]), "metric 'recal'; the server of CIRR takes version 'rc2'"),
        (json.dumps({"version": "rc1", "metric": "recall", "7": ["1"]}), "version 'rc1'"),
        (json.dumps({"version": "rc2", "7": ["1"]}), "metric None"),
        (cirr("recall_subset", q7=["1"], q8=["2"]), "ranks the pool 'subset'; this task has main"),
    ],
)
def test_a_malformed_server_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PredictionError) as error:
        read_predictions(put(tmp_path, "a.json", text), data())
    assert "a.json" in str(error.value)
    assert words in str(error.value)


def test_a_subset_ranking_stays_within_the_subset(tmp_path: Path) -> None:
    path = put(tmp_path, "a.json", cirr("recall_subset", q7=["1", "2"], q8=["2"]))
    with pytest.raises(PredictionError, match="query '7' ranks '2' outside of its subset pool"):
        read_predictions(path, data(pools={"subset": SUBSET}))


def test_what_a_run_writes_is_read_back_equal(tmp_path: Path) -> None:
    judged = data(pools={"subset": SUBSET})
    rankings = {
        "main": Rankings(
            np.array([[2, 1, 3], [0, -1, -1], [-1, -1, -1]]),
            np.array([[2.0, 2, 1], [3, -np.inf, -np.inf], [-np.inf] * 3]),
        ),
        "subset": Rankings(np.array([[3, 0], [1, 3], [-1, -1]]), np.array([[0.5, 0.25], [2, 1], [-np.inf, -np.inf]])),
    }
    path = tmp_path / "task.ranking.parquet"
    write_rankings(path, Evidence(judged.queries.ids(), judged.corpus, rankings, {}))
    found = read_predictions(path, judged)
    assert found.keys() == rankings.keys()
    for pool, expected in rankings.items():
        assert found[pool].ids.tolist() == expected.ids.tolist()
        assert found[pool].scores.tolist() == expected.scores.tolist()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"candidate_ids": None}, "expected one column 'candidate_ids'"),
        ({"query_id": None}, "expected one column 'query_id'"),
        ({"query_id": [7, 8]}, None),
        ({"query_id": ["7", "7"]}, "query '7' stands more than once"),
        ({"query_id": ["7", None]}, "the column 'query_id' holds 1 nulls"),
        ({"candidate_ids": [["1", None], ["2"]]}, "the column 'candidate_ids' holds 1 nulls"),
        ({"candidate_ids": ["1", "2"]}, "the column 'candidate_ids' must be list"),
        ({"scores": [[0.5], [1.0, 2.0]]}, "query '7' has 2 candidate_ids, but 1 scores"),
        ({"scores": [[0.5, None], [1.0]]}, "no finite number"),
        ({"gallery_candidate_ids": [["1"], ["2"]]}, "ranks the pool 'gallery'; this task has main"),
    ],
)
def test_a_malformed_parquet_is_refused(tmp_path: Path, columns: dict[str, Any], words: str | None) -> None:
    good: dict[str, Any] = {"query_id": ["7", "8"], "candidate_ids": [["1", "3"], ["2"]], "scores": [[2.0, 1.0], [1.0]]}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({name: one for name, one in (good | columns).items() if one is not None}), path)
    if words is None:
        assert ids(read_predictions(path, data())["main"]) == [["1", "3"], ["2"], []]
        return
    with pytest.raises(PredictionError) as error:
        read_predictions(path, data())
    assert "a.parquet" in str(error.value)
    assert words in str(error.value)


def test_a_parquet_without_scores_counts_in_its_order_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"query_id": ["7", "8"], "candidate_ids": [["1", "3"], ["2"]]}), path)
    assert ids(read_predictions(path, data())["main"]) == [["1", "3"], ["2"], []]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PredictionError, match=r"a\.parquet: not a readable Parquet file"):
        read_predictions(path, data())


def test_only_metrics_of_ranked_pools_are_asked_for() -> None:
    spec = TaskSpec.model_validate(
        declaration(
            metrics=["recall@5", "recall@1 in subset"],
            averages={"avg": ["recall@5", "recall_subset@1"]},
            primary="avg",
            slices=["kind"],
        )
    )
    ranking = Rankings(np.zeros((1, 1), dtype=np.int64), np.zeros((1, 1)))
    assert ranked_part(spec, {"main": ranking, "subset": ranking}) == spec
    part = ranked_part(spec, {"subset": ranking})
    assert (part.keys, part.primary, part.slices) == (["recall_subset@1"], "recall_subset@1", [])
    with pytest.raises(PredictionError, match="scored on the pools main, subset, but the file ranks other"):
        ranked_part(spec, {"other": ranking})
