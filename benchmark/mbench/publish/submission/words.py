"""Texts of strangers: what may stand in a card or a result, and which names look like others.

Pages escape everything anyway. What is refused here is what has no honest use in a card: characters that nobody sees,
markup, links that run something.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mbench.publish.submission import limits
from mbench.publish.text import safe_url

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by their category that show nothing."""
MARKS = 4
"""Combining marks on one letter: no writing system needs more."""
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HTML = re.compile(r"<\s*[/!?a-z]|&#|&[a-z][a-z0-9]{1,30};", re.IGNORECASE)
_TEMPLATE = re.compile(r"\{\{|\{%|\{#|\$\{")
_MARKDOWN = re.compile(r"\]\s*\(|\]\s*\[|\]:\s|!\[")
_RUNS = re.compile(
    r"(java|vb|live)script:|(blob|filesystem|view-source):(http|null|file|/)|file:/"
    r"|data:(,|;base64|(text|image|audio|video|application|font|model|multipart|message)/)"
)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*(/[A-Za-z0-9][A-Za-z0-9._:+-]*)?")
"""A model's id or revision: as on the Hub, with a colon for what a baseline wraps."""
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "index", "assets", "models", "tasks", "groups", "results", "submissions", "compare"}
    | {f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)}
)
"""Names that no folder can have on some systems, and those of the site's own folders."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a text is refused."""

    code: str
    message: str


def complaint(text: str, *, lines: bool = True) -> Complaint | None:
    """Return why `text` may not be shown, or None. `lines`: whether it may have several lines."""
    if len(text) > limits.TEXT:
        return Complaint("text-length", f"{len(text)} characters; at most {limits.TEXT} are shown")
    marks = 0
    for character in "" if text.isascii() and text.isprintable() else text:
        if character in _BLANK or (unicodedata.category(character) in _UNSEEN and not (lines and character in "\n\t")):
            return _unseen(character)
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > MARKS:
            return Complaint("text-control", f"more than {MARKS} marks on one letter, which cover the lines around it")
    return next(_marked(text), None)


def name_complaint(name: str) -> Complaint | None:
    """Return why `name` cannot be a model's id or revision, or None."""
    said = complaint(name, lines=False)
    if said is not None:
        return said
    if not 0 < len(name) <= limits.NAME:
        return Complaint("name-length", f"a name of {len(name)} characters; between 1 and {limits.NAME} are allowed")
    if ".." in name or name.startswith(("/", ".")) or "\\" in name:
        return Complaint("name-path", f"{name!r} is a path, not a name")
    if NAME.fullmatch(name) is None:
        return Complaint("name-characters", f"{name!r}: a name has letters A-Z, digits, and . _ : + - / within")
    if name.casefold().split(".")[0] in RESERVED:
        return Complaint("name-reserved", f"{name!r} is a reserved name")
    return None


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in a JSON value with its key path; keys are texts, too."""
    if isinstance(value, str):
        yield place or "(top)", value
    elif isinstance(value, dict):
        for key, one in value.items():
            below = f"{place}.{key}" if place else str(key)
            yield f"the key {below[:80]!r}", str(key)
            yield from texts(one, below)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from texts(one, f"{place}.{number}")


def _marked(text: str) -> Iterator[Complaint]:
    """Yield what in a text is more than words: markup in any spelling, links that run, addresses that hide."""
    folded = unicodedata.normalize("NFKC", text)
    if _HTML.search(text) or _HTML.search(folded):
        yield Complaint("text-html", "HTML or a character reference; write plain text")
    if _RUNS.search("".join(folded.split()).casefold()):
        yield Complaint("text-script-link", "a link that runs or holds something (javascript:, data:, file:)")
    if _MARKDOWN.search(text):
        yield Complaint("text-markdown", "a Markdown link or picture; write the address alone")
    if _TEMPLATE.search(text):
        yield Complaint("text-template", "the marks of a template; write plain text")
    for address in _ADDRESS.findall(text):
        if safe_url(address.rstrip(".,;:)")) is None:
            yield Complaint("text-url", f"{address[:60]!r} is no plain http or https address")


def _unseen(character: str) -> Complaint:
    shown = f"U+{ord(character):04X}"
    if character in _BIDI:
        return Complaint("text-bidi", f"{shown} changes the direction of the text")
    if unicodedata.category(character) == "Cf" or character in _BLANK:
        return Complaint("text-invisible", f"{shown} cannot be seen")
    return Complaint("text-control", f"{shown} is no printable character")
