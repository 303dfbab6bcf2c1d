"""The ledger as shipped, with some of its numbers measured: its index, its filter, and what is left without scripts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.browser.test_board import state
from tests.browser.visiting import Visit, violations, visit

from mbench.core.results import Value
from mbench.data.catalog import Catalog
from mbench.publish.collect import Collection
from mbench.publish.ledger import ledger
from mbench.publish.ledger_spec import read_ledger
from mbench.publish.site import build_site

SCORE = Value(value=0.2, n=2000, low=0.18, high=0.22)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All published numbers; those of SEARLE-XL on FashionIQ dress are measured."""
    place, declared = tmp_path_factory.mktemp("ledger"), Catalog.read()
    lines = [
        replace(line, status="within", measured=SCORE, revision="r1")
        if (line.task, line.published.model) == ("fashioniq-dress", "SEARLE-XL (ViT-L/14)")
        else line
        for line in ledger(Collection(), declared, read_ledger(declared))
    ]
    build_site(Collection(), declared, place / "site", None, lines)
    return place / "site"


def shown(page: Any) -> list[str]:
    found: list[str] = page.locator(".family h2:visible").all_inner_texts()
    return found


def numbers(page: Any) -> int:
    count: int = page.locator("td[data-status]:not(.out) .printed:visible").count()
    return count


def test_each_family_has_a_heading_and_a_place_in_the_index(one: Visit) -> None:
    page = one.open("ledger.html")
    assert page.locator(".families a").all_inner_texts() == shown(page) and len(shown(page)) == 9
    assert numbers(page) == 543 and page.locator(".said").inner_text() == ""
    page.locator(".families a", has_text="MMEB").click()
    assert page.locator("h2", has_text="MMEB").bounding_box()["y"] < 200


def test_words_leave_the_numbers_that_they_tell_of(one: Visit) -> None:
    page = one.open("ledger.html")
    page.locator("input[name=q]").fill("searle-xl-oti recall@10")
    assert shown(page) == ["CIRR", "FashionIQ"] and numbers(page) == 5
    assert page.locator(".said").inner_text() == "5 of 543 published numbers"
    assert page.locator(".families li:visible").count() == 2
    assert page.locator("table.ledger:visible th[scope=col]:visible").all_inner_texts()[:2] == [
        "Published model",
        "recall@10",
    ], "a column in which nothing fits is left out"
    page.locator("input[name=q]").fill("mmeb-gqa")
    assert numbers(page) == 5 and shown(page) == ["MMEB"], "ids of tasks are words, too"


def test_published_and_measured_numbers_look_apart(one: Visit) -> None:
    page = one.open("ledger.html#status=measured")
    assert shown(page) == ["FashionIQ"] and numbers(page) == 2
    cell = page.locator("td[data-status]:not(.out):visible").first
    assert cell.locator(".printed").inner_text() == "20.48" and cell.locator(".ours strong").inner_text() == "20.00"
    styles = [
        cell.locator(place).evaluate("(one) => getComputedStyle(one).borderTopStyle")
        for place in (".printed", ".ours strong")
    ]
    assert styles == ["dashed", "none"]
    assert cell.locator(".ours .mark").inner_text() == "within"


def test_the_address_holds_the_filter_and_nonsense_in_it_is_passed_over(one: Visit) -> None:
    page = one.open("ledger.html#q=clip&status=withheld")
    assert page.locator("input[name=q]").input_value() == "clip" and numbers(page) == 2
    page.locator("select[name=status]").select_option("")
    assert state(page) == {"q": ["clip"]} and numbers(page) > 2
    page.locator(".families a:visible").first.click()
    assert state(page) == {"q": ["clip"]}, "the index leads to a place and keeps the filter"
    page = one.open("ledger.html#q=%00&status=<b>&x=1")
    assert numbers(page) == 0 and page.locator("main b").count() == 0


def test_a_filter_that_leaves_nothing_is_cleared_by_keyboard(one: Visit) -> None:
    page = one.open("ledger.html#q=nobody")
    assert page.locator(".none-left").is_visible() and shown(page) == []
    page.locator("input[name=q]").focus()
    for _ in ("status", "clear", "the button of the empty list"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert not page.locator(".none-left").is_visible() and state(page) == {} and numbers(page) == 543
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("pic2word")
    assert numbers(page) == 7


def test_without_scripts_all_numbers_can_be_read(browser: Any, site: Path) -> None:
    page = visit(browser, site, java_script_enabled=False).open("ledger.html")
    assert not page.locator(".ledger-tools").is_visible() and not page.locator(".none-left").is_visible()
    assert numbers(page) == 543 and page.locator(".families a[href='#family-circo']").is_visible()
    assert page.locator("a[href='tasks/circo-test.html']").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("at", ["", "#q=searle&status=measured", "#q=nobody"])
def test_axe_finds_nothing_serious(browser: Any, site: Path, scheme: str, at: str) -> None:
    assert violations(visit(browser, site, color_scheme=scheme).open(f"ledger.html{at}")) == []


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_only_tables_scroll_sideways(browser: Any, site: Path, width: int) -> None:
    page = visit(browser, site, viewport={"width": width, "height": 800}).open("ledger.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [one.bounding_box() for one in page.locator(".block .scroll").all()]
    assert boxes and all(one["x"] >= 0 and one["x"] + one["width"] <= width for one in boxes)
