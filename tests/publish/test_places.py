from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.publish.evidence import write_evidence
from tests.publish.sample import ONE, card, catalog, result, write

from mbench.core.results import Value
from mbench.publish.aligned import QueryColumns
from mbench.publish.board import Board, ModelKey, TaskKey
from mbench.publish.collect import collect, sources
from mbench.publish.openings import Openings
from mbench.publish.places import Places, Range, mean_places, task_places

TASK = TaskKey("one", "p1")


def places(folder: Path) -> Places:
    board = Board(collect(sources([folder], None)), catalog(ONE))
    return task_places(board, QueryColumns(board, Openings(board.catalog)).of(TASK))


def answers(share: float, n: int = 200) -> dict[str, float]:
    right = np.arange(n) < share * n
    return {f"q{at:03}": float(one) for at, one in enumerate(right)}


def key(name: str) -> ModelKey:
    return ModelKey(name, "unversioned")


def test_models_that_paired_tests_do_not_tell_apart_share_their_places(tmp_path: Path) -> None:
    for name, share in (("a", 0.9), ("b", 0.88), ("c", 0.3)):
        write_evidence(tmp_path, result(ONE, card(name), share), answers(share))
    found = places(tmp_path)
    assert found.by == "test"
    assert found.of == {key("a"): Range(1, 2), key("b"): Range(1, 2), key("c"): Range(3, 3)}


@pytest.mark.parametrize("lacking", ["no evidence", "other queries"])
def test_without_scores_of_the_same_queries_intervals_decide(tmp_path: Path, lacking: str) -> None:
    write_evidence(tmp_path, result(ONE, card("a"), 0.5), answers(0.5))
    if lacking == "no evidence":
        write(tmp_path, result(ONE, card("b"), 0.9))
    else:
        write_evidence(tmp_path, result(ONE, card("b"), 0.9), {f"x{one}": 1.0 for one in range(200)})
    found = places(tmp_path)
    assert found.by == "intervals"
    assert found.of == {key("a"): Range(2, 2), key("b"): Range(1, 1)}


def test_an_outdated_result_takes_no_place(tmp_path: Path) -> None:
    stale = result(ONE, card("a"), 0.9)
    write(tmp_path, stale.model_copy(update={"task": stale.task.model_copy(update={"fingerprint": "f" * 16})}))
    write(tmp_path, result(ONE, card("b"), 0.1))
    assert places(tmp_path).of == {key("b"): Range(1, 1)}


def test_a_mean_without_interval_stands_for_itself() -> None:
    values = {key("a"): Value(value=0.5, n=2), key("b"): Value(value=0.4, n=2, low=0.3, high=0.5)}
    values[key("c")] = Value(value=0.2, n=2, low=0.1, high=0.29)
    assert mean_places(values).of == {key("a"): Range(1, 2), key("b"): Range(1, 2), key("c"): Range(3, 3)}
    assert mean_places({}).of == {}
