"""What to do when the network or the disk says no: try again, as long as that can help, or name what is wrong."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from mbench.core.errors import DownloadError

Tell = Callable[[str], None]
T = TypeVar("T")

BUSY = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes of servers that may answer later."""
LOOK_UP = 5.0
"""Seconds after which a host's name counts as not found."""
UNREACHABLE = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH)
DISK = {
    errno.ENOSPC: "there is no space left on its disk",
    errno.EDQUOT: "your quota of its disk is used up",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
    errno.EROFS: "its disk cannot be written",
    errno.EIO: "its disk has a fault",
    errno.EFBIG: "the file is larger than its disk allows",
    errno.ENAMETOOLONG: "a name is longer than its disk allows",
    errno.ENOTDIR: "a file lies where a folder is needed",
    errno.EEXIST: "a file lies where a folder is needed",
    errno.EISDIR: "a folder lies where a file is needed",
    errno.ENOENT: "it is gone",
}


class TransientError(Exception):
    """What failed and may succeed when it is tried again.

    `wait` is what the server asks for, in seconds; `reached` how many bytes of a file are there; `away` tells that
    there was no connection at all.
    """

    def __init__(self, reason: str, wait: float | None = None, reached: int = 0, away: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.reached, self.away = wait, reached, away


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried without progress, and how many seconds lie between: `first`, doubling.

    A server that asks for a longer wait gets it, up to `longest`. One that cannot be reached is tried `away` times.
    """

    tries: int = 5
    first: float = 1.0
    longest: float = 300.0
    away: int = 2

    def wait(self, tried: int, asked: float | None) -> float:
        """Return the seconds to wait after so many tries."""
        return min(self.longest, max(self.first * 2.0 ** (tried - 1), asked or 0.0))


def patiently(work: Callable[[], T], what: str, tell: Tell, patience: Patience) -> T:
    """Return what `work` returns, trying again after each TransientError; `tell` hears of every wait.

    Tries that got further than all before do not count. Raises DownloadError when patience is at its end.
    """
    tried, furthest = 0, 0
    while True:
        try:
            return work()
        except TransientError as problem:
            tried = 1 if problem.reached > furthest else tried + 1
            furthest = max(furthest, problem.reached)
            if tried >= (patience.away if problem.away else patience.tries):
                raise DownloadError(f"{what}: {problem} (tried {tried} times). Try again later.") from None
            wait = patience.wait(tried, problem.wait)
            tell(f"{what}: {problem}; trying again in {wait:.0f} s")
            time.sleep(wait)


def asked_wait(headers: Mapping[str, str] | Message) -> float | None:
    """Return the seconds that a server's Retry-After asks for, which may be a number or a date."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def find_host(url: str) -> None:
    """Raise TransientError when the name of the host cannot be found, which may take minutes without a network.

    Behind a proxy, which looks names up itself, nothing is done.
    """
    host = urlsplit(url).hostname or ""
    if not getproxies() and not _is_found(host, int(time.monotonic() // 60)):
        raise TransientError(f"no connection (the name {host!r} cannot be found)", away=True)


@lru_cache(maxsize=64)
def _is_found(host: str, minute: int) -> bool:
    """`minute` is there for the cache alone: the next one brings a new answer."""
    found: list[bool] = []

    def look_up() -> None:
        with suppress(OSError):
            found.append(bool(socket.getaddrinfo(host, None)))

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(LOOK_UP)
    return bool(found)


def is_away(error: BaseException) -> bool:
    """Tell whether an error, or what caused it, means that there was no connection at all."""
    cause: BaseException | None = error
    for _ in range(10):
        reason = getattr(cause, "reason", None)
        for one in (cause, reason):
            if isinstance(one, socket.gaierror) or (isinstance(one, OSError) and one.errno in UNREACHABLE):
                return True
        cause = cause and (cause.__cause__ or cause.__context__)
    return False


def is_disk_error(error: BaseException) -> bool:
    """Tell whether an error comes from the disk and not from the network."""
    return isinstance(error, OSError) and error.errno in DISK


@contextmanager
def named_disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into a DownloadError that says what, where, and what to do."""
    try:
        yield
    except OSError as error:
        reason = DISK.get(error.errno or 0, error.strerror or str(error))
        raise DownloadError(
            f"{error.filename or folder}: {reason}. Make room or choose another folder with --data-root DIR; "
            "what has arrived is kept."
        ) from None
