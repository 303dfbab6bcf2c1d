"""Files for the servers that score the test splits of CIRR and CIRCO: written, and checked as the servers check them.

Sources: Test-split_server.md of https://github.com/Cuberick-Orion/CIRR, README.md of https://github.com/miccunifi/CIRCO.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mbench.core.errors import DataError, PredictionError, listed, nearest
from mbench.core.files import canonical_json, read_json, write_text
from mbench.core.specs import TaskSpec
from mbench.core.types import MAIN_POOL
from mbench.data.prediction_files import CIRR_POOLS, CIRR_VERSION, RankedLists

MAX_BYTES = 5_000_000
NUMBER = re.compile(r"[0-9]+")

Lists = Mapping[str, Sequence[str]]
"""The candidates of each query, best first."""


@dataclass(frozen=True, slots=True)
class ServerFile:
    """One file that a server takes: `k` candidates a query, ranked in `pool`, below the keys of `header`.

    `numbers` says that the ids are written as whole numbers; `name` tells a server's files apart.
    """

    name: str
    pool: str
    k: int
    numbers: bool = False
    header: Mapping[str, str] = field(default_factory=dict)


def _cirr(metric: str, k: int) -> ServerFile:
    return ServerFile(metric, CIRR_POOLS[metric], k, header={"version": CIRR_VERSION, "metric": metric})


SERVERS: Mapping[str, tuple[ServerFile, ...]] = {
    "cirr": (_cirr("recall", 50), _cirr("recall_subset", 3)),
    "circo": (ServerFile("submission", MAIN_POOL, 50, numbers=True),),
}
"""The files of each server, by the loader of its benchmark."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a server file is checked against: how many queries, and the ids where they are known."""

    n_queries: int | None = None
    queries: Collection[str] | None = None
    candidates: Collection[str] | None = None


def write_server_files(
    folder: Path, spec: TaskSpec, rankings: Mapping[str, RankedLists], expected: Expected | None = None
) -> list[Path]:
    """Write the files of a task's server that `rankings` (by pool, best first) allow: `<task>.<name>.json`.

    Nothing is written unless all of them pass the check. Raises PredictionError for a task without a server, for
    rankings of none of its pools and for what the server would refuse; OutputError.
    """
    files = [file for file in server_of(spec) if file.pool in rankings]
    if not files:
        pools = listed(file.pool for file in server_of(spec))
        raise PredictionError(
            f"{spec.id}: the server takes rankings of the pools {pools}; given are {listed(rankings)}."
        )
    texts = {}
    for file in files:
        path = folder / f"{spec.id}.{file.name}.json"
        content = _content(path, file, top(rankings[file.pool], file.k))
        texts[path] = canonical_json(content)
        check_content(content, len(texts[path].encode()), str(path), file, expected or _declared(spec))
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def server_of(spec: TaskSpec) -> tuple[ServerFile, ...]:
    """Return the files that the server of a task takes. Raises PredictionError for a task that has none."""
    if spec.source.loader not in SERVERS:
        raise PredictionError(f"{spec.id} has no server; those of {listed(SERVERS)} have.")
    return SERVERS[spec.source.loader]


def top(lists: RankedLists, k: int) -> Lists:
    """Return the first `k` candidates of each query, in the order of the lists."""
    names = lists.candidates.to_pylist()
    starts = lists.starts.tolist()
    return {
        query: names[start : min(start + k, end)]
        for query, start, end in zip(lists.queries.to_pylist(), starts, starts[1:], strict=False)
    }


def check_server_file(path: Path, spec: TaskSpec, expected: Expected | None = None) -> ServerFile:
    """Check a file as the task's server would, and more strictly where that takes what would be scored wrongly.

    Returns which of the server's files it is. Raises PredictionError: larger than 5 MB, not the JSON that the server
    reads, a query that lacks, is unknown or has not the right number of distinct candidates, an id of another type or
    (with `expected`) unknown.
    """
    files = server_of(spec)
    size = _size(path)
    value = _read(path)
    file = next((one for one in files if one.header.get("metric") == value.get("metric")), files[0])
    check_content(value, size, str(path), file, expected or _declared(spec))
    return file


def check_content(value: Mapping[str, object], size: int, where: str, file: ServerFile, expected: Expected) -> None:
    """Check the content of a server file of `size` bytes, as `check_server_file` does. Raises PredictionError."""
    if size > MAX_BYTES:
        raise PredictionError(f"{where}: {size} bytes; the server takes at most {MAX_BYTES}.")
    found = {key: value.get(key) for key in file.header}
    if found != dict(file.header):
        raise PredictionError(f"{where}: the server wants {dict(file.header)}; found {found}.")
    lists = {key: one for key, one in value.items() if key not in file.header}
    _check_queries(where, lists, expected)
    for query, candidates in lists.items():
        _check_list(f"{where}: query {query!r}", candidates, file, expected.candidates)


def _declared(spec: TaskSpec) -> Expected:
    return Expected(spec.sizes.queries if spec.sizes else None)


def _check_queries(where: str, lists: Mapping[str, object], expected: Expected) -> None:
    if expected.queries is not None:
        unknown = [query for query in lists if query not in expected.queries]
        if unknown:
            near = nearest(unknown[0], list(expected.queries)[:100_000])
            guess = f" Nearest to the first: {near[0]!r}." if near else ""
            raise PredictionError(f"{where}: unknown queries: {listed(map(repr, unknown))}.{guess}")
        missing = [query for query in expected.queries if query not in lists]
        if missing:
            raise PredictionError(f"{where}: {len(missing)} queries are missing: {listed(map(repr, missing))}.")
    if expected.n_queries is not None and len(lists) != expected.n_queries:
        raise PredictionError(
            f"{where}: {len(lists)} queries; the server needs all {expected.n_queries}. Scores of a part would be "
            "wrong ones."
        )


def _check_list(where: str, candidates: object, file: ServerFile, known: Collection[str] | None) -> None:
    kind = int if file.numbers else str
    if not isinstance(candidates, list) or len(candidates) != file.k:
        found = len(candidates) if isinstance(candidates, list) else str(candidates)[:40]
        raise PredictionError(f"{where}: expected a list of {file.k} candidates; found {found}.")
    wrong = [one for one in candidates if type(one) is not kind]
    if wrong:
        raise PredictionError(f"{where}: ids must be {'whole numbers' if file.numbers else 'texts'}: {wrong[0]!r}.")
    if len(set(candidates)) != len(candidates):
        twice = next(one for one in candidates if candidates.count(one) > 1)
        raise PredictionError(f"{where}: names {twice!r} twice.")
    unknown = [one for one in candidates if known is not None and str(one) not in known]
    if unknown:
        raise PredictionError(f"{where}: {unknown[0]!r} is no candidate of the task.")


def _content(path: Path, file: ServerFile, lists: Lists) -> dict[str, object]:
    if not file.numbers:
        return {**file.header, **lists}
    wrong = next((name for names in lists.values() for name in names if not NUMBER.fullmatch(name)), None)
    if wrong is not None:
        raise PredictionError(f"{path}: the server takes whole numbers as ids; found {wrong!r}.")
    return {**file.header, **{query: [int(name) for name in names] for query, names in lists.items()}}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise PredictionError(f"{path}: cannot be read ({error.strerror}).") from None


def _read(path: Path) -> Mapping[str, object]:
    try:
        value = read_json(path)
    except DataError as error:
        raise PredictionError(str(error)) from None
    if not isinstance(value, dict):
        raise PredictionError(f"{path}: expected an object of query id -> list of candidate ids.")
    return value
