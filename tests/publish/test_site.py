from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from tests.publish.sample import ONE, TWO, Html, build, card, catalog, pages, result, rows, small, task, write

from mbench.core.files import write_json
from mbench.core.results import GroupResult, Value, result_folder

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}\u202egnp'


def without_scripts(page: Path) -> list[list[str]]:
    """The first group's table, for readers without scripts; the table before it is filled by one."""
    return rows(page, 1)


def own_scripts(html: Html) -> bool:
    """Whether all scripts are files of the site, but for one that is data."""
    inline = [a for a in html.all("script") if "src" not in a]
    return all(a == {"type": "application/json", "id": "board-data"} for a in inline) and len(inline) <= 1


@pytest.fixture
def built(tmp_path: Path) -> Path:
    build(tmp_path / "site", catalog(ONE, TWO), [small(tmp_path / "results")])
    return tmp_path / "site"


def test_the_first_page_shows_scores_intervals_means_and_facts(built: Path) -> None:
    table = without_scripts(built / "index.html")
    assert table[0] == [
        "Model",
        "Mean 2 tasks",
        "One recall@1 n 100",
        "Two recall@1 n 100",
        "Parameters",
        "Dimension",
        "Modalities",
        "Instructions",
        "Licence",
    ]
    assert table[1] == [
        "alpha",
        table[1][1],
        "25.0 23.0–28.0",
        "50.0 48.0–53.0",
        "2.84 M",
        "128",
        "text, image",
        "yes",
        "MIT",
    ]
    assert table[1][1].startswith("37.5 ")
    assert [row[0] for row in table[1:]] == ["alpha", "beta", "org/gamma 01234567…"]


def test_an_outdated_score_is_marked_and_neither_best_nor_in_a_mean(built: Path) -> None:
    beta = without_scripts(built / "index.html")[2]
    assert beta[3] == "90.0 88.0–93.0 outdated" and beta[1] == "– 1 of 2 tasks"
    html = (built / "index.html").read_text()
    assert "<strong>75.0</strong>" in html and "<strong>90.0</strong>" not in html
    assert "outdated" in Html(built / "tasks" / "two.html").text
    assert "outdated" not in Html(built / "tasks" / "one.html").text


def test_a_missing_score_is_a_dash_and_no_zero_and_a_missing_mean_tells_how_far_it_is(built: Path) -> None:
    gamma = without_scripts(built / "index.html")[3]
    assert gamma[1] == "– 1 of 2 tasks" and gamma[3] == "–"


def test_a_task_page_tells_protocol_traps_and_how_each_number_came_about(built: Path) -> None:
    page = Html(built / "tasks" / "one.html")
    for words in (
        "What one asks.",
        "p1, version 1",
        "Somebody, 2025.",
        "MIT",
        "100 queries, 50 candidates",
        "recall@1 by kind",
    ):
        assert words in page.text
    assert "<code>kind</code>" in (built / "tasks" / "one.html").read_text()
    origin = rows(built / "tasks" / "one.html", 3)
    assert origin[0][:8] == ["Model", "Date", "Seconds", "Device", "Dtype", "Batch size", "Seed", "Versions"]
    assert "Limit" not in origin[0]
    assert origin[1][1:8] == [
        "2025-03-01 10:00 UTC",
        "2.5 queries 2, search 0.5",
        "cpu",
        "float32",
        "64",
        "7",
        "torch 2.13.0",
    ]


def test_a_model_page_has_its_card_and_all_scores(built: Path) -> None:
    (page,) = (built / "models").glob("org__gamma-*.html")
    html = Html(page)
    assert "0123456789abcdef0123456789" in html.text
    assert {"href": "https://example.org/p", "rel": "noopener noreferrer nofollow"} in html.all("a")
    assert [row[1] for row in rows(page, 1)[1:]] == ["recall@1", "recall@5", "recall@10"]


def test_every_internal_link_leads_somewhere(built: Path) -> None:
    for page in pages(built):
        links = [a.get("href") or a.get("src") for tag in ("a", "link", "script") for a in Html(page).all(tag)]
        for link in filter(None, links):
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            assert target.is_file(), f"{page.name}: {link}"
            if parts.fragment and "=" not in parts.fragment:  # the state of a page is no place in it
                assert parts.fragment in {a.get("id") for _, a in Html(target).elements}, f"{page.name}: {link}"


def test_ids_are_unique_and_labels_name_elements_that_are_there(built: Path) -> None:
    for page in pages(built):
        elements = [attributes for _, attributes in Html(page).elements]
        ids = [a["id"] for a in elements if "id" in a]
        assert len(ids) == len(set(ids)), page
        for attributes in elements:
            for key in ("aria-labelledby", "for"):
                assert set(attributes.get(key, ids[0]).split()) <= set(ids), (page, attributes)


def test_nothing_is_loaded_from_elsewhere(built: Path) -> None:
    for page in pages(built):
        html = Html(page)
        loading = [a.get(key, "") for _, a in html.elements for key in ("src", "srcset", "data", "poster", "action")]
        loading += [a["href"] for a in html.all("link")]
        assert all(urlsplit(one).scheme in ("", "data") and not one.startswith("//") for one in loading)
        assert not html.all("style") and own_scripts(html)
        assert "default-src 'none'" in next(a["content"] for a in html.all("meta") if "http-equiv" in a)
    for asset in (built / "assets").iterdir():
        assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttp", asset.read_text())


def test_columns_of_other_pages_sort_by_buttons_and_full_numbers(built: Path) -> None:
    html = Html(built / "tasks" / "one.html")
    heads = [a for a in html.all("th") if a.get("scope") == "col"]
    assert heads and all(a["aria-sort"] in ("none", "descending") for a in heads)
    assert {"data-s": "0.25", "class": "n"} in html.all("td")


def test_hostile_words_are_text_and_hostile_links_are_no_links(tmp_path: Path) -> None:
    words = dict.fromkeys(("title", "description", "license", "checkpoint", "base_model", "notes"), HOSTILE)
    model = card(
        "<script>alert(2)</script>",
        revision="javascript:alert(3)",
        paper="javascript:alert(4)",
        training_datasets=[HOSTILE],
        **words,
    )
    score = Value(value=0.5, n=10)
    run = {
        "date": HOSTILE,
        HOSTILE: HOSTILE,
        "versions": {HOSTILE: [HOSTILE]},
        "seconds": {HOSTILE: 10**400},
        "x_bytes": 10**400,
    }
    slices = {HOSTILE: {HOSTILE: {"recall@1": score}}}
    hostile = result(
        ONE,
        model,
        0.5,
        run=run,
        slices=slices,
        diagnostics={HOSTILE: HOSTILE},
        metrics={HOSTILE: score, "recall@1": score},
    )
    write(tmp_path / "r", hostile, result(TWO, card("x", paper=f"https://example.org/{HOSTILE}"), 0.1))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    for page in pages(tmp_path / "site"):
        html = Html(page)
        loaded = [one["src"] for one in html.all("script") if "src" in one]
        assert own_scripts(html) and all(one.removeprefix("../").startswith("assets/") for one in loaded)
        assert not html.all("img")
        assert not [a for _, a in html.elements if any(key.startswith("on") for key in a)]
        assert all(urlsplit(a["href"]).scheme in ("", "https") for a in html.all("a"))
        assert "\u202e" not in html.text and "49" not in re.findall(r"onerror=alert\(1\)>(\S+)", html.text)
        assert "example.org" not in "".join(a["href"] for a in html.all("a"))


def test_scores_of_another_protocol_get_a_column_of_their_own(tmp_path: Path) -> None:
    other = result(ONE, card("a"), 0.5)
    other = other.model_copy(update={"task": other.task.model_copy(update={"protocol": "p2"})})
    write(tmp_path / "r", other)
    write(tmp_path / "q", result(ONE, card("a"), 0.25), result(TWO, card("a"), 0.25))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r", tmp_path / "q"])
    text = Html(tmp_path / "site" / "index.html").text
    assert without_scripts(tmp_path / "site" / "index.html")[1][1:4] == [
        "25.0 23.6–27.1",
        "25.0 23.0–28.0",
        "25.0 23.0–28.0",
    ]
    assert "Other tasks" in text and "one (p2)" in text


def test_a_task_that_the_catalogue_does_not_know_is_shown_apart(tmp_path: Path) -> None:
    write(tmp_path / "r", result(task("three"), card("a"), 0.5))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    assert "three (p1)" in Html(tmp_path / "site" / "index.html").text
    assert "Small suite" in Html(tmp_path / "site" / "index.html").text


def test_a_mean_is_what_the_page_shows_and_not_what_a_group_file_claims(tmp_path: Path) -> None:
    one = result(ONE, card("a"), 0.2)
    claim = GroupResult(group="emoji", model=one.model, metrics={"mean": Value(value=0.99, n=2)}, tasks={})
    write(tmp_path / "r", one, result(TWO, card("a"), 0.4))
    write_json(result_folder(tmp_path / "r", one.model) / "emoji.json", claim.model_dump(mode="json"))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    assert without_scripts(tmp_path / "site" / "index.html")[1][1].startswith("30.0 ")
    assert "99.0" not in Html(tmp_path / "site" / "index.html").text


def test_training_on_a_tasks_data_and_mixed_weights_are_marked(tmp_path: Path) -> None:
    seen = task("one", datasets=["COCO"])
    model = card("a", training_datasets=["coco"])
    other = result(TWO, model, 0.4)
    write(
        tmp_path / "r",
        result(seen, model, 0.2),
        other.model_copy(update={"model": other.model.model_copy(update={"fingerprint": "1" * 16})}),
    )
    build(tmp_path / "site", catalog(seen, TWO), [tmp_path / "r"])
    row = without_scripts(tmp_path / "site" / "index.html")[1]
    assert row[0] == "a mixed" and row[2].endswith("trained") and not row[3].endswith("trained")


def test_published_numbers_stand_apart_from_measured_ones(tmp_path: Path) -> None:
    published = {"model": "CLIP", "metric": "recall@1", "value": 0.123, "source": "https://example.org/paper"}
    known = task("one", reference_scores=[published])
    write(tmp_path / "r", result(known, card("a"), 0.5))
    build(tmp_path / "site", catalog(known, TWO), [tmp_path / "r"])
    page = tmp_path / "site" / "tasks" / "one.html"
    assert "not measured here" in Html(page).text and rows(page, 4)[1] == [
        "CLIP",
        "recall@1",
        "12.3",
        "https://example.org/paper",
    ]
    assert "12.3" not in Html(tmp_path / "site" / "index.html").text
