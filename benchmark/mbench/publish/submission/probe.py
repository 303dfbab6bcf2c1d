"""Parquet of strangers is read in a process of its own first: Arrow ends the whole process at some damaged footers.

An exception of C++ that nobody catches aborts; Python cannot catch that either. One process reads file after file; when
a file ends it, that file is refused and the next one gets a new process. Its memory is bounded: what a footer does not
tell of is refused there and never read here. Files that are expected are read ahead, while the caller is busy with the
ones before.
"""

from __future__ import annotations

import atexit
import json
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple, cast

from mbench.publish.submission.parquet import ParquetError, read_queries, read_rankings

PATIENCE = 60.0
"""Seconds in which the largest file that is allowed is read many times over."""
MEMORY = 6 * 10**9
"""Bytes of address space of the process: twice what the largest file that is allowed takes."""
ENDS = ParquetError("parquet-unreadable", "not a readable Parquet file: it ends the program that reads it")
AHEAD = 2
"""Files that are asked for at once: the names of so many, however long they are, fit into a pipe."""
RANKING = ".ranking.parquet"
ENDURED = b"endured\n"
READER = (sys.executable, "-m", "mbench.publish.submission.probe")


class FileState(NamedTuple):
    """A file as it was when it was asked about."""

    path: Path
    modified: int
    size: int


class Probe:
    """The process that reads first; it is started when it is needed, and again after it has ended."""

    def __init__(self, command: Sequence[str] = READER) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._read: dict[FileState, ParquetError | None] = {}
        self._expected: deque[FileState] = deque()
        self._asked: deque[FileState] = deque()

    def expect(self, paths: Iterable[Path]) -> None:
        """Read files ahead that will be required soon, in this order."""
        self._expected.clear()
        for path in paths:
            with suppress(OSError):
                self._expected.append(_state(path))
        if self._expected:
            self._ask()

    def require(self, path: Path) -> None:
        """Raise ParquetError for a file that is refused, ends its reader or keeps it busy; OSError for none."""
        state = _state(path)
        if state not in self._read and state not in self._asked:
            self._expected.appendleft(state)
        while state not in self._read:
            self._await_one()
        if (refused := self._read[state]) is not None:
            raise ParquetError(refused.code, str(refused))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self) -> None:
        """Tell the process of the next files, up to what fits into a pipe that nobody reads."""
        asked = cast("IO[bytes]", self._started().stdin)
        while self._expected and len(self._asked) < AHEAD:
            state = self._expected.popleft()
            if state not in self._read and state not in self._asked:
                self._asked.append(state)
                with suppress(BrokenPipeError):  # it has ended: no answer comes, either
                    asked.write(json.dumps(str(state.path)).encode() + b"\n")

    def _await_one(self) -> None:
        """Wait for an answer, which is about the first file that was asked for."""
        self._ask()
        answers = cast("IO[bytes]", self._started().stdout)
        with selectors.DefaultSelector() as selector:
            selector.register(answers, selectors.EVENT_READ)
            answer = answers.readline() if selector.select(PATIENCE) else b""
        self._read[self._asked.popleft()] = _refusal(answer)
        if not answer.endswith(b"\n"):
            self.close()
            self._expected.extendleft(reversed(self._asked))
            self._asked.clear()
            self._ask()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or (not self._asked and self._process.poll() is not None):
            pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
            # Unbuffered: an answer that waits in a buffer here would not be seen by a selector.
            self._process = subprocess.Popen(self._command, bufsize=0, stdin=pipe, stdout=pipe, stderr=nowhere)
        return self._process


def _state(path: Path) -> FileState:
    state = path.stat()
    return FileState(path.absolute(), state.st_mtime_ns, state.st_size)


def _refusal(answer: bytes) -> ParquetError | None:
    if not answer.endswith(b"\n"):
        return ENDS
    return None if answer == ENDURED else ParquetError(*map(str, json.loads(answer)))


@cache
def probe() -> Probe:
    """Return the probe of this process."""
    found = Probe()
    atexit.register(found.close)
    return found


def main() -> None:
    """Read each file named on standard input (a JSON string a line); answer that it is endured or why not."""
    _bound()
    for line in sys.stdin.buffer:
        path = Path(json.loads(line))
        answer = ENDURED
        try:
            read_rankings(path) if path.name.endswith(RANKING) else read_queries(path)
        except ParquetError as error:
            answer = json.dumps([error.code, str(error)]).encode() + b"\n"
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _bound() -> None:
    """Bound the memory, and leave no core files, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    main()
