from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.browser.visiting import make_site, violations, visit
from tests.publish.sample import ONE, TWO, build, card, catalog, result, write

PAGES = ("figures.html", "compare.html", "explorer.html", "explore/small.html", "models/alpha.html", "tasks/small.html")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_nothing_on_the_console_and_asks_nobody_else(browser: Any, site: Path, path: str) -> None:
    one = visit(browser, site)
    one.open(path)
    assert one.complaints == [] and one.strangers() == [] and one.page.title() != "broken"


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_no_page_scrolls_sideways(browser: Any, site: Path, width: int) -> None:
    one = visit(browser, site, viewport={"width": width, "height": 800})
    for path in PAGES:
        page = one.open(path)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        one.settle()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, site: Path, scheme: str) -> None:
    one = visit(browser, site, color_scheme=scheme)
    found = {path: violations(one.open(path)) for path in PAGES}
    assert {path: what for path, what in found.items() if what} == {}


def test_dark_pages_are_dark_and_figures_change_with_them(browser: Any, site: Path) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page = visit(browser, site, color_scheme=scheme).open("figures.html")
        colours[scheme] = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor,"
            " ...['.p-front', '.p-tick'].map((one) => getComputedStyle(document.querySelector(one)).fill)]"
        )
    assert all(light != dark for light, dark in zip(colours["light"], colours["dark"], strict=True))


def test_a_phone_sees_the_narrow_drawing_alone(browser: Any, site: Path) -> None:
    page = visit(browser, site, viewport={"width": 390, "height": 800}).open("figures.html")
    shown = [one.is_visible() for one in page.locator("svg[role=img]").all()]
    assert shown == [False, True] * (len(shown) // 2)


def test_the_numbers_of_a_figure_open_by_keyboard(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("figures.html")
    page.locator("figure summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("figure details[open] table").first.is_visible()


def test_pages_stand_without_scripts(browser: Any, site: Path) -> None:
    one = visit(browser, site, java_script_enabled=False)
    page = one.open("compare.html")
    assert "needs JavaScript" in page.locator("main").inner_text() and not page.locator("select").first.is_visible()
    assert page.locator("main a[href='models/alpha.html']").is_visible()
    page = one.open("explore/small.html")
    assert page.locator(".question").count() == 30 and page.locator(".question .right").first.is_visible()


@pytest.mark.parametrize("models", [(), ("alpha",)])
def test_pages_that_have_nothing_to_show_say_so_and_nothing_on_the_console(
    browser: Any, tmp_path: Path, models: tuple[str, ...]
) -> None:
    write(tmp_path / "r", *(result(ONE, card(name), 0.5) for name in models))
    (tmp_path / "r").mkdir(exist_ok=True)
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    one = visit(browser, tmp_path / "site")
    told = {
        path: one.open(path).locator("main").inner_text() for path in ("figures.html", "compare.html", "explorer.html")
    }
    assert "Nothing to draw yet" in told["figures.html"] and "Two models are needed" in told["compare.html"]
    assert "mbench run -m tiny -t emoji" in told["explorer.html"]
    one.open("index.html")
    assert one.complaints == [] and one.strangers() == []
