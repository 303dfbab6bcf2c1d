"""`mbench ledger` over constructed results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.publish.sample import card, result

from mbench.core.files import write_json
from mbench.core.results import result_folder
from mbench.data.catalog import Catalog

CLIP = card("clip", revision="1", checkpoint="openai/clip-vit-large-patch14")
PUBLISHED = 0.6108
"""CLIP ViT-L/14 on coco-t2i, hit@5."""


def measured(folder: Path, value: float) -> None:
    of = Catalog.read().all_tasks["coco-t2i"]
    made = result(of, CLIP, value, slices={})
    write_json(result_folder(folder, made.model) / "coco-t2i.json", made.model_dump(mode="json"))


@pytest.mark.parametrize(("value", "code"), [(PUBLISHED, 0), (PUBLISHED + 0.1, 1)])
def test_a_number_far_off_passes_with_strict(mbench: Command, tmp_path: Path, value: float, code: int) -> None:
    measured(tmp_path / "results", value)
    done = mbench("ledger", "--strict", "--json")
    assert done.code == code, done.err
    rows = [line for line in json.loads(done.out)["lines"] if line["measured"] is not None]
    assert [(row["task"], row["metric"], row["published"]) for row in rows] == [("coco-t2i", "hit@5", PUBLISHED)]
    assert rows[0]["difference"] == pytest.approx(value - PUBLISHED)
    assert ("coco-t2i hit@5 of clip" in done.err) == bool(code)
    assert mbench("ledger").code == 0


def test_without_results_every_published_number_is_hidden(mbench: Command) -> None:
    done = mbench("ledger", "--markdown")
    assert done.code == 0, done.err
    numbers = sum(len(one.spec.reference_scores) for one in Catalog.read().all_tasks.values())
    assert done.out.count("\n| ") > numbers and "not measured (" in done.out


def test_a_users_mistake_ends_in_a_traceback(mbench: Command, tmp_path: Path) -> None:
    (tmp_path / "results/clip/1").mkdir(parents=True)
    (tmp_path / "results/clip/1/coco-t2i.json").write_text("{}")
    for arguments, code, words in (
        (["--results", "nowhere"], 2, "nowhere"),
        (["--declared", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["--json", "--markdown"], 2, "choose one"),
        (["--strict"], 1, "coco-t2i.json"),
    ):
        done = mbench("ledger", *arguments)
        assert done.code == code and words in done.err and "Traceback" not in done.err
