from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from mbench.publish.fragments import safe, score_rows, svg_marks, table_rows
from mbench.publish.plots import Mark as Drawn
from mbench.publish.tables import Cell, Mark, Name, Row
from mbench.publish.text import clean

HOSTILE = "\"'><script>alert(1)</script>&amp;\u202e"
SHOWN = "&#34;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;"


def hostile_row() -> Row:
    marks = (Mark(HOSTILE, HOSTILE),)
    cells = (
        Cell(HOSTILE, HOSTILE, HOSTILE, marks=marks),
        Cell(HOSTILE, numeric=True, best=True, stale=True),
        Cell(HOSTILE, url="javascript:alert(1)"),
        Cell("paper", url="https://example.org/?a=1&b='2"),
    )
    return Row(Name(HOSTILE, HOSTILE, HOSTILE, marks), cells, HOSTILE)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]


@given(st.text(max_size=80) | st.text("<>&\"'a\u202e\x00", max_size=20))
def test_a_text_is_escaped_as_templates_escape_it(text: str) -> None:
    assert safe(text) == str(escape(clean(text)))


def test_endless_texts_are_cut_as_in_templates() -> None:
    assert len(safe("a" * 5000)) < 4010


@pytest.mark.parametrize("html", [table_rows([hostile_row()], HOSTILE, True), score_rows([hostile_row()], HOSTILE)])
def test_no_field_of_a_row_becomes_markup(html: Markup) -> None:
    tags = Tags(html)
    assert set(tags.tags) <= {"tr", "th", "td", "a", "span", "small", "strong"}
    assert "\u202e" not in html and SHOWN in html
    assert unescape(re.sub(r"<[^>]*>", "", html)).count("<script>") >= 5


def test_only_web_addresses_become_links() -> None:
    links = Tags(table_rows([hostile_row()], "../")).links
    assert [link for link in links if not link.startswith("../")] == ["https://example.org/?a=1&b='2"]


def test_no_field_of_a_drawing_becomes_markup() -> None:
    marks = [
        Drawn("text", 1, 2, style=HOSTILE, data=HOSTILE, anchor=HOSTILE),
        Drawn("path", style=HOSTILE, data=HOSTILE, title=HOSTILE),
        Drawn("ring", 1.25, 2, style="m1", title="a < b"),
    ]
    html = svg_marks(marks)
    assert Tags(html).tags == ["text", "path", "title", "path", "title"]
    assert 'class="m1 hollow"' in html and "<title>a &lt; b</title>" in html and "\u202e" not in html
