"""What hostile submissions are made of: a good one, one small change, and the code of the reason it is refused for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

TASK = "emoji-vqa"
LONG = "emoji-union"
CIR = "emoji-cir"

Change = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A hostile submission: `change` makes it of the good submission of the model `base`."""

    name: str
    code: str
    change: Change
    base: str = "tiny"


def result_path(folder: Path, task: str = TASK) -> Path:
    return next(folder.glob(f"results/*/*/{task}.json"))


def ranking_path(folder: Path, task: str = TASK) -> Path:
    return result_path(folder, task).with_name(f"{task}.ranking.parquet")


def queries_path(folder: Path, task: str = TASK) -> Path:
    return result_path(folder, task).with_name(f"{task}.queries.parquet")


def card(**values: Any) -> Change:
    """Change keys of the card; None takes a key out."""

    def change(folder: Path) -> None:
        path = folder / "card.yaml"
        data = yaml.safe_load(path.read_text()) | values
        path.write_text(yaml.safe_dump({k: v for k, v in data.items() if v is not None}, allow_unicode=True))

    return change


def card_text(text: str) -> Change:
    """Put lines at the end of the card, or replace it where they begin with `id:`."""

    def change(folder: Path) -> None:
        path = folder / "card.yaml"
        path.write_text(text if text.startswith(("id:", "---", "!")) else path.read_text() + text)

    return change


def result(place: str, value: Any, task: str = TASK) -> Change:
    """Set the value at `place` (keys joined by `/`) in the JSON of a result."""

    def change(folder: Path) -> None:
        path = result_path(folder, task)
        data = json.loads(path.read_text())
        inner = data
        *keys, last = place.split("/")
        for key in keys:
            inner = inner[key]
        inner[last] = value
        path.write_text(json.dumps(data))

    return change


def without(place: str, task: str = TASK) -> Change:
    """Take the key at `place` out of the JSON of a result."""

    def change(folder: Path) -> None:
        path = result_path(folder, task)
        data = json.loads(path.read_text())
        inner = data
        *keys, last = place.split("/")
        for key in keys:
            inner = inner[key]
        del inner[last]
        path.write_text(json.dumps(data))

    return change


def result_bytes(make: Callable[[bytes], bytes], task: str = TASK) -> Change:
    """Rewrite the bytes of a result."""

    def change(folder: Path) -> None:
        path = result_path(folder, task)
        path.write_bytes(make(path.read_bytes()))

    return change


def both(*changes: Change) -> Change:
    """Make one change after the other."""

    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


def file(name: str, content: bytes = b"x") -> Change:
    """Put a file below the submission; `{results}` stands for the folder of its results."""

    def change(folder: Path) -> None:
        path = folder / name.format(results=result_path(folder).parent.relative_to(folder))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return change


Rows = list[dict[str, Any]]


def ranking(edit: Callable[[Rows], Rows], task: str = TASK) -> Change:
    """Rewrite a ranking as rows of Python values, with its schema."""

    def change(folder: Path) -> None:
        path = ranking_path(folder, task)
        table = pq.read_table(path)
        pq.write_table(pa.Table.from_pylist(edit(table.to_pylist()), schema=table.schema), path)

    return change


def ranking_table(edit: Callable[[pa.Table], pa.Table], task: str = TASK, **options: Any) -> Change:
    """Rewrite a ranking as an Arrow table."""

    def change(folder: Path) -> None:
        path = ranking_path(folder, task)
        pq.write_table(edit(pq.read_table(path)), path, **options)

    return change


def queries(edit: Callable[[pa.Table], pa.Table], task: str = TASK) -> Change:
    """Rewrite the scores by query as an Arrow table."""

    def change(folder: Path) -> None:
        path = queries_path(folder, task)
        pq.write_table(edit(pq.read_table(path)), path)

    return change


def rows(edit: Callable[[dict[str, Any]], None], count: int | None = None) -> Callable[[Rows], Rows]:
    """Make an edit of the first `count` rows (all of them by default) of one of a row."""

    def change(table: Rows) -> Rows:
        for row in table[:count]:
            edit(row)
        return table

    return change
