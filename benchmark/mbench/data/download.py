"""Getting data: from the Hugging Face Hub or plain addresses into the official layout, verified, each file once.

A file of a task lies at `<root>/<source.folder>/<path>`. What is known of the files is kept in the manifest of the
source's folder, and a lock keeps two downloads into it apart.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mbench.core.errors import DownloadError, OutputError, listed
from mbench.core.specs import HubSpec
from mbench.data import hub
from mbench.data.archives import unpack
from mbench.data.catalog import Task
from mbench.data.loading import data_root_of, how_to_get, source_files, verify
from mbench.data.manifest import Listing, Manifest, Unpacked
from mbench.data.names import whole_archives
from mbench.data.patience import Patience, Tell, named_disk_errors
from mbench.data.transfer import receive
from mbench.data.wanted import Get, Wanted, wanted_files

LOCK = ".mbench-lock"
MOST_UNASKED = 5 * 10**9
"""What a run may fetch, in bytes, without being asked to by `mbench fetch`."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to fetch: `offline` never, `with_pictures` large files too, `most` bytes at most."""

    offline: bool = False
    with_pictures: bool = True
    most: int | None = None
    patience: Patience = field(default_factory=Patience)


@dataclass(slots=True)
class Fetched:
    """What was done for a task: files fetched and their bytes, files that were there, archives unpacked."""

    folder: Path
    fetched: int = 0
    bytes: int = 0
    there: int = 0
    unpacked: int = 0


def fetch(task: Task, data_root: Path | None, tell: Tell, wishes: Wishes | None = None) -> Fetched:
    """Bring the data of a task to disk, verified; what is there and right stays as it is. `tell` hears what is done.

    `data_root` None takes $MBENCH_DATA, else a folder below the user's cache. Raises DownloadError, which says which
    file, where from, what went wrong and what to do.
    """
    source = task.spec.source
    if source.shipped:
        return _verified(task)
    folder = data_root_of(data_root) / source.folder
    with named_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder, tell), _manifest(folder, tell) as manifest:
            return _Fetch(task, folder, manifest, tell, wishes or Wishes()).run()


def ensure(task: Task, data_root: Path | None, tell: Tell) -> None:
    """Fetch the tables of a task that are not on disk, if it declares where they are; pictures are left to `fetch`.

    The network is not asked when all are there. Raises DownloadError.
    """
    source = task.spec.source
    if source.shipped or hub.is_offline():
        return
    folder = data_root_of(data_root) / source.folder
    known = wanted_files(source, folder, _known_listing(source.hub, Manifest.read(folder)))
    tables = [one for one in known if not one.is_large]
    packed = any(one.unpack is not None for one in tables)
    lacking = [one for one in tables if one.unpack is None and not (folder / one.path).is_file()]
    lacking = [one for one in lacking if one.origin or packed]
    if not lacking:
        return
    try:
        fetch(task, data_root, tell, Wishes(with_pictures=False, most=MOST_UNASKED))
    except DownloadError as error:
        missing, origin = folder / lacking[0].path, f" (from {lacking[0].origin})" if lacking[0].origin else ""
        raise DownloadError(
            f"{missing}: there is no such file, and it could not be fetched{origin}: {error} {how_to_get(task)}"
        ) from None


class _Fetch:
    """One fetch of one task into its folder, which is locked."""

    def __init__(self, task: Task, folder: Path, manifest: Manifest, tell: Tell, wishes: Wishes) -> None:
        self._task, self._folder, self._manifest = task, folder, manifest
        self._tell, self._wishes = tell, wishes
        self._done = Fetched(folder)

    def run(self) -> Fetched:
        """Download what lacks, unpack what is packed, and check the rest."""
        source = self._task.spec.source
        wanted = wanted_files(source, self._folder, self._listing())
        wanted = [one for one in wanted if self._wishes.with_pictures or not one.is_large]
        lacking = [one for one in wanted if one.get is not None and not self._is_there(one)]
        self._check_allowed(lacking)
        for one in lacking:
            if one.get is not None:
                self._download(one, one.get)
        self._unpack([one for one in wanted if one.unpack is not None])
        self._check_others([one for one in wanted if one.get is None])
        self._done.there = len(wanted) - len(lacking)
        return self._done

    def _listing(self) -> Listing | None:
        spec = self._task.spec.source.hub
        known = _known_listing(spec, self._manifest)
        if spec is None or self._wishes.offline or (known is not None and hub.is_pinned(spec)):
            return known
        found = hub.listing(spec, self._tell, self._wishes.patience)
        self._manifest.repositories[_key(spec)] = found
        return found

    def _is_there(self, one: Wanted) -> bool:
        if self._is_unpacked(one):
            return True
        if not (self._folder / one.path).is_file():
            return False
        return not one.expected.difference(self._manifest.digest(self._folder, one.path))

    def _is_unpacked(self, one: Wanted) -> bool:
        """Tell whether the file is an archive, or a part, that was unpacked and may be gone since."""
        for record in self._manifest.unpacked.values():
            if one.path in record.parts and record.folder == one.unpack and (self._folder / record.folder).is_dir():
                return one.expected.sha256 in (None, record.parts[one.path])
        return False

    def _check_allowed(self, lacking: Sequence[Wanted]) -> None:
        """Refuse before anything is fetched what would end badly: offline, more than wished, more than fits."""
        if not lacking:
            return
        names = listed([one.path for one in lacking], 3)
        if self._wishes.offline:
            raise DownloadError(f"{self._folder} lacks {names}, and fetching is forbidden (--offline, HF_HUB_OFFLINE).")
        size = sum(one.expected.size or 0 for one in lacking)
        if self._wishes.most is not None and size > self._wishes.most:
            raise DownloadError(f"{names}: {readable(size)}, more than a run fetches unasked.")
        free = shutil.disk_usage(self._folder).free
        if size > free:
            raise DownloadError(
                f"{self._folder}: {readable(size)} are to be fetched ({names}), and {readable(free)} are free there. "
                "Make room or choose another folder with --data-root DIR."
            )
        amount = readable(size) if size else "size unknown"
        self._tell(f"{self._task.id}: fetching {names} ({amount}) to {self._folder}")

    def _download(self, one: Wanted, get: Get) -> None:
        digest = receive(one, get, self._folder / one.path, self._tell, self._wishes.patience)
        self._manifest.add(self._folder, one.path, digest)
        self._done.fetched += 1
        self._done.bytes += digest.size

    def _unpack(self, packed: Sequence[Wanted]) -> None:
        by_path = {one.path: one for one in packed if not self._is_unpacked(one)}
        try:
            archives = whole_archives(by_path)
        except ValueError as error:
            raise DownloadError(f"{self._folder}: {error}.") from None
        for name, parts in archives.items():
            target = by_path[parts[0]].unpack or "."
            self._tell(f"{self._task.id}: unpacking {name} to {self._folder / target}")
            contents = unpack([self._folder / part for part in parts], self._folder / target)
            hashes = {part: self._manifest.digest(self._folder, part).sha256 for part in parts}
            self._manifest.unpacked[name] = Unpacked(
                parts=hashes, folder=target, files=contents.files, bytes=contents.bytes
            )
            self._done.unpacked += 1
            self._tell(f"{name}: {contents.files:,} files, {readable(contents.bytes)}; it is not needed any more")

    def _check_others(self, others: Sequence[Wanted]) -> None:
        """Check the files that cannot be fetched, among them those that archives hold."""
        for one in others:
            path = self._folder / one.path
            if not path.is_file() and not self._is_unpacked(one):
                why = "fetching is forbidden" if self._wishes.offline and one.origin else "no address of it is declared"
                raise DownloadError(f"{path}: there is no such file, and {why}. {self._task.spec.source.instructions}")
            if path.is_file() and (problem := one.expected.difference(self._manifest.digest(self._folder, one.path))):
                raise DownloadError(f"{path}: {problem}: it is damaged or of another version.")


def _verified(task: Task) -> Fetched:
    """Verify the files that ship with a task."""
    files = source_files(task, None)
    for one in task.spec.source.files:
        verify(files.path(one.path), one)
    return Fetched(files.root, there=len(task.spec.source.files))


def readable(size: int) -> str:
    """Return a number of bytes as people write it: 1.2 MB."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} bytes"


def _known_listing(spec: HubSpec | None, manifest: Manifest) -> Listing | None:
    return None if spec is None else manifest.repositories.get(_key(spec))


def _key(spec: HubSpec) -> str:
    return f"{spec.repo_type}:{spec.repo}@{spec.revision}"


@contextmanager
def _manifest(folder: Path, tell: Tell) -> Iterator[Manifest]:
    """Give the manifest of a folder and write it back, whatever happens; without it a later fetch takes longer."""
    manifest = Manifest.read(folder)
    try:
        yield manifest
    finally:
        try:
            manifest.write(folder)
        except OutputError as error:
            tell(f"Note: what was verified is not remembered: {error}")


@contextmanager
def _locked(folder: Path, tell: Tell) -> Iterator[None]:
    """Hold the lock of a folder, waiting for whoever else fetches into it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tell(f"{folder}: another mbench is fetching into this folder; waiting for it")
        lock.acquire()
    except PermissionError:
        tell(f"{folder}: cannot be written; its files are only verified")
    try:
        yield
    finally:
        lock.release()
