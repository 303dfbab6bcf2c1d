"""What stands on the pages a hundred thousand times, as HTML: rows of tables and marks of figures.

A template takes some microseconds for each piece that it puts together, which would be most of a build's time. So these
are put together here; as in a template every text is cleaned and escaped on its way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from mbench.publish.plots import Mark as Drawn
from mbench.publish.tables import Cell, Mark, Name, Row
from mbench.publish.text import LONGEST, clean, safe_url

_SPECIAL = re.compile("[&<>\"']")


def safe(text: str) -> str:
    """Return `text` as HTML: cleaned and escaped."""
    if len(text) <= LONGEST and text.isprintable() and not _SPECIAL.search(text):
        return text
    return str(escape(clean(text)))


def table_rows(rows: Iterable[Row], root: str, filtered: bool = False) -> Markup:
    """Return the rows of a table; `filtered` ones carry the text by which the page filters them."""
    return _markup(
        f"<tr{_attribute('data-search', row.search) if filtered else ''}>\n{_head(row.name, root)}\n"
        f"{''.join(map(_cell, row.cells))}</tr>\n"
        for row in rows
    )


def score_rows(rows: Sequence[Row], root: str) -> Markup:
    """Return the rows of all scores of a model: a metric each, of plain cells."""
    heads = {id(row.name): row.name for row in rows}  # rows of one task share their names
    written = {key: _score_head(name, root) for key, name in heads.items()}
    return _markup(f"<tr>{written[id(row.name)]}{''.join(map(_plain, row.cells))}</tr>\n" for row in rows)


def svg_marks(marks: Iterable[Drawn]) -> Markup:
    """Return the marks of a drawing as elements of SVG."""
    return _markup(map(_drawn, marks))


def _markup(parts: Iterable[str]) -> Markup:
    return Markup("".join(parts))  # noqa: S704 (every text in the parts is escaped)


def _score_head(name: Name, root: str) -> str:
    linked = f'<a href="{safe(root)}{safe(name.href)}">{safe(name.title)}</a>'
    return f'<th scope="row"{_again(name)}>{linked}{_marks(name.marks)}</th>'


def _head(name: Name, root: str) -> str:
    title = safe(name.title)
    linked = f'<a href="{safe(root)}{safe(name.href)}">{title}</a>' if name.href else title
    return f'<th scope="row"{_again(name)}>{linked}{_below(name.below)}{_marks(name.marks).strip()}</th>'


def _again(name: Name) -> str:
    return ' class="again"' if name.again else ""


def _cell(one: Cell) -> str:
    stale = " stale" if one.stale else ""
    kind = f' class="n{stale}"' if one.numeric else ' class="long"' if one.long else ""
    text = (
        f"<strong>{safe(one.text)}</strong>" if one.best else _linked(one.url, one.text) if one.url else safe(one.text)
    )
    end = "" if one.numeric and not (one.marks or one.url) else "\n"
    sort = f' data-s="{safe(one.sort)}"' if one.sort else ""
    return f"<td{kind}{sort}>{text}{_below(one.below)}{_marks(one.marks).strip()}</td>{end}"


def _plain(one: Cell) -> str:
    text = f"<strong>{safe(one.text)}</strong>" if one.best else safe(one.text)
    sort = f' data-s="{safe(one.sort)}"' if one.sort else ""
    kind = ' class="n"' if one.numeric else ""
    return f"<td{kind}{sort}>{text}</td>"


def _below(text: str) -> str:
    return f"<small>{safe(text)}</small>" if text else ""


def _linked(address: str, text: str) -> str:
    """Return text as a link if the address is a plain http or https one."""
    url = safe_url(address)
    shown = safe(text)
    return f'<a href="{safe(url)}" rel="noopener noreferrer nofollow">{shown}</a>' if url else shown.strip()


def _marks(marks: Iterable[Mark]) -> str:
    return "".join(
        f' <span class="mark mark-{safe(one.word.replace(" ", "-"))}" title="{safe(one.reason)}">'
        f"{safe(one.word)}</span>"
        for one in marks
    )


def _drawn(one: Drawn) -> str:
    style = safe(one.style)
    if one.shape == "text":
        x, y = one.at
        anchor = _attribute("text-anchor", one.anchor) if one.anchor != "start" else ""
        return f'<text x="{x}" y="{y}" class="{style}"{anchor}>{safe(one.data)}</text>\n'
    hollow = " hollow" if one.shape in ("ring", "cross") else ""
    title = f"<title>{safe(one.title)}</title>" if one.title else ""
    return f'<path d="{safe(one.path)}" class="{style}{hollow}">{title}</path>\n'


def _attribute(name: str, value: str) -> str:
    return f' {name}="{safe(value)}"'
