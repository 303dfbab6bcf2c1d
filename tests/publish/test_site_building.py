from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.publish.sample import ONE, TWO, Html, build, card, catalog, result, small

from mbench.core.errors import OutputError
from mbench.core.files import write_json
from mbench.publish import site as site_module
from mbench.publish.filenames import page_names
from mbench.publish.site import MARKER


@pytest.fixture
def built(tmp_path: Path) -> Path:
    build(tmp_path / "site", catalog(ONE, TWO), [small(tmp_path / "results")])
    return tmp_path / "site"


def test_two_builds_have_the_same_bytes_wherever_the_results_lie(tmp_path: Path) -> None:
    build(tmp_path / "s1", catalog(ONE, TWO), [small(tmp_path / "a" / "results")])
    build(tmp_path / "s2", catalog(ONE, TWO), [small(tmp_path / "b" / "results")])
    first, second = (
        {p.relative_to(site).as_posix(): p.read_bytes() for p in site.rglob("*") if p.is_file()}
        for site in (tmp_path / "s1", tmp_path / "s2")
    )
    assert first == second and len(first) > 9


@pytest.mark.parametrize("of", ["../../../etc/passwd", "a/b", "..", "CON", "x" * 190])
def test_no_name_leads_out_of_the_site_or_breaks_it(tmp_path: Path, of: str) -> None:
    one = result(ONE, card(of), 0.5)
    write_json(tmp_path / "r" / "m" / "1" / "one.json", one.model_dump(mode="json"))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    assert len(list((tmp_path / "site" / "models").iterdir())) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"r", "site"}


def test_page_names_stay_apart_where_file_systems_ignore_case() -> None:
    names = page_names(["tiny", "Tiny", "a/b", "a__b", "a:b", "ä"])
    assert len({name.lower() for name in names.values()}) == 6
    assert names["a__b"] == "a__b"


def test_an_empty_input_gives_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    report = build(tmp_path / "site", catalog(ONE, TWO))
    page = Html(tmp_path / "site" / "index.html")
    assert "No results yet" in page.text and "mbench run -m tiny -t emoji" in page.text
    assert (report.results, report.pages) == (0, 6)
    assert "mbench run -m tiny -t one" in Html(tmp_path / "site" / "tasks" / "one.html").text


def test_a_broken_file_is_listed_among_good_ones(tmp_path: Path) -> None:
    path = small(tmp_path / "results") / "bad" / "1" / "one.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"schema_version": 1')
    report = build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "results"])
    text = Html(tmp_path / "site" / "index.html").text
    assert len(report.broken) == 1 and report.results == 5
    assert "results/bad/1/one.json not valid JSON" in text


def test_a_failing_build_leaves_the_old_site(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (built / "index.html").read_bytes()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    for name in ("_write", "_swap"):
        with monkeypatch.context() as patch:
            patch.setattr(site_module, name, fail)
            with pytest.raises(OutputError, match="No space left"):
                build(built, catalog(ONE, TWO))
    assert (built / "index.html").read_bytes() == before
    assert {p.name for p in tmp_path.iterdir()} == {"results", "site"}


def test_a_site_that_cannot_be_moved_in_place_puts_the_old_one_back(tmp_path: Path) -> None:
    place = tmp_path / "site"
    place.mkdir()
    (place / "index.html").write_text("old")
    with pytest.raises(FileNotFoundError):
        site_module._swap(tmp_path / "absent", place, tmp_path / "old")
    assert (place / "index.html").read_text() == "old"


def test_a_new_build_replaces_the_old_one_whole(built: Path) -> None:
    build(built, catalog(ONE, TWO))
    assert not (built / "models").exists() and (built / MARKER).is_file()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_somebody_elses_files_are_never_replaced(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "mine"
    if kind == "file":
        place.write_text("precious")
    else:
        place.mkdir()
        (place / "thesis.tex").write_text("precious")
    with pytest.raises(OutputError, match="choose"):
        build(place, catalog(ONE, TWO))
    assert (place if kind == "file" else place / "thesis.tex").read_text() == "precious"
