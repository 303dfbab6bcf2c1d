"""Looking after the stored embeddings of all models: what there is, whether it is whole, and what may go.

Only what the store itself names is ever touched: `<16 hex digits>/<role>/` below the cache, and there its shards, the
damaged ones that were set aside, and what an interrupted process left half written.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mbench.core.errors import OutputError, UnknownNameError
from mbench.core.types import Role
from mbench.retrieval.shards import ENDING, Shard, ShardError
from mbench.retrieval.store import DAMAGED, MODEL, USED

ROLES: tuple[Role, ...] = ("query", "candidate")
ABANDONED = 3600.0
"""Seconds after which a half-written file belongs to no running process."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The embeddings of one model in one role; `used` in seconds since 1970, `dimension` None where there are none."""

    folder: Path
    fingerprint: str
    model: str
    role: str
    shards: int
    vectors: int
    dimension: int | None
    bytes: int
    used: float


@dataclass(frozen=True, slots=True)
class Damage:
    """A shard that cannot be used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that goes, and why."""

    path: Path
    bytes: int
    reason: str


def listing(cache: Path, model: str | None = None) -> list[Kept]:
    """Return what is stored, the least recently used first. Raises UnknownNameError for a model that has nothing."""
    found = [_kept(folder) for folder in _folders(cache)]
    if model is not None:
        chosen = [one for one in found if model in (one.model, one.fingerprint)]
        if not chosen:
            raise UnknownNameError("stored model", model, {one.model for one in found}, "See `mbench cache ls`.")
        found = chosen
    return sorted(found, key=lambda one: (one.used, one.folder))


def damages(cache: Path, model: str | None = None) -> Iterator[Damage]:
    """Read everything that is stored, and yield the shards that are damaged; those set aside before are left out."""
    for one in listing(cache, model):
        for path in _shards(one.folder):
            reason = _fault(path)
            if reason is not None:
                yield Damage(path, reason)


def removals(
    cache: Path, older_than: float | None = None, max_size: int | None = None, model: str | None = None
) -> list[Removal]:
    """Return what would go: what is damaged or was left half written, then by the limits, which only count shards.

    `older_than`: shards of models and roles that were last used longer ago, in seconds. `max_size`: the shards of the
    least recently used go, the oldest first, until this many bytes are left. `model`: only of this model, by id or
    fingerprint; without a limit all of it goes. Reads every shard, to know whether it is whole.
    """
    everything = model is not None and older_than is None and max_size is None
    found: list[Removal] = []
    left: list[Removal] = []
    for one in listing(cache, model):
        found += _rubbish(one.folder)
        old = older_than is not None and time.time() - one.used > older_than
        for path in sorted(_shards(one.folder), key=lambda path: (_changed(path), path.name)):
            fault = None if everything or old else _fault(path)
            if everything or old or fault is not None:
                found.append(_removal(path, fault or ("of this model" if everything else "not used for long")))
            else:
                left.append(_removal(path, "over the size"))
    surplus = 0 if max_size is None else sum(shard.bytes for shard in left) - max_size
    for shard in left:
        if surplus > 0:
            found.append(shard)
            surplus -= shard.bytes
    return found


def remove(found: list[Removal]) -> None:
    """Delete files, and folders of which nothing is left. Raises OutputError for a file that cannot be deleted."""
    for one in found:
        try:
            one.path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{one.path}: cannot be removed ({error.strerror}).") from None
    for folder in {one.path.parent for one in found}:
        if not any(path.name != USED for path in folder.iterdir()):
            _clear(folder, USED)
            if not any((folder.parent / role).exists() for role in ROLES):
                _clear(folder.parent, MODEL)


def _clear(folder: Path, last: str) -> None:
    with suppress(OSError):
        (folder / last).unlink(missing_ok=True)
        folder.rmdir()


def _folders(cache: Path) -> Iterator[Path]:
    if cache.is_dir():
        for model in sorted(cache.iterdir()):
            if re.fullmatch(r"[0-9a-f]{16}", model.name):
                yield from (model / role for role in ROLES if (model / role).is_dir())


def _shards(folder: Path) -> list[Path]:
    return [path for path in _files(folder, f"*{ENDING}") if not path.name.startswith(".")]


def _files(folder: Path, pattern: str) -> list[Path]:
    """A folder of such a name was not made by a store."""
    return sorted(path for path in folder.glob(pattern) if not path.is_dir())


def _kept(folder: Path) -> Kept:
    vectors, width = 0, None
    paths = _shards(folder)
    for path in paths:
        with suppress(ShardError):
            shard = Shard.open(path)
            vectors, width = vectors + len(shard), shard.stored_vectors.shape[1]
    size = sum(_size(path) for path in folder.iterdir())
    used = _changed(folder / USED) or _changed(folder)
    return Kept(folder, folder.parent.name, _model(folder.parent), folder.name, len(paths), vectors, width, size, used)


def _model(folder: Path) -> str:
    """Return the id of the model that a folder belongs to; empty where that is not told."""
    try:
        return str(json.loads((folder / MODEL).read_bytes())["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _fault(path: Path) -> str | None:
    """Return what is wrong with a shard, after reading it all."""
    try:
        shard = Shard.open(path)
        shard.keys()
        shard.vectors()
    except ShardError as error:
        return str(error)
    return None


def _rubbish(folder: Path) -> list[Removal]:
    aside = [_removal(path, "damaged, set aside before") for path in _files(folder, f"*{DAMAGED}")]
    half = [path for path in _files(folder, f".*{ENDING}.*") if time.time() - _changed(path) > ABANDONED]
    return aside + [_removal(path, "left half written") for path in half]


def _removal(path: Path, reason: str) -> Removal:
    return Removal(path, _size(path), reason)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _changed(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
