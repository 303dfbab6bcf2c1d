"""The composed-retrieval benchmarks as a user runs them: embeddings and annotations, and no picture file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.cli.conftest import Command
from tests.data.official import ANNOTATIONS, needs_annotations, put

from mbench.core.files import read_json
from mbench.data.loaders.circo import INDEX

pytestmark = needs_annotations


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """The real annotations, and an index list for CIRCO of the images that they name."""
    root = tmp_path / "data"
    (root / "circo").mkdir(parents=True)
    for family in ("cirr", "fashioniq", "genecis"):
        (root / family).symlink_to(ANNOTATIONS / family)
    (root / "circo/annotations").symlink_to(ANNOTATIONS / "circo/annotations")
    val = read_json(ANNOTATIONS / "circo/annotations/val.json")
    named = {one for entry in val for one in (entry["reference_img_id"], *entry["gt_img_ids"])}
    put(root / "circo" / INDEX, {"images": [{"id": one} for one in sorted(named)]})
    return root


def embeddings(path: Path, queries: list[str], candidates: list[str]) -> Path:
    """Embeddings by which query number i has candidate number i on its first place."""
    vectors = np.random.default_rng(0).normal(size=(len(candidates), 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mine = vectors[np.arange(len(queries)) % len(candidates)]
    np.savez(
        path,
        query_ids=np.array(queries),
        query_embeddings=mine,
        candidate_ids=np.array(candidates),
        candidate_embeddings=vectors,
    )
    return path


def results(folder: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(next(folder.rglob(name)).read_text())
    return value


def test_a_test_split_gives_the_server_files_and_no_score(mbench: Command, tmp_path: Path, data_root: Path) -> None:
    captions = read_json(data_root / "cirr/captions/cap.rc2.test1.json")
    names = list(read_json(data_root / "cirr/image_splits/split.rc2.test1.json"))
    npz = embeddings(tmp_path / "e.npz", [str(row["pairid"]) for row in captions], names)
    arguments = ("run", "-m", "precomputed", "--model-args", f"path={npz}", "-t", "cirr-test", "--data-root", data_root)
    done = mbench(*arguments, "-o", "out")
    assert done.code == 0, done.err
    assert "labels withheld" in done.out
    result = results(tmp_path / "out", "cirr-test.json")
    assert result["metrics"] == {} and result["labels_public"] is False and result["partial"] is False
    assert (result["counts"]["judged"], result["counts"]["queries"]) == (0, 4148)
    recall, subset = results(tmp_path / "out", "*.recall.json"), results(tmp_path / "out", "*.recall_subset.json")
    for file, k in ((recall, 50), (subset, 3)):
        assert len(file) == 4150 and {len(set(file[str(row["pairid"])])) for row in captions} == {k}
    members = {str(row["pairid"]): (row["reference"], row["img_set"]["members"]) for row in captions}
    assert not any(members[pair][0] in recall[pair] for pair in members)
    assert all(set(subset[pair]) <= set(members[pair][1]) - {members[pair][0]} for pair in members)

    path = next((tmp_path / "out").rglob("cirr-test.json"))
    again = mbench("export", path, "--format", "cirr", "-o", "files")
    assert again.code == 0, again.err
    assert json.loads(Path("files/cirr-test.recall.json").read_text()) == recall
    refused = mbench(
        "score", "-t", "cirr-test", "--predictions", "files/cirr-test.recall.json", "--data-root", data_root
    )
    assert refused.code == 3 and "labels are withheld" in refused.err and "valid as the file 'recall'" in refused.err
    short = {key: one[:10] if isinstance(one, list) else one for key, one in recall.items()}
    Path("short.json").write_text(json.dumps(short))
    wrong = mbench("score", "-t", "cirr-test", "--predictions", "short.json", "--data-root", data_root)
    assert wrong.code == 2 and "50" in wrong.err and "valid as" not in wrong.err
    shown = mbench("leaderboard", "build", "--results", "out", "-o", "site")
    assert shown.code == 0 and "labels are withheld" in shown.err + shown.out

    limited = mbench(*arguments, "-o", "few", "--limit", 5)
    assert limited.code == 0 and "the server needs all 4148" in limited.err
    assert not list((tmp_path / "few").rglob("*recall*"))


def test_a_small_pool_gives_marked_scores_which_the_full_pool_replaces(
    mbench: Command, tmp_path: Path, data_root: Path
) -> None:
    index = read_json(data_root / "circo" / INDEX)["images"]
    npz = embeddings(tmp_path / "e.npz", [str(one) for one in range(220)], [str(one["id"]) for one in index])
    arguments = ("run", "-m", "precomputed", "--model-args", f"path={npz}", "-t", "circo", "--data-root", data_root)
    done = mbench(*arguments, "-o", "out")
    assert done.code == 0, done.err
    assert "circo (partial)" in done.out
    result = results(tmp_path / "out", "circo.json")
    assert result["partial"] is True and result["counts"]["candidates"] == 1121
    assert len(result["slices"]["semantic_aspect"]) == 9
    assert "already there" not in mbench(*arguments, "-o", "out").err


def test_a_ranking_exported_and_scored_has_the_numbers_of_the_run(
    mbench: Command, tmp_path: Path, data_root: Path
) -> None:
    rows = read_json(data_root / "genecis/genecis/change_object.json")
    ids = {str(one["val_image_id"]) for row in rows for one in (row["target"], *row["gallery"])}
    npz = embeddings(tmp_path / "e.npz", [f"change_object-{row}" for row in range(len(rows))], sorted(ids))
    task = ("-t", "genecis-change-object", "--data-root", data_root)
    done = mbench("run", "-m", "precomputed", "--model-args", f"path={npz}", *task, "-o", "out")
    assert done.code == 0, done.err
    assert mbench("export", next((tmp_path / "out").rglob("*object.json")), "--format", "trec", "-o", "x").code == 0
    scored = mbench("score", *task, "--predictions", "x/genecis-change-object.trec", "--json")
    assert json.loads(scored.out)["metrics"] == results(tmp_path / "out", "*object.json")["metrics"]


def test_a_picture_that_lacks_is_named_before_anything_is_encoded(mbench: Command, data_root: Path) -> None:
    done = mbench("run", "-m", "random", "-t", "fashioniq-dress", "--data-root", data_root, "-o", "out", "--no-cache")
    assert done.code == 0, done.err
    done = mbench("run", "-m", "image-only:tiny", "-t", "fashioniq-dress", "--data-root", data_root, "-o", "out")
    assert done.code == 3 and "pictures are not there" in done.err and "fashioniq/images/" in done.err


def test_embeddings_of_another_split_are_refused_by_id(mbench: Command, tmp_path: Path, data_root: Path) -> None:
    npz = embeddings(tmp_path / "e.npz", ["12060"], ["dev-244-0-img0"])
    done = mbench("run", "-m", "precomputed", "--model-args", f"path={npz}", "-t", "cirr", "--data-root", data_root)
    assert done.code == 3
    assert "query_ids lacks" in done.err and "'12062'" in done.err
