"""The page of the ledger tells what was published and measured, by family, and nothing of it is read as markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.publish.sample import ONE, TWO, Html, card, catalog, result, rows, write

from mbench.core.results import Value
from mbench.core.specs import ReferenceScore
from mbench.data.catalog import Catalog
from mbench.publish.board import Board
from mbench.publish.collect import Collection, collect, sources
from mbench.publish.ledger import Line, ledger
from mbench.publish.ledger_spec import read_ledger
from mbench.publish.ledgerview import LedgerView, ledger_view
from mbench.publish.site import build_site
from mbench.publish.text import cited_url

PUBLISHED = ReferenceScore(model="<b>M</b>", metric="recall@1", value=0.25, source="arXiv 2302.03084, table 2; by eye")
LINE = Line("one", PUBLISHED, "outside", "m", "r1", Value(value=0.5, n=9, low=0.4, high=0.6))


def page(folder: Path, lines: Sequence[Line]) -> Path:
    write(folder / "r", result(ONE, card("m", revision="r1"), 0.5))
    build_site(collect(sources([folder / "r"], None)), catalog(ONE, TWO), folder / "site", None, lines)
    return folder / "site" / "ledger.html"


def shipped() -> LedgerView:
    declared = Catalog.read()
    lines = ledger(Collection(), declared, read_ledger(declared))
    return ledger_view(lines, Board(Collection(), declared))


def test_published_and_measured_numbers_stand_on_a_page_of_their_own(tmp_path: Path) -> None:
    other = ReferenceScore(model="N", metric="recall@5", value=0.75, source="https://example.org/n")
    path = page(tmp_path, [LINE, Line("one", other, "other model")])
    html = Html(path)
    assert "2 published numbers, 1 of them measured here" in html.text
    assert rows(path) == [
        ["Published model", "recall@1", "recall@5"],
        ["<b>M</b> here: m arXiv 2302.03084, table 2", "25.00 by eye outside 50.00 +25.00 · 40.0–60.0", "–"],
        ["N https://example.org/n", "–", "75.00"],
    ]
    links = {one["href"] for one in html.all("a")}
    assert {"https://arxiv.org/abs/2302.03084", "https://example.org/n", "tasks/one.html", "models/m.html"} <= links
    assert "The ledger has published numbers" in Html(tmp_path / "site" / "index.html").text


def test_a_site_without_a_ledger_has_no_link_to_one(tmp_path: Path) -> None:
    build_site(collect(sources([], None)), catalog(ONE), tmp_path / "site")
    assert not (tmp_path / "site" / "ledger.html").exists()
    assert "ledger" not in Html(tmp_path / "site" / "index.html").text.lower()


def test_tasks_with_one_metric_share_a_table(tmp_path: Path) -> None:
    lines = [replace(LINE, task=task) for task in ("one", "two")]
    found = rows(page(tmp_path, lines))
    assert found[0] == ["Task", "<b>M</b> here: m arXiv 2302.03084, table 2"]
    assert [row[0] for row in found[1:]] == ["Small one recall@1", "Small two recall@1"]


def test_two_measurements_of_one_number_stand_below_each_other(tmp_path: Path) -> None:
    again = replace(LINE, revision="r2", status="tolerated", reason="Decoded anew, bit by bit.")
    path = page(tmp_path, [LINE, again])
    assert "1 published number, 1 of them measured here" in Html(path).text
    cell = rows(path)[1][1]
    assert "outside" in cell and "m r1" in cell and "m r2" in cell and "Decoded anew" in cell


def test_every_published_number_of_the_catalogue_stands_once_in_its_family() -> None:
    view = shipped()
    cells = {
        one.title: sum(number is not None for table in one.tables for row in table.rows for number in row.numbers)
        for one in view.families
    }
    assert cells == {one.title: one.published for one in view.families}
    assert sum(cells.values()) == view.published == sum(one.n for one in view.statuses) > 500
    assert {"CIRCO", "CIRR", "FashionIQ", "MMEB", "M-BEIR, local pools", "Flickr30K 1K"} <= set(cells)


def test_metrics_stand_in_the_order_in_which_a_task_declares_them() -> None:
    circo = next(one for one in shipped().families if one.title == "CIRCO")
    assert [head.title for head in circo.tables[0].heads] == ["map@5", "map@10", "map@25", "map@50"]
    assert circo.tables[0].about.startswith("The labels are withheld")


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("arXiv 2303.15247, read second-hand", "https://arxiv.org/abs/2303.15247"),
        ("LamRA, arXiv 2412.01720, table of M-BEIR local pools", "https://arxiv.org/abs/2412.01720"),
        ("README of google-deepmind/magiclens", "https://github.com/google-deepmind/magiclens"),
        ("all_scores/v2.0.1 in TIGER-AI-Lab/VLM2Vec", "https://github.com/TIGER-AI-Lab/VLM2Vec"),
        ("run script, branch v1 of TIGER-AI-Lab/VLM2Vec", "https://github.com/TIGER-AI-Lab/VLM2Vec"),
        ("https://example.org/paper", "https://example.org/paper"),
        ("means of all_scores/v2.0.1 of VLM2Vec", None),
        ("Papers with Code", None),
        ("javascript:alert(1)", None),
        ("a mean of precision/recall", None),
    ],
)
def test_a_source_leads_to_where_it_lies_and_nowhere_else(source: str, url: str | None) -> None:
    assert cited_url(source) == url
