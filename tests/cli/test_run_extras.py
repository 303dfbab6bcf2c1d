"""Extras of `mbench run` as a user meets them: beside the scores, added to what is there, refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command

from mbench.core.types import Item, Role, Vectors
from mbench.models.tiny import Tiny

RUN = ("run", "-m", "tiny", "-t", "emoji-vqa", "-o", "out", "--limit", "25")


def result(folder: Path, name: str = "emoji-vqa.json") -> dict[str, Any]:
    value: dict[str, Any] = json.loads(next((folder / "out").rglob(name)).read_text())
    return value


def test_a_result_without_extras_does_not_mention_them(mbench: Command, tmp_path: Path) -> None:
    assert mbench(*RUN).code == 0
    assert not {"ablations", "control", "curves", "stability"} & set(result(tmp_path))


def test_extras_are_added_to_a_result_from_stored_embeddings_and_none_is_lost(
    mbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mbench(*RUN).code == 0
    first = result(tmp_path)
    encode = Tiny.encode

    def of_queries(self: Tiny, items: Sequence[Item], *, role: Role) -> Vectors:
        assert role == "query", "a candidate was embedded again"
        return encode(self, items, role=role)

    monkeypatch.setattr(Tiny, "encode", of_queries)
    steps: list[tuple[str, ...]] = [
        ("--ablate", "text-only"),
        ("--quantize", "int8"),
        ("--ablate", "image-only,no-reference", "--dims", "64"),
        ("--report", "control"),
    ]
    for step in steps:
        done = mbench(*RUN, *step)
        assert done.code == 0 and "already there" not in done.err, done.err
        again = mbench(*RUN, *step)
        assert "already there" in again.err, step
    found = result(tmp_path)
    assert found["metrics"] == first["metrics"]
    assert found["run"]["encoded"] == first["run"]["encoded"] > 0
    assert found["run"]["seconds"].items() > first["run"]["seconds"].items()
    assert {"ablations", "control", "curves"} < set(found["run"]["seconds"])
    assert set(found["ablations"]["variants"]) == {"text-only", "image-only", "no-reference"}
    points = [(one["dims"], one["precision"]) for one in found["curves"]]
    assert points == [(128, "float32"), (128, "int8"), (64, "float32")]
    assert found["control"]["control_gain"]["n"] == 25
    before = next((tmp_path / "out").rglob("emoji-vqa.json")).read_bytes()
    assert "already there" in mbench(*RUN).err
    assert next((tmp_path / "out").rglob("emoji-vqa.json")).read_bytes() == before


def test_what_was_said_to_be_unavailable_is_not_tried_again(mbench: Command, tmp_path: Path) -> None:
    ask = ("run", "-m", "random", "-t", "emoji-vqa", "-o", "out", "--ablate", "text-only")
    first = mbench(*ask)
    assert first.code == 0 and "no number for text-only: text-only:random: model 'random' never looks" in first.err
    assert "already there" in mbench(*ask).err
    assert result(tmp_path)["ablations"]["variants"] == {}


def test_extras_of_one_task_leave_the_mean_of_its_group(mbench: Command, tmp_path: Path) -> None:
    assert mbench("run", "-m", "constant", "-t", "emoji", "-o", "out").code == 0
    assert mbench("run", "-m", "constant", "-t", "emoji-cls", "-o", "out", "--quantize", "binary").code == 0
    assert "curves" in result(tmp_path, "emoji-cls.json")
    assert result(tmp_path, "emoji.json")["group"] == "emoji"


def test_a_result_whose_evidence_is_gone_is_made_again_with_its_extras(mbench: Command, tmp_path: Path) -> None:
    mbench(*RUN, "--ablate", "text-only")
    next((tmp_path / "out").rglob("*.ranking.parquet")).unlink()
    assert mbench(*RUN).code == 0
    assert list(result(tmp_path)["ablations"]["variants"]) == ["text-only"]


def test_several_models_and_tasks_get_what_each_can_have(mbench: Command) -> None:
    ask = ("-m", "tiny,image-only:tiny", "-t", "emoji-vqa,emoji-t2i", "-o", "out", "--limit", "15")
    done = mbench("run", *ask, "--ablate", "text-only,image-only", "--quantize", "binary", "--json")
    assert done.code == 0, done.err
    found = {(one["model"]["id"], one["task"]["id"]): one for one in json.loads(done.out)["results"]}
    assert set(found["tiny", "emoji-vqa"]["ablations"]["variants"]) == {"text-only", "image-only"}
    assert set(found["image-only:tiny", "emoji-vqa"]["ablations"]["variants"]) == {"image-only"}
    assert found["tiny", "emoji-t2i"]["ablations"]["variants"] == {}
    assert "no picture" in found["tiny", "emoji-t2i"]["ablations"]["unavailable"]["text-only"]
    assert all(len(one["curves"]) == 2 for one in found.values())


def test_the_table_shows_ablated_scores_beside_the_score(mbench: Command, tmp_path: Path) -> None:
    done = mbench(*RUN, "--ablate", "image-only", "--report", "control,stability", "--dims", "32")
    assert done.code == 0, done.err
    found = result(tmp_path)
    ablated = found["ablations"]["variants"]["image-only"]["metrics"]["hit@1"]["value"]
    row = next(line for line in done.out.splitlines() if "emoji-vqa (partial)" in line)
    assert f"{100 * found['metrics']['hit@1']['value']:.2f}" in row and f"{100 * ablated:.2f}" in row
    titles = ("Composed queries", "What instructions do", "Quality against cost", "What the machine changes")
    assert all(title in done.out for title in titles)
    assert "no number for device" in done.err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--ablate", "textonly"), "Unknown ablation 'textonly'. Did you mean 'text-only'"),
        (("--report", "controls"), "Unknown report 'controls'. Did you mean 'control'"),
        (("--quantize", "int4"), "Unknown code 'int4'. Did you mean 'int8'"),
        (("--dims", "64,many"), "--dims: expected numbers of dimensions such as 64,128, found 'many'"),
        (("--dims", "0"), "found '0'"),
        (("--ablate", ","), "--ablate: names nothing; for example --ablate text-only"),
        (("--dims", "64,129"), "--dims 129: model 'tiny' has 128 dimensions"),
        (("--limit", "1", "--report", "control"), "comparing needs at least 2"),
        (("--instructions", "none", "--report", "control"), "leave --instructions out"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    mbench: Command, tmp_path: Path, flags: tuple[str, ...], words: str
) -> None:
    done = mbench("run", "-m", "tiny", "-t", "emoji-vqa", "-o", "out", *flags)
    assert done.code == 2 and words in done.err and "Traceback" not in done.err
    assert not list((tmp_path / "out").rglob("*.json"))


def test_a_dry_run_says_what_it_leaves_out(mbench: Command) -> None:
    done = mbench(*RUN, "--ablate", "text-only", "--dry-run")
    assert done.code == 0 and "--ablate text-only" in done.err
