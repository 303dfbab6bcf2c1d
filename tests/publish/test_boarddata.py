from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.publish.sample import ONE, TWO, build, card, catalog, result, small, task, write


def told(site: Path) -> dict[str, Any]:
    html = (site / "index.html").read_text(encoding="utf-8")
    found = re.search(r'id="board-data">(.*?)</script>', html, re.S)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def column(data: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in data["columns"] if one["id"] == name)


def test_scores_stand_in_the_order_of_the_models_in_whole_parts(tmp_path: Path) -> None:
    build(tmp_path / "site", catalog(ONE, TWO), [small(tmp_path / "r")])
    data = told(tmp_path / "site")
    assert [model["id"] for model in data["models"]] == ["alpha", "beta", "org/gamma"]
    one = column(data, "one")
    assert (one["value"], one["low"], one["high"]) == (
        [25000, 75000, 50000],
        [23000, 73000, 48000],
        [28000, 78000, 53000],
    )
    assert (one["best"], one["worst"], one["by"], one["n"]) == ([3, 1, 2], [3, 1, 2], "intervals", 100)
    two = column(data, "two")
    assert two["value"] == [50000, 90000, None] and two["best"] == [1, None, None]
    assert [word for word, _ in two["marks"]["1"]] == ["outdated"]
    assert column(data, "emoji.mean")["value"] == [37500, None, None]


def test_other_protocols_have_other_columns(tmp_path: Path) -> None:
    other = result(ONE, card("a"), 0.5)
    other = other.model_copy(update={"task": other.task.model_copy(update={"protocol": "p2"})})
    write(tmp_path / "r", other)
    write(tmp_path / "q", result(ONE, card("a"), 0.25))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r", tmp_path / "q"])
    data = told(tmp_path / "site")
    assert column(data, "one")["value"] == [25000] and column(data, "one@p2")["value"] == [50000]
    assert {column(data, name)["protocol"] for name in ("one", "one@p2")} == {"p1", "p2"}


def test_a_limited_run_is_shown_only_where_there_is_no_whole_one(tmp_path: Path) -> None:
    write(tmp_path / "r", result(ONE, card("a"), 0.5), result(TWO, card("a"), 0.9, partial=True))
    late = {"date": "2026-01-01T00:00:00+00:00"}
    write(tmp_path / "q", result(ONE, card("a"), 0.9, partial=True, run=late))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r", tmp_path / "q"])
    data = told(tmp_path / "site")
    assert column(data, "one")["value"] == [50000] and column(data, "one")["marks"] == {}
    assert column(data, "emoji.mean")["value"] == [None], "a limited run is in no mean"
    assert not any(one["id"] == "two" for one in data["columns"]), "a column needs a whole run"


def test_what_a_model_was_trained_on_is_told_for_each_task(tmp_path: Path) -> None:
    seen = task("one", datasets=["COCO"])
    for name, sets in (("a", ["COCO"]), ("b", []), ("c", None)):
        write(tmp_path / "r", result(seen, card(name, training_datasets=sets), 0.5))
    build(tmp_path / "site", catalog(seen, TWO), [tmp_path / "r"])
    assert column(told(tmp_path / "site"), "one")["seen"] == "su?"


def test_published_numbers_of_the_primary_metric_alone_are_told(tmp_path: Path) -> None:
    scores = [
        {"model": "Paper", "metric": metric, "value": value, "source": "https://example.org"}
        for metric, value in (("recall@1", 0.5), ("recall@5", 0.9))
    ]
    known = task("one", reference_scores=scores)
    write(tmp_path / "r", result(known, card("a"), 0.4))
    build(tmp_path / "site", catalog(known, TWO), [tmp_path / "r"])
    one = column(told(tmp_path / "site"), "one")
    assert one["reported"] == [{"model": "Paper", "value": 50000, "source": "https://example.org"}]
    assert one["best"] == [1]


def test_no_word_can_end_the_data_or_break_a_line(tmp_path: Path) -> None:
    name = "</script><script>alert(1)</script>\u2028<!--"
    write(tmp_path / "r", result(ONE, card("a", title=name, license=name), 0.5))
    build(tmp_path / "site", catalog(ONE, TWO), [tmp_path / "r"])
    html = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    inside = html.partition('id="board-data">')[2].partition("</script>")[0]
    assert json.loads(inside) and not set("<>&\u2028") & set(inside)


def test_a_mean_that_is_not_there_tells_of_how_many_tasks_and_one_that_is_what_was_seen(tmp_path: Path) -> None:
    seen = task("one", datasets=["COCO"])
    trained, silent = card("a", training_datasets=["coco"]), card("b", training_datasets=None)
    write(tmp_path / "r", result(seen, trained, 0.5), result(TWO, trained, 0.5), result(seen, silent, 0.5))
    write(tmp_path / "r", result(seen, card("c", training_datasets=None), 0.1), result(TWO, card("c"), 0.1))
    build(tmp_path / "site", catalog(seen, TWO), [tmp_path / "r"])
    mean = column(told(tmp_path / "site"), "emoji.mean")
    assert mean["done"] == {"1": 1} and mean["metric"] == "2 tasks"
    assert mean["seen"] == "s ?"
