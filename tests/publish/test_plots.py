from __future__ import annotations

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.publish.sample import Html, build, card, catalog, result, task, write

from mbench.core.extras import Point
from mbench.core.results import Value
from mbench.publish.plots import Scale, log_ticks, number, percent_domain, percent_ticks
from mbench.publish.plots_bars import Field, Series, profile, slice_bars
from mbench.publish.plots_curves import Curve, curves_figure
from mbench.publish.plots_heat import HeatHead, HeatRow, heat_map
from mbench.publish.plots_labels import Anchor, Box, place_labels
from mbench.publish.plots_page import PARAMETERS
from mbench.publish.plots_scatter import Sample, scatter
from mbench.publish.plots_spread import FirstScores, QueryValues, first_scores_figure, query_values_figure
from mbench.publish.text import magnitude

FRAME = Box(0, 0, 700, 400)


def value(of: float) -> Value:
    return Value(value=of, n=100, low=max(0.0, of - 0.05), high=min(1.0, of + 0.05))


def samples(**costs: tuple[int | None, float | None]) -> list[Sample]:
    return [
        Sample(name, f"models/{name}.html", cost, None if of is None else value(of))
        for name, (cost, of) in costs.items()
    ]


@given(st.lists(st.tuples(st.floats(0, 700), st.floats(0, 400), st.text("abc", min_size=1, max_size=20)), max_size=30))
def test_labels_cover_neither_each_other_nor_the_frame_nor_points(points: list[tuple[float, float, str]]) -> None:
    anchors = [Anchor(*point) for point in points]
    labels = place_labels(anchors, FRAME)
    boxes = [Box(one.x, one.y - 9, one.x + 6 * len(one.text), one.y + 2) for one in labels]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(box.inside(FRAME) for box in boxes)
    assert not any(box.overlaps(Box(p.x - 3, p.y - 3, p.x + 3, p.y + 3)) for box in boxes for p in anchors)


def test_a_label_keeps_off_the_pareto_line() -> None:
    (label,) = place_labels([Anchor(100, 100, "name")], FRAME, [Box(100, 99, 600, 101)])
    assert not Box(label.x, label.y - 9, label.x + 24, label.y + 2).overlaps(Box(100, 99, 600, 101))


def test_the_pareto_front_has_no_model_that_another_beats_at_no_higher_cost() -> None:
    figure = scatter(
        "f", "T", "Mean", PARAMETERS, samples(small=(10, 0.2), large=(1000, 0.5), beaten=(1000, 0.4), twin=(10, 0.2))
    )
    assert figure is not None
    front = {mark.title.split(":")[0] for mark in figure.drawings[0].marks if mark.style == "p-front"}
    assert front == {"small", "large", "twin"}
    assert "beaten" not in figure.about


def test_models_of_unknown_size_or_without_a_mean_are_named_and_not_drawn() -> None:
    figure = scatter(
        "f",
        "T",
        "Mean",
        PARAMETERS,
        samples(a=(10, 0.2), b=(20, 0.3), quiet=(None, 0.9), partly=(30, None), free=(0, 0.1)),
    )
    assert figure is not None
    drawn = {mark.title.split(":")[0] for mark in figure.drawings[0].marks if mark.title}
    assert drawn == {"a", "b"}
    assert figure.notes == (
        "Not drawn, since they have no parameters (baselines): free.",
        "Not drawn, since their cards do not state the parameters: quiet.",
        "Not drawn, since they lack a current result on some of the tasks: partly.",
    ), "no parameters are something else than none that are told"
    costs = {row.name.title: row.cells[0].text for row in figure.table.rows}
    assert (costs["free"], costs["quiet"]) == ("0", "–")
    assert {row.name.title for row in figure.table.rows} == {"a", "b", "quiet", "partly", "free"}


def test_one_known_model_makes_no_scatter_plot() -> None:
    assert scatter("f", "T", "Mean", PARAMETERS, samples(a=(10, 0.2), b=(None, 0.3))) is None


@given(st.floats(1, 1e12), st.floats(1.01, 1e6))
def test_a_logarithmic_axis_never_crowds_and_stays_in_its_range(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio, magnitude, 9)
    assert len(ticks) <= 13 and all(low <= tick.value <= low * ratio for tick in ticks)
    assert all(a.value < b.value for a, b in pairwise(ticks))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_every_fraction_lies_on_its_axis(values: list[float]) -> None:
    low, high = percent_domain(values)
    assert 0 <= low < high <= 1.05 and all(low <= one <= high for one in values)
    assert 2 <= len(percent_ticks(low, high)) <= 12


def test_scales_map_their_ends_and_coordinates_have_no_minus_zero() -> None:
    assert Scale(1, 100, 0, 50, log=True)(10) == pytest.approx(25)
    assert [number(one) for one in (-0.01, 3.0, 2.25, -1.55)] == ["0", "3", "2.2", "-1.6"]


def test_a_heat_map_colours_each_column_from_its_lowest_to_its_highest() -> None:
    heads = [HeatHead("easy", "e.html"), HeatHead("hard", "h.html")]
    rows = [
        HeatRow("a", "a.html", (value(0.9), value(0.02)), (False, False)),
        HeatRow("b", "b.html", (value(0.5), value(0.01)), (False, False)),
        HeatRow("old", "o.html", (value(1.0), None), (True, False)),
    ]
    found = heat_map("h", "T", heads, rows)
    assert found is not None
    cells = {line.name: [cell.style for cell in line.cells] for line in found.lines}
    assert cells == {"a": ["h8", "h8"], "b": ["h0", "h0"], "old": ["stale", ""]}
    assert [line.name for line in found.lines] == ["a", "b", "old"]


def test_equal_scores_of_a_column_are_neither_best_nor_worst() -> None:
    rows = [HeatRow(name, "", (value(0.5), value(0.5)), (False, False)) for name in "ab"]
    found = heat_map("h", "T", [HeatHead("x", ""), HeatHead("y", "")], rows)
    assert found is not None and {cell.style for line in found.lines for cell in line.cells} == {"h4"}


def test_slices_draw_only_known_scores_with_a_shape_for_each_model() -> None:
    series = [Series("a", "a.html", (value(0.2), None)), Series("b", "b.html", (value(0.4), value(0.6)))]
    figure = slice_bars("s", "T", "map@10", ["one", "two"], series)
    assert figure is not None
    titled = [mark for mark in figure.drawings[0].marks if mark.title]
    assert [mark.title for mark in titled] == ["a, one: 20.0", "b, one: 40.0", "b, two: 60.0"]
    assert {key.shape for key in figure.legend} == {"circle", "square"}
    assert figure.table.rows[1].cells[0].text == "–"


def test_many_kinds_show_fewer_models_and_all_of_them_in_the_table() -> None:
    series = [Series(f"m{place}", "", tuple(value(0.1) for _ in range(20))) for place in range(6)]
    figure = slice_bars("s", "T", "hit@1", [f"t{place}" for place in range(20)], series)
    assert figure is not None and len(figure.legend) == 2 and len(figure.table.heads) == 6
    assert "the 2 best of 6 models" in figure.about


def test_a_model_stands_in_the_range_of_all() -> None:
    assert profile("p", "T", "a", []) is None
    figure = profile("p", "T", "a", [Field("task", "", value(0.5), 0.1, 0.3, 0.8)])
    assert figure is not None
    assert [cell.text for cell in figure.table.rows[0].cells] == ["50.0", "10.0", "30.0", "80.0"]


def test_a_profile_of_many_tasks_says_how_many_it_leaves_out() -> None:
    figure = profile("p", "T", "a", [Field(f"t{n}", "", value(0.5), 0.1, 0.3, 0.8) for n in range(40)])
    assert figure is not None and len(figure.table.rows) == 36 and figure.notes[0].startswith("4 further tasks")


def test_first_scores_of_unknown_truth_are_not_drawn_as_wrong() -> None:
    known = FirstScores("a", "", np.array([0.1, 0.9]), np.array([0.0, 1.0]))
    unknown = FirstScores("b", "", np.array([0.2, 0.4]), None)
    both = first_scores_figure("f", "T", [known, unknown])
    alone = first_scores_figure("f", "T", [known])
    assert both is not None and alone is not None
    assert {mark.style for mark in both.drawings[0].marks} & {"p-right", "p-wrong"} == set()
    assert [cell.text for cell in alone.table.rows[0].cells] == ["1", "1", "0.9", "0.1"]


def test_hit_rates_get_no_figure_of_query_values_and_graded_metrics_do() -> None:
    assert query_values_figure("q", "T", "hit@1", [QueryValues("a", "", np.array([0.0, 1.0, 1.0]))]) is None
    figure = query_values_figure("q", "T", "map@5", [QueryValues("a", "", np.array([0.0, 0.2, 0.5, 0.9, 1.0]))])
    assert figure is not None
    assert [cell.text for cell in figure.table.rows[0].cells] == ["20.0"] * 5


def test_curves_join_the_points_of_one_precision() -> None:
    points = tuple(
        Point(dims=dims, precision=precision, bytes_per_candidate=size, metrics={"hit@1": value(of)}, tied_at_cut=0.0)
        for dims, precision, size, of in (
            (64, "float32", 256, 0.3),
            (128, "float32", 512, 0.4),
            (128, "binary", 16, 0.2),
        )
    )
    figure = curves_figure("c", "T", "hit@1", [Curve("a", "", points)])
    assert figure is not None
    assert [mark.style for mark in figure.drawings[0].marks if mark.shape == "path"] == ["p-curve p-float32 m0"]
    assert curves_figure("c", "T", "hit@1", [Curve("a", "", points[:1])]) is None


def test_figures_have_words_for_those_who_do_not_see_them(tmp_path: Path) -> None:
    one, two = task("one"), task("two")
    for name, of, parameters in (("a", 0.2, 10), ("b", 0.4, 1000)):
        model = card(name, parameters=parameters)
        write(tmp_path / "r", result(one, model, of), result(two, model, of))
    build(tmp_path / "site", catalog(one, two), [tmp_path / "r"])
    page = Html(tmp_path / "site" / "figures.html")
    drawings = [each for each in page.all("svg") if each.get("role") == "img"]
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert len(drawings) == 4 and len(page.all("table")) == 3
    assert all(name in ids for each in drawings for name in each["aria-labelledby"].split())
    assert "Mean of 2 models against parameters" in page.text and "The numbers of this figure" in page.text


def test_the_page_of_figures_tells_what_it_lacks_where_there_is_nothing_to_draw(tmp_path: Path) -> None:
    one, two = task("one"), task("two")
    write(tmp_path / "r", result(one, card("a"), 0.2), result(one, card("b"), 0.4))
    build(tmp_path / "site", catalog(one, two), [tmp_path / "r"])
    text = Html(tmp_path / "site" / "figures.html").text
    assert "Nothing to draw yet" in text and "two models with results, on two tasks of one group" in text
