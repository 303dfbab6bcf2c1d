from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.browser.visiting import make_site, visit


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


def shown(page: Any) -> list[str]:
    return [one.inner_text() for one in page.locator(".question:visible h2 code").all()]


def right(page: Any, side: str) -> list[bool]:
    heads = page.locator(f".question:visible [data-side={side}] + ol > li:first-child")
    return ["right" in (one.get_attribute("class") or "") for one in heads.all()]


def test_all_sampled_queries_show_what_two_models_found(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("explore/small.html")
    names = shown(page)
    assert len(names) == 30 and names == sorted(names)
    assert right(page, "a") == [int(name[1:]) % 4 != 3 for name in names]
    assert right(page, "b") == [int(name[1:]) % 2 == 0 for name in names]


def test_only_queries_on_which_the_models_disagree_are_left(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("explore/small.html")
    page.locator("select[name=show]").select_option("unlike")
    assert shown(page) and all(int(name[1:]) % 4 == 1 for name in shown(page))
    page.locator("select[name=show]").select_option("b")
    assert shown(page) == [] and "0 of 30 queries" in page.locator("[role=status]").inner_text()


def test_another_model_brings_its_own_answers(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("explore/small.html")
    page.locator("select[name=a]").select_option(label="gamma")
    assert not any(right(page, "a"))
    assert page.locator("[data-side=a] .who").first.inner_text() == "gamma"


def test_kinds_filter_and_the_address_keeps_all_choices(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("explore/small.html#a=alpha&b=gamma&show=a&kind=kind%3A+odd")
    assert shown(page) and all(int(name[1:]) % 4 == 1 for name in shown(page))
    page.locator("select[name=kind]").select_option("kind: even")
    state = parse_qs(page.url.partition("#")[2])
    assert state == {"a": ["alpha"], "b": ["gamma"], "show": ["a"], "kind": ["kind: even"]}
    assert all(int(name[1:]) % 2 == 0 for name in shown(page))


def test_right_and_wrong_differ_in_words_and_signs_too(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("explore/small.html")
    first = page.locator(".question [data-side=a] + ol > li")
    assert first.nth(0).inner_text().startswith("✓") and "right:" in (first.nth(0).text_content() or "")
    assert first.nth(1).inner_text().startswith("✗") and "wrong:" in (first.nth(1).text_content() or "")
    assert first.nth(0).locator("img").get_attribute("alt") == "red"


def test_pictures_load_when_they_come_into_view(browser: Any, site: Path) -> None:
    one = visit(browser, site)
    page = one.open("explore/small.html")
    page.locator(".question img").last.scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    assert page.locator(".question img").last.evaluate("(one) => one.naturalWidth") > 0
    assert one.complaints == [] and one.strangers() == []
