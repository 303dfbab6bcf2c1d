from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.browser.boards import make_board
from tests.browser.visiting import HOSTILE, visit

VIEW = "index.html#view=emoji&sort=one&hide=card.parameters&hide=card.dimension&hide=card.modalities"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_board(tmp_path_factory.mktemp("board"))


def exported(page: Any, title: str) -> str:
    page.get_by_role("button", name="Export").click()
    page.locator("#export").get_by_label(title).check(force=True)
    text: str = page.locator("#export textarea").input_value()
    return text


def test_csv_has_the_rows_in_their_order_with_intervals_and_ranks(browser: Any, site: Path) -> None:
    text = exported(visit(browser, site).open(VIEW), "CSV")
    head, *rows = csv.reader(io.StringIO(text))
    assert head[:6] == ["model", "revision", "Suite, mean", "Suite, mean low", "Suite, mean high", "Suite, mean rank"]
    assert [row[0] for row in rows] == ["alpha", "beta", "gamma", "delta", HOSTILE]
    at = head.index("Suite one recall@1")
    assert rows[0][at : at + 4] == ["50", "48", "53", "1–2"]
    two = head.index("Suite two recall@1")
    assert rows[3][two : two + 4] == ["95", "90", "100", ""], "a limited run has no rank"


def test_counts_are_exported_in_full_for_programs_and_short_for_people(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("index.html#view=emoji")
    rows = list(csv.DictReader(io.StringIO(exported(page, "CSV"))))
    page.keyboard.press("Escape")
    told = {row["model"]: row["facts"]["card.parameters"] for row in json.loads(exported(page, "JSON"))["rows"]}
    page.keyboard.press("Escape")
    assert {row["model"]: row["Parameters"] for row in rows if row["model"] in ("beta", "delta")} == {
        "beta": "400000000",
        "delta": "",
    }
    assert told["beta"] == 400_000_000 and told["delta"] is None
    assert "400 M" in exported(page, "Markdown")


def test_csv_has_no_formulas(browser: Any, site: Path) -> None:
    rows = list(csv.reader(io.StringIO(exported(visit(browser, site).open(VIEW), "CSV"))))
    assert rows[-1][rows[0].index("Licence")] == "'=1+1"


def test_json_tells_protocol_marks_and_numbers(browser: Any, site: Path) -> None:
    told = json.loads(exported(visit(browser, site).open(VIEW), "JSON"))
    gamma = next(row for row in told["rows"] if row["model"] == "gamma")
    two = next(one for one in gamma["scores"] if one["column"] == "two")
    assert two == {
        "column": "two",
        "metric": "recall@1",
        "protocol": "p1",
        "value": 0.9,
        "low": 0.88,
        "high": 0.93,
        "n": 100,
        "rank_best": 1,
        "rank_worst": 1,
        "status": "not recomputed",
        "marks": ["trained"],
    }


def test_latex_has_the_best_in_bold_the_second_underlined_and_no_raw_signs(browser: Any, site: Path) -> None:
    text = exported(visit(browser, site).open(VIEW + "&show=plain"), "LaTeX")
    lines = text.splitlines()
    assert {"\\toprule", "\\midrule", "\\bottomrule"} <= set(lines)
    assert "\\textbf{50.0} & 20.0" in text and "\\underline{49.0} & \\underline{60.0}" in text
    assert "30.0 & \\textbf{90.0}" in text and "10.0 & 95.0" in text, "a limited run does not compete"
    assert len({line.count(" & ") for line in lines if line.endswith("\\\\")}) == 1


def test_markdown_keeps_its_columns_whatever_a_name_holds(browser: Any, site: Path) -> None:
    lines = exported(visit(browser, site).open(VIEW), "Markdown").splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert any("**50.0** (48.0–53.0)" in line for line in lines) and not any("<script>" in line for line in lines)


def test_only_what_is_shown_is_exported(browser: Any, site: Path) -> None:
    text = exported(visit(browser, site).open("index.html#view=far-off&q=alpha"), "CSV")
    head, *rows = csv.reader(io.StringIO(text))
    assert [row[0] for row in rows] == ["alpha"] and not any("one" in name for name in head)


def test_a_citation_names_mbench_and_the_tasks_of_the_view(browser: Any, site: Path) -> None:
    page = visit(browser, site).open("index.html#view=emoji")
    page.get_by_role("button", name="Cite").click()
    text = page.locator("#export textarea").input_value()
    assert text.startswith("@misc{mbench,") and "@misc{one," in text and "% two: Somebody, 2025." in text


def test_an_export_is_saved_and_copied(browser: Any, site: Path) -> None:
    one = visit(browser, site, permissions=["clipboard-read", "clipboard-write"])
    page = one.open(VIEW)
    text = exported(page, "Markdown")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    assert Path(download.value.path()).read_text(encoding="utf-8") == text
    assert download.value.suggested_filename == "mbench-emoji.md"
    page.get_by_role("button", name="Copy").click()
    page.locator("#export output", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.keyboard.press("Escape")
    assert not page.locator("#export").is_visible() and one.complaints == []
