from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.browser.visiting import HOSTILE, QUERIES, answers, make_site, visit
from tests.publish.sample import ONE, build, card, catalog, result, write

from mbench.scoring.paired import compare


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


def chosen(page: Any) -> list[str]:
    return [page.locator(f"select[name={side}] option:checked").inner_text() for side in "ab"]


def cells(page: Any) -> list[str]:
    texts: list[str] = page.locator(".pairs tbody tr").first.locator("td").all_inner_texts()
    return texts


def test_the_two_best_models_are_compared_by_the_numbers_of_mbench_compare(browser: Any, site: Path) -> None:
    import numpy as np

    page = visit(browser, site).open("compare.html")
    assert chosen(page) == ["alpha", "beta"]
    of = [np.array([float(answers(model, n)[0] == "red") for n in range(QUERIES)]) for model in (0, 1)]
    python = compare(of[0], of[1])
    found = cells(page)
    assert found[:3] == ["75.0", "50.0", "+25.0"]
    assert found[6] == f"{python.wins} / {python.ties} / {python.losses}"
    assert float(found[5].removeprefix("< ")) == pytest.approx(min(1.0, 2 * python.p), abs=0.005)
    assert "A is better on 2" in page.locator("[role=status]").inner_text()


def test_the_address_keeps_the_pair_and_brings_it_back(browser: Any, site: Path) -> None:
    one = visit(browser, site)
    page = one.open("compare.html")
    page.locator("select[name=b]").select_option(label="gamma")
    one.settle()
    state = parse_qs(page.url.partition("#")[2])
    assert state == {"a": ["alpha"], "b": ["gamma"]}
    again = visit(browser, site).open("compare.html#" + page.url.partition("#")[2])
    assert chosen(again) == ["alpha", "gamma"]


def test_unknown_names_in_the_address_are_passed_over(browser: Any, site: Path) -> None:
    one = visit(browser, site)
    page = one.open("compare.html#a=nobody&b=<b>x")
    assert chosen(page) == ["alpha", "beta"] and one.complaints == []


def test_swapping_turns_every_sign(browser: Any, site: Path) -> None:
    one = visit(browser, site)
    page = one.open("compare.html")
    before = cells(page)
    page.get_by_role("button", name="Swap").click()
    one.settle()
    assert chosen(page) == ["beta", "alpha"]
    assert cells(page)[:3] == [before[1], before[0], "−25.0"]
    assert cells(page)[7] == "B is better"


def test_a_model_against_itself_is_not_told_apart(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("compare.html#a=beta&b=beta")
    assert cells(page)[2] == "0.0" and cells(page)[7] == "not told apart"


def test_details_name_the_queries_and_lead_to_the_explorer(browser: Any, site: Path) -> None:
    one = visit(browser, site)
    page = one.open("compare.html")
    page.locator(".comparison summary").first.focus()
    page.keyboard.press("Enter")
    page.locator(".wins").wait_for()
    assert "Queries that A wins (10)" in page.locator(".wins").inner_text()
    assert page.locator(".ids code").first.inner_text() == "q01"
    assert "recall@1 by kind" in page.locator(".comparison details[open] caption").inner_text()
    page.get_by_role("link", name="See such queries").click()
    assert page.url.split("/")[-2:] == ["explore", "small.html#a=alpha&b=beta&show=unlike"]
    assert one.complaints == []


def test_the_form_works_by_keyboard_alone(browser: Any, site: Path) -> None:
    one = visit(browser, site)
    page = one.open("compare.html")
    page.locator("select[name=a]").focus()
    page.keyboard.press("ArrowDown")
    one.settle()
    assert chosen(page)[0] == "beta"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    one.settle()
    assert chosen(page) == ["beta", "beta"]


def test_a_hostile_name_is_text(browser: Any, site: Path) -> None:
    one = visit(browser, site)
    page = one.open("compare.html")
    page.locator("select[name=b]").select_option(label=HOSTILE)
    one.settle()
    assert HOSTILE in page.locator(".side-b").inner_text()
    assert page.title() != "broken" and page.locator("main img").count() == 0 and one.complaints == []


def test_results_without_scores_by_query_are_told_as_the_reason_that_nothing_is_tested(
    browser: Any, tmp_path: Path
) -> None:
    write(tmp_path / "r", result(ONE, card("alpha"), 0.5), result(ONE, card("beta"), 0.4))
    build(tmp_path / "site", catalog(ONE), [tmp_path / "r"])
    page = visit(browser, tmp_path / "site").open("compare.html")
    told = "Both have 1 task, none tested: at least one of the two lacks its scores by query there."
    assert page.locator("[role=status]").inner_text() == told
