"""JSON lines as Arrow batches: read block by block, only the asked fields, and what is wrong named by its line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from mbench.core.errors import DataError

BLOCK = 8 * 1024 * 1024
"""Bytes read at a time. A line may not be longer."""
SHOWN = 80


def read_batches(path: Path, fields: Sequence[str], required: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """Read the text `fields` of a file of JSON objects, one a line, as columns of large strings, block by block.

    Other fields are skipped whatever they hold. A field that a line lacks is null; `required` ones must be there and
    not empty. Empty lines are passed over. Raises DataError that names the file, and the first line that is not an
    object of these fields.
    """
    done = 0
    try:
        for batch in _blocks(path, fields):
            batch.validate(full=True)
            if any(_lacks(batch.column(name)) for name in required):
                _explain(path, fields, required, done, "a required field is missing")
            yield batch
            done += len(batch)
    except pa.ArrowInvalid as error:
        _explain(path, fields, required, done, str(error).splitlines()[0])
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _blocks(path: Path, fields: Sequence[str]) -> Iterator[pa.RecordBatch]:
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty; expected one JSON object a line.")
    schema = pa.schema([(name, pa.large_string()) for name in fields])
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    with pj.open_json(path, read_options=pj.ReadOptions(block_size=BLOCK), parse_options=options) as reader:
        yield from reader


def _lacks(column: pa.Array) -> bool:
    return bool(column.null_count or pc.any(pc.equal(column, "")).as_py())


def _explain(path: Path, fields: Sequence[str], required: Sequence[str], done: int, otherwise: str) -> NoReturn:
    """Read the lines after the first `done` objects again, one by one, and say what is wrong with which."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            done -= 1
            problem = _problem(line, fields, required) if done < 0 else ""
            if problem:
                raise DataError(f"{path}, line {number}: {problem}: {line.decode(errors='replace').strip()[:SHOWN]}")
    raise DataError(f"{path}: cannot be read as JSON lines: {otherwise}")


def _problem(line: bytes, fields: Sequence[str], required: Sequence[str]) -> str:
    try:
        value = json.loads(line, object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return f"not valid JSON ({str(error).split(':')[0]})"
    if len(line) > BLOCK:
        return f"longer than {BLOCK} bytes"
    if not isinstance(value, dict):
        return f"expected an object, found {type(value).__name__}"
    for name in fields:
        if not isinstance(value.get(name), str | None):
            return f"{name!r} must be text or null, but it is {type(value[name]).__name__}"
    lacking = [name for name in required if not value.get(name)]
    return f"{lacking[0]!r} is missing" if lacking else ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return values
