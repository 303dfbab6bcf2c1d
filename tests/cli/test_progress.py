"""Progress in words: what a line says, how often, and that quiet is quiet."""

from __future__ import annotations

import pytest

from mbench.cli.progress import ConsoleReporter, Lines, speed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("mbench.cli.progress.time.monotonic", lambda: now[0])
    return now


def test_a_line_is_due_every_ten_seconds_and_says_speed_and_what_remains(clock: list[float]) -> None:
    lines = Lines()
    lines.start("clip on coco-i2t: queries in batches of 64, 1,000 from the cache", 10_000)
    told = []
    for _ in range(30):
        clock[0] += 1.0
        told.append(lines.advance(64))
    assert [n for n, line in enumerate(told, 1) if line] == [10, 20, 30]
    assert told[9] == (
        "clip on coco-i2t: queries in batches of 64, 1,000 from the cache: 640 of 10,000, 64/s, 0:02:26 left"
    )


def test_each_phase_counts_anew(clock: list[float]) -> None:
    lines = Lines()
    lines.start("a", 100)
    clock[0] += 60
    lines.start("b", 100)
    clock[0] += 9
    assert lines.advance(1) is None
    clock[0] += 1
    assert lines.advance(1) == "b: 2 of 100, 0.2/s, 0:08:10 left"


@pytest.mark.parametrize("quiet", [False, True])
def test_a_log_gets_whole_lines_and_quiet_gets_none(
    capfd: pytest.CaptureFixture[str], clock: list[float], quiet: bool
) -> None:
    with ConsoleReporter(quiet) as reporter:
        reporter.begin("tiny", "emoji-ctrl")
        reporter.start("candidates in batches of 64", 128)
        clock[0] += 20
        reporter.advance(64)
    told = capfd.readouterr().err
    assert told == (
        "" if quiet else "tiny on emoji-ctrl: candidates in batches of 64: 64 of 128, 3.2/s, 0:00:20 left\n"
    )
    assert "\r" not in told


def test_a_search_that_has_no_items_says_nothing(clock: list[float]) -> None:
    lines = Lines()
    lines.start("search", 0)
    clock[0] += 60
    assert lines.advance(5) is None


def test_slow_models_have_decimals() -> None:
    assert (speed(1234.5), speed(12.3), speed(0.25)) == ("1,234/s", "12/s", "0.25/s")
