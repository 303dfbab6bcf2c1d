from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.publish.evidence import write_evidence
from tests.publish.sample import Html, build, card, catalog, result, rows, task, write

from mbench.core.results import Value
from mbench.core.specs import TaskSpec
from mbench.publish.aligned import QueryColumns
from mbench.publish.board import Board
from mbench.publish.collect import collect, sources
from mbench.publish.metricwords import FIRST, WORDS, metric_words
from mbench.publish.openings import Openings
from mbench.publish.standings import standings
from mbench.publish.tables import Table

ONE = task("one")


def spec(**keys: Any) -> TaskSpec:
    return task("t", **keys).spec


def test_every_metric_has_words() -> None:
    from mbench.core.specs import MetricName

    assert set(MetricName.__args__) == set(WORDS) and set(FIRST) <= set(WORDS)


@pytest.mark.parametrize(
    ("metrics", "primary", "words"),
    [
        (["hit@1"], "hit@1", "whose first candidate is a right answer"),
        (["hit@5"], "hit@5", "among the first 5"),
        (["recall@5 of target"], "recall_target@5", "only the label 'target'"),
        (["recall@2 in subset"], "recall_subset@2", "within the query's subset"),
        (["map@10"], "map@10", "average precision of the first 10"),
    ],
)
def test_a_metric_is_told_with_its_cut_labels_and_pool(metrics: list[str], primary: str, words: str) -> None:
    assert words in metric_words(spec(metrics=metrics, primary=primary, slices=[]), primary)


def test_an_average_is_told_by_its_parts() -> None:
    one = spec(metrics=["recall@1", "recall@5"], averages={"mean": ["recall@1", "recall@5"]}, primary="mean")
    assert metric_words(one, "mean") == "the mean of recall@1 and recall@5"
    assert metric_words(one, "absent@3") == ""


def scored(folder: Path, **shares: float) -> Table | None:
    random = np.random.Generator(np.random.PCG64(1))
    hard = random.random(400)
    for name, share in shares.items():
        values = {f"q{n}": float(one < share) for n, one in enumerate(hard)}
        write_evidence(folder, result(ONE, card(name), 0.1), values)
    declared = catalog(ONE)
    board = Board(collect(sources([folder], None)), declared)
    return standings(board, QueryColumns(board, Openings(declared)).of(board.tasks[0]))


def test_models_that_no_test_tells_apart_share_their_places(tmp_path: Path) -> None:
    found = scored(tmp_path, first=0.8, close=0.795, last=0.2)
    assert found is not None
    table = [[row.name.title, *(cell.text for cell in row.cells)] for row in found.rows]
    assert [row[:3] + row[4:] for row in table] == [
        ["first", "1", "1–2", "1 other"],
        ["close", "2", "1–2", "1 other"],
        ["last", "3", "3", "none"],
    ]


def test_places_need_two_models_with_their_queries(tmp_path: Path) -> None:
    assert scored(tmp_path, alone=0.5) is None
    write(tmp_path, result(ONE, card("without"), 0.9))
    assert scored(tmp_path, alone=0.5) is None


def test_a_task_page_has_places_figures_and_what_its_metric_means(tmp_path: Path) -> None:
    scored(tmp_path / "r", first=0.8, last=0.2)
    build(tmp_path / "site", catalog(ONE), [tmp_path / "r"])
    page = Html(tmp_path / "site" / "tasks" / "one.html")
    assert "recall@1: the share of right answers that stand first" in page.text
    assert rows(tmp_path / "site" / "tasks" / "one.html")[1][:3] == ["first", "1", "1"]
    assert "Possible places" in page.text and "Best models, with the places that the tests allow" in page.text


def test_the_slices_of_a_task_are_drawn_with_their_intervals(tmp_path: Path) -> None:
    score = Value(value=0.5, n=50, low=0.4, high=0.6)
    slices = {"semantic_aspect": {"negation": {"recall@1": score}, "spatial": {"recall@1": score}}}
    write(tmp_path / "r", result(ONE, card("m"), 0.5, slices=slices))
    build(tmp_path / "site", catalog(ONE), [tmp_path / "r"])
    page = Html(tmp_path / "site" / "tasks" / "one.html")
    assert "recall@1 by semantic aspect" in page.text
    assert [one.get("class") for one in page.all("path")].count("p-interval m0") == 4, "two kinds, drawn twice"


def test_published_numbers_are_in_no_place_of_the_standings(tmp_path: Path) -> None:
    known = task(
        "one",
        reference_scores=[{"model": "CLIP", "metric": "recall@1", "value": 0.99, "source": "https://example.org/p"}],
    )
    for name in "ab":
        values = {f"q{n}": float(n % 2) for n in range(20)}
        write_evidence(tmp_path / "r", result(known, card(name), 0.1), values)
    build(tmp_path / "site", catalog(known), [tmp_path / "r"])
    page = tmp_path / "site" / "tasks" / "one.html"
    assert "CLIP" not in [row[0] for row in rows(page)[1:]]
    assert "they are in no table and no rank above" in Html(page).text


def test_a_distance_or_a_skew_is_not_shown_as_a_percentage(tmp_path: Path) -> None:
    told = {"tied_at_cut@1": 0.125, "modality_gap": 0.5, "relevant_not_in_corpus": 3}
    write(tmp_path / "r", result(ONE, card("m"), 0.5, diagnostics=told))
    build(tmp_path / "site", catalog(ONE), [tmp_path / "r"])
    page = Html(tmp_path / "site" / "tasks" / "one.html")
    assert "tied at cut@1 %" in page.text and "12.5" in page.text
    assert "0.500" in page.text and "50.00" not in page.text.split("Diagnostics")[1].split("How each number")[0]
