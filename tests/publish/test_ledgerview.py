"""The page of the ledger tells what was published and measured, and nothing of it is read as markup."""

from __future__ import annotations

from pathlib import Path

from tests.publish.sample import ONE, Html, card, catalog, result, write

from mbench.core.results import Value
from mbench.core.specs import ReferenceScore
from mbench.publish.collect import collect, sources
from mbench.publish.ledger import Line
from mbench.publish.site import build_site


def test_published_and_measured_numbers_stand_on_a_page_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "r", result(ONE, card("m"), 0.5))
    published = ReferenceScore(model="<b>M</b>", metric="recall@1", value=0.25, source="arXiv 2302.03084")
    measured = Line("one", published, "outside", "m", "r1", Value(value=0.5, n=9, low=0.4, high=0.6))
    lines = [measured, Line("one", published, "other model")]
    build_site(collect(sources([tmp_path / "r"], None)), catalog(ONE), tmp_path / "site", None, lines)
    page = Html(tmp_path / "site" / "ledger.html")
    assert "Measured (1), in percent" in page.text and "Not measured (1), in percent" in page.text
    assert "<b>M</b>" in page.text and "+25.00" in page.text and "outside (1)" in page.text
    assert "Published numbers beside measured ones" in Html(tmp_path / "site" / "index.html").text


def test_a_site_without_a_ledger_has_no_link_to_one(tmp_path: Path) -> None:
    build_site(collect(sources([], None)), catalog(ONE), tmp_path / "site")
    assert not (tmp_path / "site" / "ledger.html").exists()
    assert "beside measured ones" not in Html(tmp_path / "site" / "index.html").text
