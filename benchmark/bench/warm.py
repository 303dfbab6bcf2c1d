"""Time of a second run, whose embeddings are all stored, as a ratio to the first.

`python benchmark/bench/warm.py [--repeats R] [--only MODEL]` prints one JSON line a model: the median seconds of
`mbench run -t emoji-ctrl` with its embeddings stored ("ours") and with none ("theirs"), each a process of its own that
starts Python, reads the task, searches, scores and writes its results. The models are the embedded `tiny` and a CLIP of
the size of ViT-B/32 with random weights. The second run must encode nothing and find the same numbers, or there is no
figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_clip import VIT_B_32, save_clip

TASK = "emoji-ctrl"
MODELS = ("tiny", "clip")


def main() -> None:
    """Measure every figure and print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--repeats", type=int, default=5, help="warm runs; there is one cold run of `clip`")
    parser.add_argument("--only", choices=MODELS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            if options.only in (None, model):
                print(json.dumps(measured(model, Path(folder) / model, options.repeats)), flush=True)


def measured(model: str, folder: Path, repeats: int) -> dict[str, Any]:
    """Return the figure of one model."""
    arguments = ["-m", model]
    if model == "clip":
        checkpoint = save_clip(folder / "checkpoint", **VIT_B_32)
        arguments += ["--model-args", f"checkpoint={checkpoint}"]
    runs = [run(arguments, folder / "cache 0", folder / "cold 0")]
    for number in range(1, 1 if model == "clip" else repeats):
        runs.append(run(arguments, folder / f"cache {number}", folder / f"cold {number}"))
    warm = [run(arguments, folder / "cache 0", folder / f"warm {number}") for number in range(repeats)]
    for _, result in warm:
        if result["run"]["encoded"] or result["metrics"] != runs[0][1]["metrics"]:
            sys.exit(f"{model}: a second run encoded {result['run']['encoded']} items, or found other numbers")
    ours, theirs = (statistics.median(seconds for seconds, _ in some) for some in (warm, runs))
    return {
        "figure": f"warm/{model}",
        "ratio": round(ours / theirs, 4),
        "ours_seconds": round(ours, 3),
        "theirs_seconds": round(theirs, 3),
        "against": "the first run",
        "task": TASK,
        "items": runs[0][1]["run"]["encoded"],
        "repeats": repeats,
        "cold_runs": len(runs),
    }


def run(arguments: list[str], cache: Path, output: Path) -> tuple[float, dict[str, Any]]:
    """Return the seconds and the result of one run. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", "mbench", "run", "-q", *arguments, "-t", TASK, "--cache", str(cache)]
    start = time.perf_counter()
    subprocess.run([*command, "-o", str(output)], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    (path,) = output.glob(f"*/*/{TASK}.json")
    return seconds, json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
