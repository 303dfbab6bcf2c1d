from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.publish.evidence import data_of, write_evidence
from tests.publish.sample import card, catalog, result, task, write

from mbench.core import resources
from mbench.core.types import Floats, Rows
from mbench.publish.aligned import QueryColumns
from mbench.publish.board import Board
from mbench.publish.collect import collect, sources
from mbench.publish.compareview import CompareView, compare_view
from mbench.publish.openings import Openings
from mbench.publish.scripts import coded, numbered, script_file
from mbench.scoring.paired import compare, holm

ONE = task("one")
HOSTILE = "</script><script>alert(1)</script>\u2028'\"\\<!--"


def view(folder: Path) -> CompareView:
    declared = catalog(ONE)
    board = Board(collect(sources([folder], None)), declared)
    return compare_view(board, QueryColumns(board, Openings(declared)), {})


def files(found: CompareView) -> dict[str, Any]:
    return {one.path: data_of(one.content) for one in found.files}


def model_data(found: CompareView, name: str) -> Any:
    contents = files(found)
    head = next(one for one in contents[found.index]["models"] if one["id"] == name)
    return contents[head["file"]]["one@p1"]


def decoded(data: Mapping[str, Any]) -> list[float | None]:
    from mbench.publish.scripts import ALPHABET

    codes, width = data["codes"], data["width"]
    rows = [codes[at : at + width] for at in range(0, len(codes), width)]
    places = [
        None if " " in row else sum(ALPHABET.index(c) * len(ALPHABET) ** n for n, c in enumerate(row[::-1]))
        for row in rows
    ]
    return [None if place is None else data["values"][place] for place in places]


def test_each_model_has_a_file_with_its_queries_in_one_order(tmp_path: Path) -> None:
    write_evidence(tmp_path / "r", result(ONE, card("a"), 0.1), {"q1": 1.0, "q2": 0.0, "q3": float("nan"), "q4": 1.0})
    write_evidence(tmp_path / "r", result(ONE, card("b"), 0.1), {"q4": 1.0, "q3": float("nan"), "q1": 0.0, "q2": 0.5})
    found = view(tmp_path / "r")
    ids = next(data["ids"] for data in files(found).values() if "ids" in data)
    of = {name: dict(zip(ids, decoded(model_data(found, name)), strict=True)) for name in "ab"}
    assert of == {"a": {"q1": 1, "q2": 0, "q3": None, "q4": 1}, "b": {"q1": 0, "q2": 0.5, "q3": None, "q4": 1}}


def test_scores_that_their_queries_do_not_bear_out_are_shown_but_not_tested(tmp_path: Path) -> None:
    folder = write_evidence(tmp_path / "r", result(ONE, card("a"), 0.1), {"q1": 1.0, "q2": 0.0})
    write(tmp_path / "r", result(ONE, card("a"), 0.9))
    assert (folder / "one.queries.parquet").is_file()
    found = model_data(view(tmp_path / "r"), "a")
    assert found["score"][0] == 0.9 and "codes" not in found


def test_other_queries_than_the_best_models_are_left_out(tmp_path: Path) -> None:
    write_evidence(tmp_path / "r", result(ONE, card("a"), 0.1), {"q1": 1.0, "q2": 1.0})
    write_evidence(tmp_path / "r", result(ONE, card("b"), 0.1), {"q1": 1.0, "other": 0.0})
    found = view(tmp_path / "r")
    assert "codes" in model_data(found, "a") and "codes" not in model_data(found, "b")


def test_a_single_result_with_other_queries_does_not_keep_others_from_being_compared(tmp_path: Path) -> None:
    write_evidence(tmp_path / "r", result(ONE, card("a"), 0.1), {"mine": 1.0, "own": 1.0})
    for name in "bc":
        write_evidence(tmp_path / "r", result(ONE, card(name), 0.1), {"q1": 1.0, "q2": 0.0})
    found = view(tmp_path / "r")
    assert ["codes" in model_data(found, name) for name in "abc"] == [False, True, True]


def test_an_outdated_result_is_compared_with_nothing(tmp_path: Path) -> None:
    stale = result(ONE, card("a"), 0.9)
    stale = stale.model_copy(update={"task": stale.task.model_copy(update={"fingerprint": "f" * 16})})
    write_evidence(tmp_path / "r", stale, {"q1": 1.0, "q2": 0.0})
    found = view(tmp_path / "r")
    assert next(data for path, data in files(found).items() if path.startswith("data/a")) == {}


@pytest.mark.parametrize("kind", ["link", "garbage", "absent"])
def test_evidence_that_is_no_sound_file_costs_the_test_and_not_the_site(tmp_path: Path, kind: str) -> None:
    folder = write_evidence(tmp_path / "r", result(ONE, card("a"), 0.1), {"q1": 1.0, "q2": 0.0})
    path = folder / "one.queries.parquet"
    if kind == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "garbage":
        path.write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    else:
        path.unlink()
    assert "codes" not in model_data(view(tmp_path / "r"), "a")


def test_no_name_ends_a_script_or_begins_markup(tmp_path: Path) -> None:
    hostile = result(ONE, card("x</script>"), 0.1)
    write_evidence(tmp_path / "r", hostile, {HOSTILE: 1.0, "q2": 0.0})
    for one in view(tmp_path / "r").files:
        assert not set(b"<>&") & set(one.content) and one.content.isascii()
        assert one.path.startswith("data/") and ".." not in one.path
    assert data_of(script_file("a", "kind", [HOSTILE]).content) == [HOSTILE]


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1)), max_size=60))
def test_codes_give_back_each_value_exactly(values: list[float]) -> None:
    code = coded(np.array(values))
    back = decoded({"codes": code.codes, "width": code.width, "values": code.values})
    assert [None if np.isnan(one) else one for one in values] == back


def test_many_different_values_take_wider_codes() -> None:
    column = np.linspace(0, 1, 500)
    code = coded(column)
    assert code.width == 2 and decoded({"codes": code.codes, "width": 2, "values": code.values}) == column.tolist()


def in_node(calls: list[dict[str, Any]]) -> list[Any]:
    """What the page's own script gives for each call."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; tests/browser runs the same script in Chromium")
    script = (resources.folder("leaderboard") / "assets" / "pairtest.js").read_text()
    run = (
        "globalThis.window = {};" + script + "const {pairTest, holm, clustersOf} = window.mbenchPairs;"
        "const column = (one) => Float64Array.from(one, (x) => x ?? NaN);"
        "const calls = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "console.log(JSON.stringify(calls.map((c) => c.p ? holm(c.p)"
        " : pairTest(column(c.a), column(c.b), clustersOf(c.clusters ?? null)))));"
    )
    done = subprocess.run([node, "-e", run], input=json.dumps(calls), capture_output=True, text=True, check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


def cases() -> dict[str, tuple[Floats, Floats, Rows | None]]:
    random = np.random.Generator(np.random.PCG64(3))
    hits = [random.random(400) < share for share in (0.5, 0.45)]
    graded = [random.random(300).round(3) * (random.random(300) < share) for share in (0.6, 0.7)]
    unjudged = [np.where(np.arange(400) % 7 == 0, np.nan, one.astype(float)) for one in hits]
    return {
        "hits": (hits[0].astype(float), hits[1].astype(float), None),
        "graded": (graded[0], graded[1], None),
        "clusters": (hits[0].astype(float), hits[1].astype(float), np.arange(400) // 4),
        "unjudged": (unjudged[0], unjudged[1], None),
        "few": (np.array([1.0, 1, 1, 0, 1, 1]), np.array([0.0, 0, 1, 1, 0, 0]), None),
        "equal": (np.ones(20), np.ones(20), None),
    }


def test_the_page_makes_the_tests_of_mbench_compare() -> None:
    def listed(column: Floats) -> list[float | None]:
        return [None if np.isnan(one) else float(one) for one in column]

    named = cases()
    calls = [
        {"a": listed(a), "b": listed(b), "clusters": None if clusters is None else numbered(clusters.tolist())}
        for a, b, clusters in named.values()
    ]
    for (name, (a, b, clusters)), js in zip(named.items(), in_node(calls), strict=True):
        python = compare(a, b, clusters)
        exact = ("n", "wins", "ties", "losses")
        assert [js[key] for key in exact] == [getattr(python, key) for key in exact], name
        assert js["difference"] == pytest.approx(python.difference, abs=1e-12), name
        assert js["p"] == pytest.approx(python.p, abs=0.015), name
        assert js["low"] == pytest.approx(python.low, abs=0.006), name
        assert js["high"] == pytest.approx(python.high, abs=0.006), name


def test_the_page_refuses_queries_that_are_judged_for_one_model_alone() -> None:
    assert in_node([{"a": [1, None, 0], "b": [1, 0, 0]}, {"a": [1], "b": [0]}]) == [None, None]


def test_the_page_adjusts_p_values_as_mbench_compare_does() -> None:
    values = [0.04, 0.001, 0.03, 0.5, 0.001]
    assert in_node([{"p": values}])[0] == pytest.approx(holm(values).tolist())
