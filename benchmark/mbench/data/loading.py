"""From a declared task to its data: files found and verified, read by the loader that the task names, cross-checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from mbench.core.errors import DataError, SpecError
from mbench.core.files import file_sha256
from mbench.core.registry import Registry
from mbench.core.resources import user_cache
from mbench.core.specs import FileSpec, SourceSpec, TaskSpec
from mbench.core.types import EvalData, ItemTable
from mbench.data.catalog import Task

DATA_VARIABLE = "MBENCH_DATA"


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """Where a loader finds a task's files: below `root`; `how` tells the user how to get what is missing."""

    root: Path
    how: str

    def path(self, name: str, url: str | None = None) -> Path:
        """Return the path of an existing file. Raises DataError, with how to get it, when it is not there."""
        path = self.place(name)
        if not path.is_file():
            origin = f" It comes from {url}." if url else ""
            raise DataError(f"{path}: there is no such file.{origin} {self.how}")
        return path

    def place(self, name: str) -> Path:
        """Return the path of a file or folder that may be absent. Raises SpecError when it leaves the root."""
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts:
            raise SpecError(f"source: {name!r} must be a path below {self.root}.")
        return self.root / relative


Loader = Callable[[TaskSpec, SourceFiles], EvalData]
"""What reads one source format; the loader's own options are in `spec.source.options`, which it validates."""

LOADERS: Registry[Loader] = Registry(
    "loader",
    {
        "circo": "mbench.data.loaders.circo:load",
        "cirr": "mbench.data.loaders.cirr:load",
        "coco": "mbench.data.loaders.coco:load",
        "ctrlbench": "mbench.data.loaders.ctrlbench:load",
        "emoji": "mbench.data.loaders.emoji:load",
        "fashioniq": "mbench.data.loaders.fashioniq:load",
        "genecis": "mbench.data.loaders.genecis:load",
        "mbeir": "mbench.data.loaders.mbeir:load",
        "mmeb": "mbench.data.loaders.mmeb:load",
    },
    group="mbench.loaders",
)


def load(task: Task, data_root: Path | None = None) -> EvalData:
    """Return the data of a task, verified.

    `data_root` holds one folder a family; None takes $MBENCH_DATA, then where `mbench fetch` puts what it fetches.
    Raises DataError for a file that is missing (which, where to get it, how) or differs from its declared size or
    sha256, and for data that contradict themselves.
    """
    from mbench.data.checks import check_data

    files = source_files(task, data_root)
    for one in task.spec.source.files:
        if one.unpack is None:
            verify(files.path(one.path, one.url), one)
    loader = LOADERS.get(task.spec.source.loader)
    data = _instructed(task.spec, loader(task.spec, files))
    check_data(task.spec, data)
    return data


def unpinned(task: Task, data_root: Path | None = None) -> dict[str, str]:
    """Return the sha256 of each file of a task whose hash its declaration leaves open, as far as it is there."""
    open_files = [one for one in task.spec.source.files if one.sha256 is None]
    if not open_files:
        return {}
    root = task.path.parent if task.spec.source.shipped else data_root_of(data_root) / task.spec.source.folder
    found = {one.path: root / one.path for one in open_files}
    return {
        name: _sha256(path, path.stat().st_size, path.stat().st_mtime_ns)
        for name, path in found.items()
        if path.is_file()
    }


def source_files(task: Task, data_root: Path | None) -> SourceFiles:
    """Return where the files of a task are. Raises DataError when no data root is known."""
    source = task.spec.source
    if source.shipped:
        return SourceFiles(task.path.parent, "It belongs beside the task's YAML file: install again, or restore it.")
    folder = data_root_of(data_root) / source.folder
    if not (data_root or os.environ.get(DATA_VARIABLE) or folder.is_dir()):
        raise DataError(f"{task.id}: no data folder is known. {how_to_get(task)}")
    return SourceFiles(folder, how_to_get(task))


def data_root_of(named: Path | None) -> Path:
    """Return the folder of all data: the one that is named, $MBENCH_DATA, or `data` in the user's cache of mbench."""
    return named or Path(os.environ.get(DATA_VARIABLE) or user_cache() / "data")


def how_to_get(task: Task) -> str:
    """Say where the data of a task come from and how mbench is told where they lie."""
    source = task.spec.source
    layout = f"the folder that holds {source.folder}/" if source.folder else "their folder"
    return (
        f"Get the data with `mbench fetch {task.id}`{_origin(source)}, and name {layout} by --data-root DIR or "
        f"${DATA_VARIABLE}.{' ' + source.instructions if source.instructions else ''}"
    )


def verify(path: Path, declared: FileSpec) -> None:
    """Compare a file with its declared size and sha256. Raises DataError that says which of them differs."""
    state = path.stat()
    if declared.bytes is not None and state.st_size != declared.bytes:
        raise DataError(f"{path}: {state.st_size} bytes, but {declared.bytes} were expected; get the file again.")
    if declared.sha256 is not None:
        found = _sha256(path, state.st_size, state.st_mtime_ns)
        if found != declared.sha256:
            raise DataError(
                f"{path}: its sha256 is {found}, but {declared.sha256} was expected: the file is damaged or of "
                "another version; get it again."
            )


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, modified: int) -> str:
    """Size and time of change are there for the cache alone: a changed file is read again."""
    return file_sha256(path)


def _origin(source: SourceSpec) -> str:
    if source.hub is not None:
        return f" or from huggingface.co/{source.hub.repo} (revision {source.hub.revision})"
    return ""


def _instructed(spec: TaskSpec, data: EvalData) -> EvalData:
    """Give items that have no instruction of their own the one that the task states for all."""
    from dataclasses import replace

    renderings = tuple(replace(one, items=_filled(one.items, spec.query.instruction)) for one in data.renderings)
    return replace(
        data,
        queries=_filled(data.queries, spec.query.instruction),
        corpus=_filled(data.corpus, spec.candidates.instruction),
        renderings=renderings,
    )


def _filled(table: ItemTable, instruction: str | None) -> ItemTable:
    from mbench.data.table import ArrowTable

    if instruction is None or not isinstance(table, ArrowTable):
        return table
    return table.filled(instruction=instruction)
