"""Reading one plain result with care: no symbolic link, nothing endless, no number that is not a fraction."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from mbench.core.errors import DataError
from mbench.core.results import GroupResult, TaskResult, Value, read_result
from mbench.data.catalog import Catalog
from mbench.publish.submission import limits
from mbench.publish.submission.results import slice_tags

LARGEST = 16 * 2**20
"""Bytes. Results hold means, not rankings: a model on 36 tasks with all slices stays far below."""
LONGEST_NAME = 200


def read_plausible(path: Path, catalog: Catalog | None = None) -> TaskResult | GroupResult:
    """Return the result in a file.

    Raises DataError for a link, another name, a number that none can be, and for what contradicts the task that
    `catalog` declares.
    """
    try:
        state = path.lstat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if stat.S_ISLNK(state.st_mode):
        raise DataError(f"{path}: a symbolic link; put the files themselves there")
    if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST:
        raise DataError(f"{path}: not a file of at most {LARGEST // 2**20} MiB")
    result = read_result(path)
    name = result.task.id if isinstance(result, TaskResult) else result.group
    if path.stem != name:
        raise DataError(f"{path}: holds a result of {name!r}; its name must be {name}.json")
    _check_sizes(path, result)
    for key, text in _names(result):
        _check_name(path, key, text)
    for key, value in _values(result):
        _check_fraction(path, key, value)
    if catalog is not None and isinstance(result, TaskResult):
        _check_labels(path, result, catalog)
    return result


def _check_labels(path: Path, result: TaskResult, catalog: Catalog) -> None:
    """Refuse scores of a task whose labels only a server has, and results without scores of one with public labels."""
    declared = catalog.all_tasks.get(result.task.id)
    if declared is None or declared.spec.protocol != result.task.protocol:
        return
    public = declared.spec.labels_public
    if result.labels_public != public or (result.metrics and not public):
        said = "public labels: run it again" if public else "withheld labels: only the benchmark's server can score it"
        raise DataError(f"{path}: labels_public is {result.labels_public}, but {result.task.id} has {said}")


def _check_sizes(path: Path, result: TaskResult | GroupResult) -> None:
    """Refuse what would make pages without end, or numbers that nothing can be computed with."""
    card, sizes, most = result.model.card, {"metrics": len(result.metrics)}, {"metrics": limits.COLUMNS}
    counts = {"model.card.parameters": card.parameters or 0, "model.card.dimension": card.dimension or 0}
    if isinstance(result, TaskResult):
        sizes |= {"run": len(result.run), "diagnostics": len(result.diagnostics), "slices": slice_tags(result)}
        most |= {"run": limits.RUN_KEYS, "diagnostics": limits.COLUMNS, "slices": limits.TAGS}
        counts |= {f"counts.{key}": value for key, value in result.counts}
    for key, size in sizes.items():
        if size > most[key]:
            raise DataError(f"{path}: {key}: {size} keys; a result has at most {most[key]}")
    counts |= {f"{key}.n": value.n for key, value in _values(result)}
    for key, count in counts.items():
        if not 0 <= count <= limits.COUNT:
            raise DataError(f"{path}: {key}: {str(count)[:40]} is no number of anything")


def _names(result: TaskResult | GroupResult) -> Iterator[tuple[str, str]]:
    yield from (("model.id", result.model.id), ("model.revision", result.model.revision))
    if isinstance(result, TaskResult):
        yield from (("task.id", result.task.id), ("task.protocol", result.task.protocol))
    else:
        yield ("group", result.group)


def _check_name(path: Path, key: str, text: str) -> None:
    """Refuse names that could look like another's: invisible characters, spaces at the ends, endless ones."""
    if not text.isprintable() or text != text.strip() or not 0 < len(text) <= LONGEST_NAME:
        raise DataError(f"{path}: {key}: {text[:40]!r} is not a name of at most {LONGEST_NAME} visible characters")


def _values(result: TaskResult | GroupResult) -> Iterator[tuple[str, Value]]:
    for key, value in result.metrics.items():
        yield f"metrics.{key}", value
    for name, tags in result.slices.items() if isinstance(result, TaskResult) else ():
        for tag, metrics in tags.items():
            for key, value in metrics.items():
                yield f"slices.{name}.{tag}.{key}", value


def _check_fraction(path: Path, key: str, value: Value) -> None:
    low = value.value if value.low is None else value.low
    high = value.value if value.high is None else value.high
    if not 0 <= value.value <= 1:
        raise DataError(f"{path}: {key}: {value.value} is not a fraction between 0 and 1")
    if not 0 <= low <= high <= 1:
        raise DataError(f"{path}: {key}: {low} to {high} is not an interval within 0 and 1")
