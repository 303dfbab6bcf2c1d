"""A union pool of M-BEIR's size searched within --memory 2GB, with embeddings made elsewhere.

`python benchmark/bench/scale.py make FOLDER` writes random embeddings, float16 [5,609,079, 256], for the synthetic pool
that `mbeir_pool.py make FOLDER` wrote. `... run FOLDER` evaluates 2,000 queries with them by `mbench run` and prints
its seconds by phase and its peak memory: `anonymous` is what the process holds, `resident` also counts mapped pages of
files, which the system takes back when it needs them. Run it inside a memory-limited control group to see that.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

TASK, SETTING = "mbeir-cirr-task7", "cirr_task7"
DIMENSION, QUERIES, PIECE = 256, 2000, 100_000
EVERY = 0.05
"""Seconds between two looks at the memory of a process."""


def main() -> None:
    """Make the embeddings, or run with them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("action", choices=["make", "run"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--memory", default="2GB")
    options = parser.parse_args()
    if options.action == "make":
        make(options.folder)
    else:
        run(options.folder, options.memory)


def make(folder: Path) -> None:
    """Write `folder/union.npz` with the ids of the pool, in its order."""
    query_ids = ids(next(folder.rglob(f"mbeir_{SETTING}_test.jsonl")), "qid")
    candidate_ids = ids(next(folder.rglob("mbeir_union_test_cand_pool.jsonl")), "did")
    random = np.random.default_rng(0)
    queries = random.standard_normal((len(query_ids), DIMENSION), dtype=np.float32).astype(np.float16)
    with zipfile.ZipFile(folder / "union.npz", "w", zipfile.ZIP_STORED) as archive:
        for name, array in (("query_ids", query_ids), ("query_embeddings", queries), ("candidate_ids", candidate_ids)):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array)
        with archive.open("candidate_embeddings.npy", "w", force_zip64=True) as file:
            shape = (len(candidate_ids), DIMENSION)
            header = {"descr": "<f2", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for start in range(0, len(candidate_ids), PIECE):
                rows = min(PIECE, len(candidate_ids) - start)
                vectors = random.standard_normal((rows, DIMENSION), dtype=np.float32)
                file.write(vectors.astype(np.float16).tobytes())


def ids(path: Path, key: str) -> np.ndarray:
    """Return the ids of a JSON Lines file."""
    pattern = re.compile(rf'"{key}": ?"([^"]*)"')
    with path.open() as file:
        return np.array([found[1] for line in file if (found := pattern.search(line))])


def run(folder: Path, memory: str) -> None:
    """Run once to make the tables (not measured), then again, and print a figure."""
    with tempfile.TemporaryDirectory() as out:
        for measured in (False, True):
            process = subprocess.Popen(command(folder, memory, Path(out), measured))
            peaks = peaks_of(process)
            if process.returncode:
                raise SystemExit(process.returncode)
        result = json.loads(next(Path(out).rglob(f"{TASK}.json")).read_text())
    seconds = {key: round(value, 1) for key, value in result["run"]["seconds"].items()}
    size = {"candidates": result["counts"]["candidates"], "dimension": DIMENSION, "queries": QUERIES}
    print(json.dumps({"figure": f"scale/{TASK} with --memory {memory}"} | size | {"seconds": seconds} | peaks))


def command(folder: Path, memory: str, out: Path, measured: bool) -> list[str]:
    """Return the run: of two queries to make the tables, or of all that are measured."""
    asked = ["run", "-m", "precomputed", "--model-args", f"path={folder / 'union.npz'}", "-t", TASK]
    places = ["--data-root", str(folder), "--cache", str(folder / "cache"), "-o", str(out)]
    limits = ["--limit", str(QUERIES if measured else 2), "--memory", memory]
    return [str(Path(sys.executable).with_name("mbench")), *asked, *places, *limits, "--offline", "-q", "--overwrite"]


def peaks_of(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Return the largest gigabytes that a process held until it ended."""
    peaks = {"anonymous_gb": 0.0, "resident_gb": 0.0}
    while process.poll() is None:
        told = dict(held(process.pid))
        peaks["anonymous_gb"] = max(peaks["anonymous_gb"], told.get("RssAnon", 0.0))
        peaks["resident_gb"] = max(peaks["resident_gb"], told.get("VmRSS", 0.0))
        time.sleep(EVERY)
    return {name: round(value, 2) for name, value in peaks.items()}


def held(pid: int) -> Iterator[tuple[str, float]]:
    """Yield what Linux tells of a process' memory, in gigabytes."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name.startswith(("Rss", "VmRSS")):
            yield name, int(rest.split()[0]) * 1024 / 1e9


if __name__ == "__main__":
    main()
