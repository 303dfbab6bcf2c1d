"""Which submissions a change touches: what in the working tree differs from a commit."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mbench.core.errors import UserError

AT_THE_TOP = frozenset({"README.md", ".gitkeep"})
"""Files that may lie beside the submissions."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The folders of submissions that were added or changed, those that are gone, and files that belong to none."""

    folders: tuple[Path, ...]
    removed: tuple[str, ...]
    strays: tuple[str, ...]


def changes(submissions: Path, base: str) -> Changes:
    """Compare the folder of submissions with the commit `base`; untracked and ignored files count.

    Raises UserError where there is no such commit, or no repository.
    """
    if base.startswith("-"):
        raise UserError(f"--base: {base!r} is no commit.")
    tracked = _git(
        submissions, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--relative", base, "--", "."
    )
    new = _git(submissions, "ls-files", "-z", "--others", "--", ".")
    paths = [path.split("/") for path in (*tracked, *new)]
    inside = sorted({parts[0] for parts in paths if len(parts) > 1 or (submissions / parts[0]).is_symlink()})
    strays = sorted({parts[0] for parts in paths if len(parts) == 1 and parts[0] not in (*AT_THE_TOP, *inside)})
    there = [name for name in inside if os.path.lexists(submissions / name)]
    return Changes(
        tuple(submissions / name for name in there),
        tuple(name for name in inside if name not in there),
        tuple(name for name in strays if os.path.lexists(submissions / name)),
    )


def _git(folder: Path, *words: str) -> list[str]:
    command = ["git", "-C", str(folder), "-c", "core.quotepath=off", "-c", "core.fsmonitor=false", *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace").strip().splitlines() or ["git failed"]
        raise UserError(f"{folder}: cannot be compared with the commit: {said[0]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{folder}: git cannot be run: {error}") from None
    return [os.fsdecode(path) for path in done.stdout.split(b"\0") if path]
