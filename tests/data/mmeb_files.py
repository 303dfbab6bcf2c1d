"""Sets of MMEB in the official layout, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tests.data.official import with_options

from mbench.core.types import EvalData
from mbench.data.catalog import Catalog, Task
from mbench.data.loading import load

QUESTION = "<|image_1|>\nRepresent the given image with the following question: "
CROP = "<|image_1|>\nRepresent the given cropped image of the object"
MEMES = (
    "<|image_1|>\nRepresent the given image for binary classification to determine whether it constitutes hateful "
    "speech or not\n"
)


@cache
def catalog() -> Catalog:
    """All shipped tasks, read once."""
    return Catalog.read()


def row(
    question: str = "What is it?", image: str = "GQA/1.jpg", answers: Sequence[str] = ("cat", "dog")
) -> dict[str, Any]:
    """A row of a question answering set: the first answer is right."""
    return {
        "qry_text": f"{QUESTION}{question}\n",
        "qry_img_path": image,
        "tgt_text": list(answers),
        "tgt_img_path": [""] * len(answers),
    }


def of_pictures(targets: Sequence[str], text: str | list[str], query: str = "<|image_1|>\nFind it") -> dict[str, Any]:
    """A row whose targets are pictures, with one text for all of them or a list."""
    return {"qry_text": query, "qry_img_path": "q.jpg", "tgt_text": text, "tgt_img_path": list(targets)}


def write(root: Path, config: str, rows: Sequence[dict[str, Any]] | pa.Table) -> Path:
    """Write the file of a set below a data root."""
    path = root / "mmeb" / config / "test-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows)), path)
    return path


def picture(root: Path, name: str, colour: tuple[int, int, int] = (9, 99, 199)) -> None:
    """Write a small picture below `mmeb/images/`."""
    path = root / "mmeb/images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


def task(name: str, queries: int, **options: Any) -> Task:
    """A shipped set that has fewer queries."""
    return with_options(catalog().task(name), queries=queries, **options)


def loaded(root: Path, *rows: dict[str, Any], name: str = "mmeb-gqa", **options: Any) -> EvalData:
    """Write the rows and load them as the set of that name."""
    one = task(name, len(rows), **options)
    write(root, str(one.spec.source.options["config"]), rows)
    return load(one, root)
