"""A process that imports mbench once and forks a child for each run of the command line, to be killed at any moment.

Jobs come as JSON lines on standard input, answers leave as JSON lines on standard output. A job has `argv` (without
`mbench`), `at` (phase and number of the event at which a signal ends the child; null for none), `signal`, `after` (the
seconds after which it is killed), `log` (a file that gets the number of items of every batch that was encoded) and
`times` (how many children run at once).

Events are the calls and returns of Python and C functions in the child's main thread, as `sys.setprofile` tells them,
so that a kill comes between any two of them. Nothing in mbench knows of it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TextIO

SHARD_ROWS = 64
"""Small, so that even a small run writes many shards."""


class Killer:
    """Counts events by phase, and sends a signal to its own process at a chosen one."""

    def __init__(self, phases: dict[CodeType, str], at: list[Any] | None, number: int) -> None:
        self.phases, self.number = phases, number
        self.at = None if at is None else (at[0], at[1])
        self.stack: list[str] = []
        self.counts: Counter[str] = Counter()

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        phase = self.phases.get(frame.f_code) if event in ("call", "return") else None
        if phase is not None and event == "call":
            self.stack.append(phase)
        if self.stack:
            now = self.stack[-1]
            self.counts[now] += 1
            if self.at == (now, self.counts[now]):
                os.kill(os.getpid(), self.number)
        if phase is not None and event == "return" and self.stack:
            self.stack.pop()


def phases() -> dict[CodeType, str]:
    """What a run does, by the function that does it; the inner one counts."""
    from mbench.core.results import write_result
    from mbench.retrieval.encode import embed
    from mbench.retrieval.shards import write_shard
    from mbench.run.steps import ranked, scored

    functions = {
        "encoding": embed,
        "writing": write_shard,
        "search": ranked,
        "metrics": scored,
        "results": write_result,
    }
    return {function.__code__: name for name, function in functions.items()}


def child(job: dict[str, Any], outcome: Path) -> None:
    """Run the command line; leave exit code, counts and what was printed in `outcome`."""
    from mbench.retrieval import assembly, encode
    from mbench.run import task

    assembly.SHARD_ROWS = SHARD_ROWS
    killer = Killer(phases(), job.get("at"), job.get("signal") or signal.SIGKILL)
    if job.get("log"):
        encode.encode_backing_off = logged(encode.encode_backing_off, Path(job["log"]))
    task.prepared = watched(task.prepared, killer)
    code = command(job["argv"], outcome.with_suffix(".txt"))
    outcome.write_text(json.dumps({"code": code, "counts": killer.counts}))


def command(argv: list[str], printed: Path) -> object:
    """Run `mbench ARGV`; return its exit code."""
    from mbench.cli.main import main

    file = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["mbench", *argv]
    try:
        main()
    except SystemExit as error:
        return error.code
    finally:
        sys.setprofile(None)
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def watched(prepared: Any, killer: Killer) -> Any:
    """Return `prepared`, after which events count: loading writes nothing, and takes long when watched.

    The embedded models read their weights when they first embed something.
    """
    from mbench.core.types import Item

    def call(task: Any, settings: Any, encoder: Any) -> Any:
        data = prepared(task, settings, encoder)
        encoder.encode([Item("first", text="a word")], role="query")
        sys.setprofile(killer)
        return data

    return call


def logged(function: Any, log: Path) -> Any:
    """Return `function`, which notes in `log` how many items it has encoded."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def encode_backing_off(encoder: Any, items: list[Any], *args: Any, **kwargs: Any) -> Any:
        vectors = function(encoder, items, *args, **kwargs)
        os.write(file, b"%d\n" % len(items))
        return vectors

    return encode_backing_off


def fork(job: dict[str, Any], outcome: Path) -> int:
    """Start a child for a job; return its process id."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            child(job, outcome)
            status = 0
        finally:
            os._exit(status)
    return process


def done(process: int, outcome: Path) -> dict[str, Any]:
    """Wait for a child; return the signal that ended it, or what it left."""
    status = os.waitpid(process, 0)[1]
    printed = outcome.with_suffix(".txt").read_text(errors="replace")
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status), "code": None, "counts": {}, "printed": printed}
    if not outcome.exists():
        return {"signal": None, "code": "crashed", "counts": {}, "printed": printed}
    return {"signal": None, "printed": printed, **json.loads(outcome.read_text())}


def serve(jobs: TextIO, answers: int) -> None:
    """Answer jobs until there are no more. The first run warms what the children share."""
    with tempfile.TemporaryDirectory() as folder:
        command(
            ["run", "-m", "tiny", "-t", "emoji-ctrl", "--limit", "8", "--no-cache", "-o", folder],
            Path(folder) / "printed.txt",
        )
    os.write(answers, b"ready\n")
    for line in jobs:
        job = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            outcomes = [Path(folder) / f"{number}.json" for number in range(job.get("times", 1))]
            processes = [fork(job, outcome) for outcome in outcomes]
            if job.get("after") is not None:
                time.sleep(job["after"])
                os.kill(processes[0], signal.SIGKILL)
            found = [done(process, outcome) for process, outcome in zip(processes, outcomes, strict=True)]
        os.write(answers, json.dumps(found).encode() + b"\n")


if __name__ == "__main__":
    serve(sys.stdin, os.dup(1))
