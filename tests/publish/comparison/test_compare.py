import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.publish.comparison.made import saved, write_scores
from tests.publish.sample import catalog, task

from mbench.core.errors import DataError, MbenchError, UnknownNameError, UserError
from mbench.data.catalog import Catalog
from mbench.publish.comparison.compare import compare_results
from mbench.publish.comparison.operands import operands_at
from mbench.publish.comparison.records import Asked, Comparison
from mbench.publish.comparison.written import as_json, notes, sheets
from mbench.publish.plain import markdown
from mbench.scoring.paired import compare, holm

A = {"hit@1": [1.0, 1.0, 0.0, 1.0, None], "hit@5": [1.0, 1.0, 1.0, 1.0, None]}
B = {"hit@1": [0.0, 1.0, 0.0, 0.0, None], "hit@5": [1.0, 1.0, 1.0, 1.0, None]}
NOTHING = Catalog({}, {})


def compared(*paths: Path, known: Catalog = NOTHING, asked: Asked | None = None) -> Comparison:
    return compare_results(operands_at(paths), known, None, asked)


def refusal(*paths: Path) -> MbenchError:
    with pytest.raises(MbenchError) as caught:
        compared(*paths)
    return caught.value


def test_the_numbers_are_not_those_of_the_paired_test(tmp_path: Path) -> None:
    found = as_json(compared(saved(tmp_path, "a", A), saved(tmp_path, "b", B)))
    one = found["tasks"]["some-task"]["hit@1"]
    expected = compare(np.array(A["hit@1"], dtype=float), np.array(B["hit@1"], dtype=float))
    assert {key: one[key] for key in ("difference", "low", "high", "p", "effect")} == {
        "difference": 0.5,
        "low": expected.low,
        "high": expected.high,
        "p": 0.5,
        "effect": expected.effect,
    }
    assert [one[key] for key in ("wins", "ties", "losses", "n")] == [2, 2, 0, 4]
    assert (found["a"]["model"], found["b"]["model"], found["others"]) == ("a", "b", [])
    json.dumps(found, allow_nan=False)


def test_identical_systems_are_not_called_so(tmp_path: Path) -> None:
    found = compared(saved(tmp_path, "a", A), saved(tmp_path, "b", A))
    assert as_json(found)["tasks"]["some-task"]["hit@1"]["p"] == 1.0
    assert "some-task hit@1: a and b: identical on every query" in notes(found)


def test_rows_in_another_order_are_paired_by_their_place(tmp_path: Path) -> None:
    a = saved(tmp_path, "a", A)
    turned = {key: values[::-1] for key, values in B.items()}
    b = saved(tmp_path, "b", turned, ids=[f"q{row}" for row in range(5)][::-1])
    expected = compared(a, saved(tmp_path / "straight", "b", B))
    assert compared(a, b).gaps == expected.gaps


def test_p_values_are_adjusted_for_one_task_only(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("one", "two", "three"):
        for model in ("a", "b", "c"):
            saved(tmp_path, model, {"hit@1": (random.random(80) < 0.5).astype(float).tolist()}, task=name)
    found = compared(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert len(found.gaps) == 6
    adjusted = holm([gap.paired.p for gap in found.gaps])
    assert [gap.adjusted for gap in found.gaps] == adjusted.tolist()
    written = as_json(found)
    assert set(written["tasks"]) == {"one", "two", "three"}
    assert [pair["b"]["model"] for pair in written["others"]] == ["c"]
    assert set(written["others"][0]["tasks"]) == {"one", "two", "three"}


def test_the_declared_primary_metric_is_passed_over(tmp_path: Path) -> None:
    scores = {"recall@5": [1.0, 0.0, 1.0], "recall@1": [1.0, 0.0, 0.0]}
    paths = [saved(tmp_path, model, scores, task="one") for model in ("a", "b")]
    known = catalog(task("one"))
    found = compared(*paths, known=known)
    assert [gap.metric for gap in found.gaps if gap.chosen] == ["recall@1"]
    found = compared(*paths, known=known, asked=Asked(("recall@5",)))
    assert [(gap.metric, gap.adjusted) for gap in found.gaps] == [("recall@1", None), ("recall@5", 1.0)]
    found = compared(*paths, known=known, asked=Asked(("all",)))
    assert all(gap.chosen for gap in found.gaps)


def test_an_unknown_metric_is_passed_over(tmp_path: Path) -> None:
    paths = saved(tmp_path, "a", A), saved(tmp_path, "b", B)
    with pytest.raises(UnknownNameError, match=r"'hit@2'.*hit@1, hit@5"):
        compared(*paths, asked=Asked(("hit@2",)))


REFUSED: dict[str, dict[str, Any]] = {
    "protocols: p1 and p2": {"about": {"protocol": "p2"}},
    "versions of the task: 1 and 2": {"about": {"version": 2}},
    "fingerprints": {"about": {"fingerprint": "e" * 16}},
    "variants: the task's own and instructions: none": {"variant": "instructions: none"},
    "extents: complete and partial": {"partial": True},
    "numbers of candidates: 50 and 40": {"counts": {"queries": 5, "candidates": 40, "judged": 4, "skipped": 1}},
    "data files": {"run": {"data": {"queries.json": "0" * 64}}},
}


@pytest.mark.parametrize("words", REFUSED)
def test_results_that_do_not_compare_are_compared(tmp_path: Path, words: str) -> None:
    a, b = saved(tmp_path, "a", A), saved(tmp_path, "b", B, **REFUSED[words])
    error = refusal(a, b)
    assert isinstance(error, UserError)
    assert words in str(error) and str(a) in str(error) and str(b) in str(error)


def test_partial_results_are_not_marked(tmp_path: Path) -> None:
    found = compared(saved(tmp_path, "a", A, partial=True), saved(tmp_path, "b", B, partial=True))
    assert sheets(found)[0].rows[0][0] == "some-task (partial)"
    assert as_json(found)["tasks"]["some-task"]["hit@1"]["partial"] is True


def test_other_queries_are_paired(tmp_path: Path) -> None:
    a, b = saved(tmp_path, "a", A), saved(tmp_path, "b", B, ids=["q0", "q1", "q2", "q3", "q9"])
    error = refusal(a, b)
    assert isinstance(error, UserError) and "2 are in one only: q4, q9" in str(error)


def test_one_query_gives_a_p_value(tmp_path: Path) -> None:
    a, b = saved(tmp_path, "a", {"hit@1": [1.0]}), saved(tmp_path, "b", {"hit@1": [0.0]})
    error = refusal(a, b)
    assert isinstance(error, UserError) and "1 judged query; a comparison needs at least 2" in str(error)
    assert "some-task.queries.parquet" in str(error)


def test_queries_judged_in_one_file_only_are_dropped(tmp_path: Path) -> None:
    other = {"hit@1": [None, 1.0, 0.0, 1.0, 1.0]}
    error = refusal(saved(tmp_path, "a", {"hit@1": A["hit@1"]}), saved(tmp_path, "b", other))
    assert isinstance(error, UserError) and "judged for one system only" in str(error)


def test_withheld_and_missing_tasks_are_not_told(tmp_path: Path) -> None:
    saved(tmp_path, "a", A), saved(tmp_path, "b", B)
    for model in ("a", "b"):
        saved(tmp_path, model, A, task="served", metrics={}, labels_public=False)
    saved(tmp_path, "b", B, task="another")
    said = notes(compared(tmp_path / "a", tmp_path / "b"))
    assert any("another: left out, since only b" in note for note in said)
    assert any("served: left out, since its labels are withheld" in note for note in said)
    error = refusal(saved(tmp_path / "x", "a", A), saved(tmp_path / "y", "b", B, task="another"))
    assert isinstance(error, UserError) and "no task that all have scores of" in str(error)
    served = [tmp_path / model / "1" / "served.json" for model in ("a", "b")]
    assert "its labels are withheld" in str(refusal(*served))
    hidden = catalog(task("some-task", labels_public=False))
    with pytest.raises(UserError, match="its labels are withheld"):
        compared(tmp_path / "a", saved(tmp_path, "b", B), known=hidden)


def test_results_without_the_primary_metric_give_an_empty_table(tmp_path: Path) -> None:
    error = refusal(saved(tmp_path, "a", {"hit@1": A["hit@1"]}), saved(tmp_path, "b", {"hit@5": B["hit@5"]}))
    assert isinstance(error, UserError) and "both must have hit@1, the task's primary metric" in str(error)


def scores_of(path: Path) -> Path:
    return path.with_name("some-task.queries.parquet")


def changed(path: Path, change: Callable[[Any], Any]) -> None:
    pq.write_table(change(pq.read_table(scores_of(path))), scores_of(path))


def with_column(values: Any) -> Callable[[Any], Any]:
    return lambda table: table.set_column(1, "hit@1", values)


BROKEN: dict[str, Callable[[Path], None]] = {
    "are not there": lambda path: scores_of(path).unlink(),
    "cannot be read as Parquet": lambda path: scores_of(path).write_bytes(b"PAR1 nothing"),
    "expected a text column query_id": lambda path: changed(path, lambda table: table.drop_columns(["query_id"])),
    "expected one column of numbers 'hit@5'": lambda path: changed(path, lambda table: table.drop_columns(["hit@5"])),
    "expected one column of numbers 'hit@1'": lambda path: changed(path, with_column(pa.array(list("abcde")))),
    "hit@1: 1 values are NaN or infinite": lambda path: changed(
        path, with_column(pa.array([1.0, float("nan"), 0.0, 1.0, None]))
    ),
    "hit@1: 4.0 is not a score": lambda path: changed(path, with_column(pa.array([4.0, -1.0, 0.0, 0.0, None]))),
    "hit@1: the mean is 1.0, but the result says 0.75": lambda path: changed(
        path, with_column(pa.array([1.0, 1.0, 1.0, 1.0, None]))
    ),
    "hit@1: 5 judged queries, but the result has 4": lambda path: changed(
        path, with_column(pa.array([1.0, 1.0, 0.0, 1.0, 1.0]))
    ),
    "3 queries, but the result counts 5": lambda path: changed(path, lambda table: table.slice(0, 3)),
    "query_id: q0: empty or more than once": lambda path: write_scores(path, ["q0", "q0", "q2", "q3", "q4"], A),
}


@pytest.mark.parametrize("words", BROKEN)
def test_scores_that_do_not_bear_out_their_result_are_compared(tmp_path: Path, words: str) -> None:
    a, b = saved(tmp_path, "a", A), saved(tmp_path, "b", B)
    BROKEN[words](a)
    error = refusal(a, b)
    assert isinstance(error, DataError)
    assert words in str(error) and str(scores_of(a)) in str(error)


def test_names_of_models_are_read_as_markdown(tmp_path: Path) -> None:
    found = compared(saved(tmp_path, "a|<b>*x*", A), saved(tmp_path, "b", B))
    text = markdown(sheets(found), notes(found))
    assert r"A = a\|\<b\>\*x\*, B = b" in text
    assert "| some-task | hit@1 | +50.00 |" in text
