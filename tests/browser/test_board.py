from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.browser.boards import make_board
from tests.browser.visiting import HOSTILE, Visit, violations, visit


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_board(tmp_path_factory.mktemp("board"))


def names(page: Any) -> list[str]:
    found: list[str] = page.locator("#board tbody th .called a").all_inner_texts()
    return found


def column(page: Any, title: str) -> list[str]:
    heads = page.locator("#board thead tr:last-child th").all()
    place = next(n for n, head in enumerate(heads) if head.locator("button").inner_text() == title)
    return [row.locator("th, td").nth(place).inner_text() for row in page.locator("#board tbody tr").all()]


def sort(page: Any, title: str) -> None:
    page.locator("#board thead").get_by_role("button", name=title, exact=True).click()


def state(page: Any) -> dict[str, list[str]]:
    return parse_qs(page.evaluate("location.hash").removeprefix("#"))


def test_the_overview_has_a_column_for_each_group_and_is_sorted_by_the_first(one: Visit) -> None:
    page = one.open("index.html")
    assert page.locator("#board .views a").all_inner_texts() == ["Overview", "Suite", "Far", "All tasks"]
    assert names(page) == ["gamma", "beta", "alpha", HOSTILE, "delta"], "delta lacks a task, so it has no mean"
    assert column(page, "Suite")[-1] == "–\n1 of 2 tasks"


def test_any_column_sorts_down_then_up_and_empty_cells_stay_last(one: Visit) -> None:
    page = one.open("index.html#view=all")
    sort(page, "Parameters")
    assert names(page) == ["gamma", "beta", "alpha", HOSTILE, "delta"]
    sort(page, "Parameters")
    assert names(page) == [HOSTILE, "alpha", "beta", "gamma", "delta"]
    assert page.locator("#board [aria-sort]").count() == 1
    assert page.locator("#board [aria-sort=ascending] button").inner_text() == "Parameters"
    sort(page, "Model")
    assert names(page)[1:] == ["alpha", "beta", "delta", "gamma"]


def test_models_that_are_not_told_apart_share_a_range_of_ranks(one: Visit) -> None:
    page = one.open("index.html#view=emoji&sort=one&show=rank")
    assert [cell.split("\n")[0].removeprefix("✓ ") for cell in column(page, "One")] == ["1–2", "1–2", "3", "4–5", "4–5"]
    assert page.locator("#board tbody .rank").all_inner_texts() == ["1–2", "1–2", "3", "4–5", "4–5"]


def test_a_limited_run_is_marked_and_has_no_rank(one: Visit) -> None:
    page = one.open("index.html#view=emoji&show=rank")
    cell = page.locator("#board tr", has_text="delta").locator("td", has_text="partial")
    assert cell.inner_text().split("\n")[0] == "–" and "tied" not in (cell.get_attribute("class") or "")


def test_marks_tell_how_far_a_number_was_checked(one: Visit) -> None:
    page = one.open("index.html#view=far-off")
    cells = [page.locator("#board tr", has_text=name).locator("td").nth(1) for name in ("alpha", "beta")]
    assert cells[0].get_by_label("recomputed").count() == 1 and cells[1].locator(".mark").inner_text() == "server"
    told = page.locator("#marks + dl").inner_text()
    assert all(word in told for word in ("recomputed", "server", "not recomputed", "published", "trained", "partial"))


def test_scores_of_two_protocols_are_in_columns_of_their_own(one: Visit) -> None:
    page = one.open("index.html#view=all&protocol=p2")
    heads = page.locator("#board thead tr:last-child button").all_inner_texts()
    assert heads[:4] == ["Model", "Mean", "Far away", "Parameters"]


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("q=alp", ["alpha"]),
        ("q=apache", ["beta"]),
        ("licence=Apache-2.0", ["beta"]),
        ("size=huge", ["gamma"]),
        ("size=medium", ["beta"]),
        ("modality=image%2Btext", ["delta"]),
        ("since=2025-04-01", [HOSTILE, "delta"]),
        ("q=nobody", []),
    ],
)
def test_filters_leave_what_fits(one: Visit, asked: str, left: list[str]) -> None:
    page = one.open(f"index.html#{asked}")
    assert names(page) == left
    assert page.locator("#board .said").inner_text().startswith(f"{len(left)} of 5 models")
    assert page.locator("#board .none-left").is_visible() == (not left)


def test_open_weights_only_leaves_out_closed_ones(one: Visit) -> None:
    page = one.open("index.html")
    page.locator("summary", has_text="Filters").click()
    page.get_by_label("Open weights only").check()
    assert "beta" not in names(page) and len(names(page)) == 4
    assert page.locator("[data-narrowed]").inner_text().strip() == "(1)"
    page.get_by_role("button", name="Clear all").click()
    assert len(names(page)) == 5 and state(page) == {}


def test_zero_shot_hides_scores_of_models_trained_on_the_data(one: Visit) -> None:
    page = one.open("index.html#view=emoji&sort=two")
    assert names(page) == ["gamma", "beta", "alpha", HOSTILE, "delta"], "a limited run is out of the running"
    assert "90.0" in column(page, "Two")[0] and "trained" in column(page, "Two")[0]
    page = one.open("index.html#view=emoji&sort=two&zero=known")
    assert names(page)[0] == "beta" and not any(cell.startswith("90.0") for cell in column(page, "Two"))
    page = one.open("index.html#view=emoji&sort=two&zero=declared")
    assert [cell for cell in column(page, "Two") if cell != "–"] == ["5.0\n3.0–8.0"], "others do not tell"


def test_published_numbers_stand_apart_and_unranked(one: Visit) -> None:
    page = one.open("index.html#view=far-off")
    assert page.locator("#board .published").count() == 0
    page.get_by_label("Published numbers").check()
    row = page.locator("#board tr.published")
    assert row.locator("th").inner_text().split() == ["Paper", "model", "published"]
    assert row.locator("td", has_text="99.9").locator("strong").count() == 0 and row.locator(".rank").inner_text() == ""
    assert row.locator("td", has_text="99.9").get_attribute("title") == "https://example.org/paper"
    assert page.locator("#board tr", has_text="alpha").locator("strong").count() == 2, "measured ones alone compete"


def test_the_address_holds_the_view_and_back_returns_to_the_last(one: Visit) -> None:
    page = one.open("index.html")
    page.get_by_role("link", name="All tasks").click()
    sort(page, "Two")
    page.locator("input[name=q]").fill("a")
    assert state(page) == {"view": ["all"], "sort": ["two"], "q": ["a"]}
    shown = page.locator("#board table").inner_html()
    other = one.page.context.new_page()
    other.goto(page.url)
    assert other.locator("#board table").inner_html() == shown
    other.close()
    page.go_back()
    assert state(page) == {"view": ["all"]} and page.locator("input[name=q]").input_value() == ""
    page.go_back()
    assert page.locator("#board .views [aria-current]").inner_text() == "Overview"


def test_columns_are_picked_and_kept_in_the_address(one: Visit) -> None:
    page = one.open("index.html")
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("Licence", exact=True).last.uncheck()
    page.get_by_label("Base model").check()
    heads = page.locator("#board thead tr:last-child button").all_inner_texts()
    assert "Licence" not in heads and "Base model" in heads
    assert state(page) == {"hide": ["card.license"], "add": ["card.base_model"]}


def test_nonsense_in_the_address_is_passed_over(one: Visit) -> None:
    page = one.open("index.html#view=<b>&sort=nothing&show=&size=x&hide=%00&modality=&a=b=c")
    assert page.locator("#board .views [aria-current]").inner_text() == "Overview"
    assert page.evaluate("document.querySelectorAll('#board b').length") == 0


def test_the_table_works_by_keyboard_alone(one: Visit) -> None:
    page = one.open("index.html#view=all")
    page.locator("#board .views a").last.focus()
    page.keyboard.press("Tab")
    page.keyboard.type("amm")
    assert names(page) == ["gamma"]
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator(".filters").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator(".filters").is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.locator("#board .scroll").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert state(page)["sort"] == ["name"] and page.evaluate("document.activeElement.dataset.sort") == "name"


def test_a_hostile_name_is_text(one: Visit) -> None:
    page = one.open("index.html")
    assert HOSTILE in names(page) and page.title() != "broken" and page.locator("main img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("at", ["", "#view=all&published=1&show=rank"])
def test_axe_finds_nothing_serious(browser: Any, site: Path, scheme: str, at: str) -> None:
    page = visit(browser, site, color_scheme=scheme).open(f"index.html{at}")
    page.locator("summary", has_text="Filters").click()
    assert violations(page) == []
    page.get_by_role("button", name="Export").click()
    assert violations(page) == []


def test_the_chosen_colours_stay_on_other_pages(one: Visit) -> None:
    page = one.open("index.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark colours").click()
    dark = page.evaluate(ground)
    assert dark != light
    page = one.open("figures.html")
    assert page.evaluate(ground) == dark and page.locator(".theme").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_only_the_table_scrolls_sideways(browser: Any, site: Path, width: int) -> None:
    page = visit(browser, site, viewport={"width": width, "height": 800}).open("index.html#view=all")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    region = page.locator("#board .scroll")
    region.evaluate("(one) => one.scrollTo(10000, 0)")
    first = page.locator("#board tbody th").first.bounding_box()
    assert first["x"] < region.bounding_box()["x"] + 2 and first["width"] < 0.7 * width, "names stay in view"


def test_without_scripts_all_scores_can_be_read(browser: Any, site: Path) -> None:
    page = visit(browser, site, java_script_enabled=False).open("index.html")
    assert not page.locator("#board").is_visible() and page.locator("noscript table, table:visible").count() >= 2
    text = page.locator("main").inner_text()
    assert "50.0" in text and "48.0–53.0" in text and "Far" in text
