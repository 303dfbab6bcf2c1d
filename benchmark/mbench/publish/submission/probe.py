"""Parquet of strangers is read in a process of its own first: Arrow ends the whole process at some damaged footers.

An exception of C++ that nobody catches aborts; Python cannot catch that either. One process reads file after file; when
a file ends it, that file is refused and the next one gets a new process.
"""

from __future__ import annotations

import atexit
import json
import selectors
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, cast

from mbench.publish.submission.parquet import ParquetError, read_queries, read_rankings

PATIENCE = 120.0
"""Seconds in which the largest file that is allowed is read many times over."""
MEMORY = 12 * 10**9
"""Bytes of address space of the process; Arrow reserves much more than it uses."""
RANKING = ".ranking.parquet"
READER = (sys.executable, "-m", "mbench.publish.submission.probe")


class Probe:
    """The process that reads first; it is started when it is needed, and again after it has ended."""

    def __init__(self, command: Sequence[str] = READER) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._survived: dict[tuple[Path, int, int], bool] = {}

    def require(self, path: Path) -> None:
        """Raise ParquetError for a file that ends the reader, or keeps it busy for minutes."""
        state = path.stat()
        key = (path.absolute(), state.st_mtime_ns, state.st_size)
        if key not in self._survived:
            self._survived[key] = self._reads(key[0])
        if not self._survived[key]:
            raise ParquetError("parquet-unreadable", "not a readable Parquet file: it ends the program that reads it")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _reads(self, path: Path) -> bool:
        process = self._started()
        asked, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        with suppress(BrokenPipeError), selectors.DefaultSelector() as selector:
            asked.write(json.dumps(str(path)).encode() + b"\n")
            asked.flush()
            selector.register(answers, selectors.EVENT_READ)
            if selector.select(PATIENCE) and answers.readline():
                return True
        self.close()
        return False

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=nowhere)
        return self._process


@cache
def probe() -> Probe:
    """Return the probe of this process."""
    found = Probe()
    atexit.register(found.close)
    return found


def main() -> None:
    """Read each file named on standard input (a JSON string a line) and answer with a line that it was endured."""
    _bound()
    for line in sys.stdin.buffer:
        path = Path(json.loads(line))
        with suppress(ParquetError):
            read_rankings(path) if path.name.endswith(RANKING) else read_queries(path)
        sys.stdout.buffer.write(b"endured\n")
        sys.stdout.buffer.flush()


def _bound() -> None:
    """Bound the memory, and leave no core files, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
