"""The submissions of this repository: every number in them comes out again. `make submissions` makes them anew."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mbench.data.catalog import Catalog
from mbench.models.catalog import MODELS
from mbench.publish.submission import Judge, Report

SUBMISSIONS = Path(__file__).parents[2] / "submissions"
MODEL_NAMES = {"tiny", "tiny-dual", "random", "constant", "text-only:tiny", "image-only:tiny"}
LARGEST = 6_000_000
AFTER_ALL = datetime(2100, 1, 1, tzinfo=UTC)
"""The clock of the machine that runs the tests may be behind that of the one that made the results."""


@pytest.fixture(scope="module")
def reports() -> list[Report]:
    return Judge(Catalog.read(), known=list(MODELS), now=AFTER_ALL).check_all(SUBMISSIONS)


def test_every_number_comes_out_again(reports: list[Report]) -> None:
    assert [one for report in reports for one in report.problems] == []
    assert {one.status for report in reports for one in report.tasks} == {"recomputed"}


def test_the_embedded_models_and_the_baselines_are_there_on_the_whole_suite(reports: list[Report]) -> None:
    suite = {task.id for task in Catalog.read().tasks(["emoji"])}
    found = {report.card.id: {one.task for one in report.tasks} for report in reports if report.card is not None}
    assert {name: found.get(name) for name in MODEL_NAMES} == dict.fromkeys(MODEL_NAMES, suite)


def test_they_are_small_enough_for_a_repository() -> None:
    assert sum(path.stat().st_size for path in SUBMISSIONS.rglob("*") if path.is_file()) < LARGEST
