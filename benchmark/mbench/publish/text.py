"""Numbers and other people's words, made fit for a page: percent, intervals, safe text, safe links.

Whatever comes from a result or a card is untrusted. Escaping is jinja2's; here goes what escaping leaves: characters
that reorder or hide text, and addresses that are more than an address.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from markupsafe import Markup, escape
from pydantic import JsonValue

from mbench.core.files import canonical_json

NONE = "–"
KEPT_FORMATS = frozenset("\u200c\u200d")
"""The two joiners: emoji and some scripts need them. All other invisible formatting goes."""
LONGEST = 4000
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def clean(text: str) -> str:
    """Return `text` without control, bidirectional, invisible and surrogate characters, cut at 4,000 characters."""
    if text.isprintable() and len(text) <= LONGEST:
        return text
    shown = "".join(c for c in text[:LONGEST] if c in "\n\t" or c in KEPT_FORMATS or not _invisible(c))
    return shown + ("…" if len(text) > LONGEST else "")


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in INVISIBLE


def safe_url(text: str | None) -> str | None:
    """Return an http or https address that names a host in plain letters and no user, or None for anything else."""
    if text is None or text != clean(text) or re.search(r"[\s\\]", text):
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""  # of plain letters, as the others look like them
        plain = parts.scheme in ("http", "https") and host and host.isascii() and parts.username is None
    except ValueError:
        return None
    return text if plain else None


def cited_url(text: str) -> str | None:
    """Return the address of a source as published numbers name it, or None.

    That is an address, an arXiv number ("arXiv 2303.15247, table 2"), or a file or branch of a GitHub repository at the
    end ("README of owner/name").
    """
    if paper := re.search(r"\barXiv (\d{4}\.\d{4,5})\b", text):
        return f"https://arxiv.org/abs/{paper[1]}"
    if code := re.search(r"(?:README|\S+\.\w+|\bbranch \S+) (?:in|of) ([A-Za-z0-9-]+/[A-Za-z0-9_.-]+)$", text):
        return f"https://github.com/{code[1]}"
    return safe_url(text)


def prose(text: str) -> Markup:
    """Return text as HTML in which `words between backticks` are code; everything else is escaped."""
    pieces = clean(text).split("`")
    if len(pieces) % 2 == 0:
        return escape(clean(text))
    marked = (Markup("<code>{}</code>").format(piece) if i % 2 else escape(piece) for i, piece in enumerate(pieces))
    return Markup("").join(marked)


def without_common_start(titles: Sequence[str]) -> list[str]:
    """Return titles without the words that all begin with ("Emoji control" among others of its kind: "Control")."""
    words = [title.split() for title in titles]
    if len(words) < 2:
        return list(titles)
    shared = 0
    while all(len(one) > shared + 1 and one[shared] == words[0][shared] for one in words):
        shared += 1
    return [" ".join(one[shared:])[:1].upper() + " ".join(one[shared:])[1:] for one in words]


def percent(value: float) -> str:
    """Return a fraction as percent with one decimal: 0.2134 -> 21.3."""
    return f"{100 * value + 0.0:.1f}"  # -0.0 + 0.0 is 0.0


def interval(low: float | None, high: float | None) -> str:
    """Return a 95% interval in percent, or nothing where it is not known."""
    return "" if low is None or high is None else f"{percent(low)}–{percent(high)}"


def whole(value: int) -> str:
    """Return a whole number with commas: 1534 -> 1,534."""
    return f"{value:,}"


def magnitude(value: int) -> str:
    """Return a count in three significant digits: 2840000 -> 2.84 M. Counts that nothing has are cut off."""
    if value >= 10**15:
        return "> 999 T"
    for size, unit in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {unit}"
    return str(value)


def moment(text: str) -> datetime:
    """Return an ISO date in UTC (also where it names no zone); the oldest of all when it is no date."""
    try:
        when = datetime.fromisoformat(text)
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def day(text: str) -> str:
    """Return the day of an ISO date as 2025-11-21, or nothing when the text is no date."""
    when = moment(text)
    return "" if when.year == datetime.min.year else when.date().isoformat()


def minute(text: str) -> str:
    """Return an ISO date to the minute in UTC, or nothing when the text is no date."""
    return f"{moment(text):%Y-%m-%d %H:%M} UTC" if day(text) else ""


def plain(value: JsonValue) -> str:
    """Return a JSON value in words: floats shortened, one level of keys spelled out, deeper ones as JSON."""
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_leaf(item)}" for key, item in sorted(value.items())) or NONE
    if isinstance(value, list):
        return ", ".join(_leaf(item) for item in value) or NONE
    return _leaf(value)


def _leaf(value: JsonValue) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return value if isinstance(value, str) else canonical_json(value)
