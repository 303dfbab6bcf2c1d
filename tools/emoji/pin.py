"""Write size, hash and row counts of the shipped Parquet files into the YAML files of the emoji tasks.

Usage: python -m tools.emoji.pin, after the data were built anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq

from mbench.core.files import file_sha256, write_text

TASKS = Path(__file__).resolve().parents[2] / "tasks" / "emoji"
PINNED = re.compile(r"(- path: (\S+)\n +sha256: )[0-9a-f]{64}(\n +bytes: )\d+")
SIZES = re.compile(r"sizes: \{.*\}")


def pinned(path: Path) -> str:
    """The text of a task's YAML file with what its data files are now."""

    def now(match: re.Match[str]) -> str:
        file = path.parent / match[2]
        return f"{match[1]}{file_sha256(file)}{match[3]}{file.stat().st_size}"

    text = PINNED.sub(now, path.read_text(encoding="utf-8"))
    rows = {
        part: pq.read_metadata(path.parent / "data" / f"{path.stem}.{part}.parquet").num_rows
        for part in ("queries", "candidates")
    }
    return SIZES.sub(f"sizes: {{queries: {rows['queries']}, candidates: {rows['candidates']}}}", text)


def main() -> None:
    """Rewrite every task of the suite."""
    for path in sorted(TASKS.glob("emoji-*.yaml")):
        write_text(path, pinned(path))
        print(f"pinned {path.name}")


if __name__ == "__main__":
    main()
