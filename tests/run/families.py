"""A small data set for every loader, in its official layout, with enough queries for chance to show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.data import mmeb_files
from tests.data.official import put, tiny, with_options

from mbench.core.types import EvalData
from mbench.data.catalog import Task
from mbench.data.loaders.circo import INDEX
from mbench.data.loading import load

QUERIES, CANDIDATES = 80, 48
DRAWN = np.random.default_rng(11)
PLACES = [[int(one) for one in DRAWN.permutation(CANDIDATES)] for _ in range(QUERIES)]
"""For each query all candidates in random order: the first is the reference, the second the target."""


def cirr(root: Path) -> Task:
    names = [f"dev-{number}" for number in range(CANDIDATES)]
    rows = [
        {
            "pairid": number,
            "reference": names[order[0]],
            "target_hard": names[order[1]],
            "caption": f"show {number}",
            "img_set": {"id": number, "members": [names[one] for one in order[:6]], "reference_rank": 0},
        }
        for number, order in enumerate(PLACES)
    ]
    put(root / "cirr/captions/cap.rc2.val.json", rows)
    put(root / "cirr/image_splits/split.rc2.val.json", {name: f"./dev/{name}.png" for name in names})
    return tiny("cirr")


def circo(root: Path) -> Task:
    rows = [
        {
            "id": number,
            "reference_img_id": 100 + order[0],
            "target_img_id": 100 + order[1],
            "gt_img_ids": [100 + one for one in order[1:4]],
            "relative_caption": f"has {number} dogs",
            "shared_concept": "a dog",
            "semantic_aspects": ["negation"],
        }
        for number, order in enumerate(PLACES)
    ]
    put(root / "circo/annotations/val.json", rows)
    pool = [{"id": 100 + one, "file_name": f"{100 + one:012d}.jpg"} for one in range(CANDIDATES)]
    put(root / "circo" / INDEX, {"images": pool})
    return tiny("circo")


def fashioniq(root: Path) -> Task:
    rows = [
        {"candidate": f"A{order[0]}", "target": f"A{order[1]}", "captions": [f"is {number}", "is red"]}
        for number, order in enumerate(PLACES)
    ]
    put(root / "fashioniq/captions/cap.dress.val.json", rows)
    put(root / "fashioniq/image_splits/split.dress.val.json", [f"A{one}" for one in range(CANDIDATES)])
    return tiny("fashioniq-dress")


def genecis(root: Path) -> Task:
    def picture(number: int) -> dict[str, int]:
        return {"val_image_id": number}

    rows = [
        {
            "condition": f"wall {number}",
            "reference": picture(order[0]),
            "target": picture(order[1]),
            "gallery": [picture(one) for one in order[2:8]],
        }
        for number, order in enumerate(PLACES)
    ]
    put(root / "genecis/genecis/change_object.json", rows)
    return with_options(tiny("genecis-change-object"), distractors=6)


def ctrlbench(root: Path) -> Task:
    box = {"id": 1, "height": 2, "width": 3, "x": 4, "y": 5}
    scenes = [
        {
            str(nth): {**box, "image": number, "instruction": f"part {nth}", "phrase": f"{number} has {nth}"}
            for nth in range(4)
        }
        for number in range(QUERIES // 4)
    ]
    path = root / "ctrlbench/ABC-VG-Instruct/data/train-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(scenes), path)
    return with_options(tiny("ctrlbench"), sample=None)


def mmeb(root: Path) -> Task:
    rows = [
        mmeb_files.row(f"what {number}?", answers=[f"answer {one}" for one in order[:8]])
        for number, order in enumerate(PLACES)
    ]
    mmeb_files.write(root, "GQA", rows)
    return with_options(tiny("mmeb-gqa"), queries=QUERIES)


def mbeir(root: Path) -> Task:
    folder = root / "mbeir"
    pool = [
        {"did": f"8:{one}", "txt": None, "img_path": f"mbeir_images/cirr/{one}.jpg", "modality": "image"}
        for one in range(CANDIDATES)
    ]
    queries = [
        {
            "qid": f"8:{1000 + number}",
            "query_txt": f"make it {number}",
            "query_img_path": f"mbeir_images/cirr/{order[0]}.jpg",
            "query_modality": "image,text",
            "pos_cand_list": [f"8:{order[1]}"],
            "neg_cand_list": [],
        }
        for number, order in enumerate(PLACES)
    ]
    _lines(folder / "cand_pool/local/mbeir_cirr_task7_cand_pool.jsonl", [{**one, "src_content": {}} for one in pool])
    _lines(folder / "query/test/mbeir_cirr_task7_test.jsonl", queries)
    qrels = folder / "qrels/test/mbeir_cirr_task7_test_qrels.txt"
    qrels.parent.mkdir(parents=True, exist_ok=True)
    qrels.write_text("".join(f"8:{1000 + n} 0 8:{order[1]} 1 7\n" for n, order in enumerate(PLACES)))
    return tiny("mbeir-local-cirr-task7")


def coco(root: Path) -> Task:
    pictures = [{"id": one, "file_name": f"COCO_val2014_{one:012}.jpg"} for one in range(1, CANDIDATES + 1)]
    captions = [
        {"id": 1000 + number, "image_id": 1 + order[0], "caption": f"caption {number}"}
        for number, order in enumerate(PLACES)
    ]
    named = {one["image_id"] for one in captions}
    kept = [one for one in pictures if one["id"] in named]
    put(root / "coco/annotations/coco_test_karpathy.json", {"images": kept, "annotations": captions})
    return tiny("coco-t2i")


FAMILIES: Mapping[str, Callable[[Path], Task]] = {
    one.__name__: one for one in (cirr, circo, fashioniq, genecis, ctrlbench, mmeb, mbeir, coco)
}


def family(name: str, root: Path) -> tuple[Task, EvalData]:
    """Write the family's files below `root` and load them as the shipped task does."""
    task = FAMILIES[name](root)
    return task, load(task, root)


def _lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
