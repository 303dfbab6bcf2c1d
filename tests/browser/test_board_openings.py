"""What a visitor sees first: rows wherever there is a result, and the reason where a filter leaves none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.browser.boards import FAR, ONE, TWO, group, make_board
from tests.browser.test_board import names, state
from tests.browser.visiting import violations, visit
from tests.publish.sample import card, result, task, write

from mbench.data.catalog import Catalog
from mbench.publish.collect import collect, sources
from mbench.publish.site import build_site

THREE = task("three", title="Far three", protocol="p2")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_board(tmp_path_factory.mktemp("board"))


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models with a task of either group, so that nobody has a mean; one of them in two revisions."""
    place = tmp_path_factory.mktemp("gaps")
    found = [result(ONE, card("alpha"), 0.5), result(FAR, card("beta", revision="r1"), 0.3)]
    write(place / "r", *found, result(FAR, card("beta", revision="r2"), 0.4))
    tasks = {one.id: one for one in (ONE, TWO, FAR, THREE)}
    groups = {one.id: one for one in (group("emoji", "Suite", "one", "two"), group("far-off", "Far", "far", "three"))}
    build_site(collect(sources([place / "r"], None)), Catalog(tasks, groups), place / "site")
    return place / "site"


def said(page: Any) -> str:
    text: str = page.locator("#board .said").inner_text()
    return text


def current(page: Any) -> str:
    text: str = page.locator("#board .views [aria-current]").inner_text()
    return text


def test_where_no_group_is_complete_the_page_opens_with_the_tasks(browser: Any, gaps: Path) -> None:
    one = visit(browser, gaps)
    page = one.open("index.html")
    assert current(page) == "All tasks" and sorted(names(page)) == ["alpha", "beta", "beta"]
    assert page.locator("#board tbody td.n:not(.none)").count() > 0
    heads = page.locator("#board thead tr:last-child button").all_inner_texts()
    assert "Mean" not in heads, "a mean that nobody has is no column among the tasks"
    page.get_by_role("link", name="Overview").click()
    assert state(page) == {"view": ["overview"]} and sorted(names(page)) == ["alpha", "beta", "beta"]
    assert "1 of 2 tasks" in page.locator("#board tbody").inner_text()
    assert one.complaints == [] and violations(page) == []


def test_ranks_are_told_only_by_a_column_that_places_somebody(browser: Any, gaps: Path) -> None:
    page = visit(browser, gaps).open("index.html")
    assert said(page).endswith("; ranks by Far away"), "a place among one is none"
    assert page.locator("#board .tied").count() == 1
    for view in ("overview", "far-off&hide=far", "all&q=nobody"):
        page = visit(browser, gaps).open(f"index.html#view={view}")
        assert "ranks by" not in said(page), view
        assert "".join(page.locator("#board .rank").all_inner_texts()) == ""


def test_revisions_are_counted_as_rows_and_models_by_their_names(browser: Any, gaps: Path) -> None:
    page = visit(browser, gaps).open("index.html")
    counts = page.locator(".counts").inner_text()
    assert counts.startswith("2 models in 3 revisions, 3 results on 2 tasks, last run 2025")
    assert said(page).startswith("3 of 3 revisions of 2 models")
    page.locator("input[name=q]").fill("beta")
    assert said(page).startswith("2 of 3 revisions of 2 models")


@pytest.mark.parametrize(
    ("asked", "text", "left", "rows"),
    [
        ("q=nobody", "No model fits the words “nobody”.", {}, 5),
        ("q=nobody&licence=MIT", "No model fits both the words “nobody” and licence MIT.", {"licence": ["MIT"]}, 3),
        ("size=huge&licence=Apache-2.0", "No model fits both size 5 B and more and licence Apache-2.0.", None, 1),
        ("q=nobody&since=2099-01-01", "No model fits the words “nobody” and run since 2099-01-01.", {}, 5),
        ("view=far-off&hide=far&hide=far-off.mean", "All columns of scores are hidden.", {"view": ["far-off"]}, 4),
        ("view=far-off&protocol=p1", "No model fits protocol p1.", {"view": ["far-off"]}, 4),
    ],
)
def test_an_empty_table_names_the_filter_and_one_button_clears_it(
    browser: Any, board: Path, asked: str, text: str, left: dict[str, list[str]] | None, rows: int
) -> None:
    page = visit(browser, board).open(f"index.html#{asked}")
    none = page.locator("#board .none-left")
    assert none.locator("span").inner_text() == text and names(page) == []
    none.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert not none.is_visible() and len(names(page)) == rows
    assert left is None or state(page) == left


def test_zero_shot_leaves_no_mean_of_a_task_that_was_trained_on(browser: Any, board: Path) -> None:
    row = visit(browser, board).open("index.html").locator("#board tr", has_text="gamma")
    assert row.locator("td").first.inner_text().startswith("60.0")
    row = visit(browser, board).open("index.html#zero=known").locator("#board tr", has_text="gamma")
    assert row.locator("td").first.inner_text() == "–"


@pytest.mark.parametrize("width", [390, 1280])
def test_an_empty_table_fits_the_page(browser: Any, board: Path, width: int) -> None:
    one = visit(browser, board, viewport={"width": width, "height": 800})
    page = one.open("index.html#q=nobody&licence=MIT")
    assert page.evaluate("document.documentElement.scrollWidth") <= width and violations(page) == []
    box = page.locator("#board .none-left button").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width


def test_the_tab_that_is_open_is_scrolled_to_where_tabs_do_not_fit(browser: Any, gaps: Path) -> None:
    page = visit(browser, gaps, viewport={"width": 280, "height": 800}).open("index.html#view=all")
    box = page.locator("#board .views [aria-current]").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 280
    assert page.locator("#board .views").evaluate("(one) => one.scrollWidth > one.clientWidth")


def test_one_model_alone_is_shown_and_ranked_by_nothing(browser: Any, tmp_path: Path) -> None:
    write(tmp_path / "r", result(ONE, card("alpha"), 0.5))
    build_site(collect(sources([tmp_path / "r"], None)), Catalog({"one": ONE, "two": TWO}, {}), tmp_path / "site")
    one = visit(browser, tmp_path / "site")
    page = one.open("index.html")
    assert names(page) == ["alpha"] and said(page).startswith("1 of 1 model, ")
    assert "ranks by" not in said(page) and page.locator("#board .tied").count() == 0
    assert page.locator("details.unmeasured").count() == 0
    assert page.locator(".counts").inner_text() == "1 model, 1 result on 1 task, last run 2025-03-01"
    assert one.complaints == [] and violations(page) == []
