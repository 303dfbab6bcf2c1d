from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mbench.publish.text import (
    clean,
    day,
    magnitude,
    minute,
    moment,
    percent,
    plain,
    prose,
    safe_url,
    without_common_start,
)


@given(st.text())
def test_cleaned_text_can_be_written_and_reorders_nothing(text: str) -> None:
    shown = clean(text)
    shown.encode("utf-8")
    assert {unicodedata.bidirectional(c) for c in shown}.isdisjoint(
        {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    )
    assert clean(shown) == shown


def test_joined_emoji_survive_cleaning() -> None:
    assert clean("👩\u200d🚀 ok") == "👩\u200d🚀 ok"
    assert clean("a\u202eb\u2066c\u061cd\ufeffe\x00f") == "abcdef"


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,<script>1</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example/x",
        "https:evil.example",
        "https://",
        "https://good.example@evil.example/",
        "https://evil.example/\u202egnp",
        "https://a b",
        "https://\u0430rxiv.org/abs/1",
        "https://good.example\\@evil.example",
        "http://[::1",
        "",
        None,
    ],
)
def test_only_plain_web_addresses_become_links(text: str | None) -> None:
    assert safe_url(text) is None


@pytest.mark.parametrize("text", ["https://arxiv.org/abs/2103.00020", "http://example.org:8080/a?b=c&d=e#f"])
def test_web_addresses_stay_links(text: str) -> None:
    assert safe_url(text) == text


def test_code_spans_are_marked_and_all_else_is_escaped() -> None:
    assert prose("a < `<b>` & c") == "a &lt; <code>&lt;b&gt;</code> &amp; c"
    assert prose("an odd ` stays <") == "an odd ` stays &lt;"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (999, "999"), (999_600, "1 M"), (2_840_000, "2.84 M"), (7_000_000_000, "7 B"), (10**400, "> 999 T")],
)
def test_counts_are_short_and_never_overflow(value: int, shown: str) -> None:
    assert magnitude(value) == shown


@pytest.mark.parametrize(
    "text", ["", "yesterday", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "2025-13-01"]
)
def test_impossible_dates_are_the_oldest_instead_of_an_error(text: str) -> None:
    assert moment(text) == moment("")
    assert (day(text), minute(text)) == ("", "")


def test_dates_are_shown_in_utc() -> None:
    assert minute("2025-03-01T23:30:00-05:00") == "2025-03-02 04:30 UTC"


def test_run_values_are_put_in_words() -> None:
    assert plain({"batch_size": 64, "seconds": 12.345, "warm": True}) == "batch size 64, seconds 12.3, warm yes"
    assert plain(None) == plain({}) == plain([]) == "–"


def test_titles_lose_the_start_that_all_share_but_never_all_words() -> None:
    assert without_common_start(["Emoji control", "Emoji control by kind", "Emoji union"]) == [
        "Control",
        "Control by kind",
        "Union",
    ]
    assert without_common_start(["Emoji", "Emoji union"]) == ["Emoji", "Emoji union"]
    assert without_common_start(["Emoji union"]) == ["Emoji union"]
    assert without_common_start([]) == []


def test_nothing_is_less_than_zero_percent() -> None:
    assert percent(-0.0) == "0.0" and percent(0.25) == "25.0"
