"""The table of docs/benchmarks.md from the figures that `make bench` printed.

`python benchmark/bench/table.py FIGURES.jsonl` prints the machine, the versions and a Markdown table. Every ratio is
ours / theirs, of seconds in the same run: below 1 mbench is faster. Lines that are no figures (what make says) are left
out.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

KNOWN = {"figure", "ratio", "times_faster", "ours_seconds", "theirs_seconds", "against", "value", "unit", "seconds"}
LIBRARIES = ("numpy", "torch", "pyarrow")


def main(path: Path) -> None:
    """Print what the file holds."""
    figures = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
    print(f"Measured on {machine()}; {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}.\n")
    compared = [one for one in figures if "theirs_seconds" in one]
    print("| figure | against | ours / theirs | ours, s | theirs, s | of |\n|---|---|---|---|---|---|")
    for one in compared:
        cells = (one["figure"], one["against"], ratio(one), seconds(one, "ours"), seconds(one, "theirs"), sizes(one))
        print(f"| {' | '.join(cells)} |")
    alone = [one for one in figures if "theirs_seconds" not in one]
    if alone:
        print("\n| figure | value |\n|---|---|")
    for one in alone:
        print(f"| {one['figure']} | {value(one)} |")


def machine() -> str:
    """Return processor, cores, memory and system."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    name = names[0].partition(":")[2].strip() if names else platform.machine()
    python = platform.python_version()
    return f"{os.cpu_count()} cores ({name}), {gigabytes:.0f} GB, {platform.system()}, Python {python}"


def ratio(one: dict[str, Any]) -> str:
    """Return ours / theirs with three digits."""
    found = one["ratio"] if "ratio" in one else one["ours_seconds"] / max(one["theirs_seconds"], 1e-9)
    return f"{found:.3g}"


def seconds(one: dict[str, Any], side: str) -> str:
    """Return the median seconds of a side."""
    return f"{one[f'{side}_seconds']:.3g}"


def sizes(one: dict[str, Any]) -> str:
    """Return all that the figure says of what was measured."""
    return ", ".join(f"{key} {told:,}" if isinstance(told, int) else f"{key} {told}" for key, told in rest(one).items())


def rest(one: dict[str, Any]) -> dict[str, Any]:
    """Return the keys that have no column of their own."""
    return {key: told for key, told in one.items() if key not in KNOWN}


def value(one: dict[str, Any]) -> str:
    """Return a figure that is compared with nothing."""
    if "value" in one:
        return f"{one['value']} {one.get('unit', '')}".strip()
    found = {key: told for key, told in one.items() if key != "figure"}
    return ", ".join(f"{key} {told}" for key, told in found.items())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
