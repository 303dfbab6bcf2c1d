"""Shipped tasks on files in the official layout, from the command line to the result."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.data.mmeb_files import CROP, MEMES, of_pictures, picture, write

POINT = "<|image_1|>\nSelect the portion of the image that "
GROUNDING = {
    "MSCOCO": '<|image_1|>\nCrop the image to to isolate the object labeled as "dog"\n',
    "RefCOCO": f'{POINT}follows the language expressions. "left cup"\n',
    "RefCOCO-Matching": f'{POINT}follows the language expressions: "left cup"\n',
    "Visual7W-Pointing": f'{POINT}answers the question "Which is it?"\n',
}


def result(folder: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(next(folder.rglob(f"{name}.json")).read_text())
    return value


def write_memes(root: Path) -> None:
    rows = [
        {"qry_text": MEMES, "qry_img_path": f"m/{n % 3}.png", "tgt_text": answers, "tgt_img_path": ["", ""]}
        for n, answers in enumerate([["Yes", "No"], ["No", "Yes"]] * 500)
    ]
    write(root, "HatefulMemes", rows)


def test_a_model_runs_on_a_set_of_mmeb(mbench: Command, tmp_path: Path) -> None:
    write_memes(tmp_path)
    for n in range(3):
        picture(tmp_path, f"m/{n}.png", (n, 2 * n, 90))
    done = mbench("run", "-m", "tiny", "-t", "mmeb-hatefulmemes", "--data-root", tmp_path, "-o", "out")
    assert done.code == 0, done.err
    found = result(tmp_path / "out", "mmeb-hatefulmemes")
    assert found["counts"] == {"queries": 1000, "candidates": 2, "judged": 1000, "skipped": 0}
    assert found["run"]["encoded"] == 5, "three pictures with one instruction, and two answers"
    assert not found["partial"]


def test_a_missing_picture_ends_the_run_before_anything_is_encoded(mbench: Command, tmp_path: Path) -> None:
    write_memes(tmp_path)
    picture(tmp_path, "m/0.png")
    done = mbench("run", "-m", "tiny", "-t", "mmeb-hatefulmemes", "--data-root", tmp_path, "-o", "out")
    assert done.code == 3
    assert "2 of 3 pictures are not there" in done.err.replace("\n", " ") and "m/1.png" in done.err.replace("\n", "")
    assert not (tmp_path / "out").exists()


def test_a_group_is_the_mean_of_its_sets_and_a_constant_model_has_chance(mbench: Command, tmp_path: Path) -> None:
    for name, query in GROUNDING.items():
        words = f'{query[:-1]} "{name}"\n' if name == "RefCOCO-Matching" else CROP
        rows = [of_pictures([f"{n}-{one}.png" for one in range(4)], [words] * 4, query) for n in range(1000)]
        write(tmp_path, name, rows)
    picture(tmp_path, "q.jpg")
    done = mbench("run", "-m", "constant", "-t", "mmeb-grounding", "--data-root", tmp_path, "-o", "out", "--no-cache")
    assert done.code == 0, done.err
    values = [result(tmp_path / "out", f"mmeb-{name.lower()}")["metrics"]["hit@1"]["value"] for name in GROUNDING]
    group = result(tmp_path / "out", "mmeb-grounding")
    assert group["metrics"]["mean"]["value"] == pytest.approx(sum(values) / 4)
    assert all(value == pytest.approx(0.25, abs=0.05) for value in values)
