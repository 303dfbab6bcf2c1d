"""Train both embedded models, several seeds each, and ship the best: `python -m tools.tiny.train`.

Two processes of one thread run at a time, at low priority. The same seeds on the same machine give the same weights.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from safetensors.torch import load_file, save_file

from tools.emoji.render import render_style
from tools.tiny.drawings import RENDER_PX, STYLES
from tools.tiny.report import Run, Shipped, write_readme

WEIGHTS = Path("benchmark/mbench/models/weights")
FILES = {"tiny": "tiny.safetensors", "tiny-dual": "tiny_dual.safetensors"}
VERSION = "1"
STEM_STEPS, STEPS, SEEDS = 1600, 900, (0, 1)
AT_ONCE = 2
# glibc keeps freed memory instead of returning it to the system and fetching it back at every step.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "8589934592"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="of the second stage")
    parser.add_argument("--stem-steps", type=int, default=STEM_STEPS, help="of the first stage")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--build", type=Path, default=Path("build/tiny"), help="where the runs are kept")
    parser.add_argument("-o", "--output", type=Path, default=WEIGHTS)
    return parser.parse_args()


def _launch(what: str, output: Path, steps: int, seed: int, *more: str) -> None:
    """Run one training process to its end; its words go to `<output>.log`. Raises RuntimeError when it fails."""
    command = [sys.executable, "-m", "tools.tiny.run", what, "--steps", str(steps), "--seed", str(seed)]
    with output.with_suffix(".log").open("w", encoding="utf-8") as log:
        done = subprocess.run(
            [*command, "-o", str(output), *more],
            check=False,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT},
        )
    if done.returncode:
        raise RuntimeError(f"{what}, seed {seed}, ended with code {done.returncode}; see {log.name}.")


def _fit(model: str, seed: int, steps: int, build: Path) -> Run:
    output = build / f"{model}-{seed}.safetensors"
    _launch(model, output, steps, seed, "--stem", str(build / "stem.safetensors"))
    run = Run(**json.loads(output.with_suffix(".json").read_text("utf-8")))
    print(f"{model} seed {seed}: validation {run.score:.4f}, {run.seconds} s", flush=True)
    return run


def _ship(runs: Sequence[Run], model: str, build: Path, output: Path) -> Shipped:
    """Copy the best run's weights, with the run's record as metadata."""
    best = max((run for run in runs if run.model == model), key=lambda run: run.score)
    path = output / FILES[model]
    record = {"version": VERSION, "model": model, "seed": best.seed, "steps": best.steps}
    figures = {"validation": round(best.score, 4), **{name: round(v, 4) for name, v in best.families.items()}}
    metadata = {name: str(value) for name, value in (record | figures).items()}
    save_file(load_file(build / f"{model}-{best.seed}.safetensors"), path, metadata=metadata)
    path.chmod(0o644)
    return Shipped(path, best)


def main() -> None:
    """Both stages, all seeds, then the weights and their README."""
    given = _arguments()
    given.build.mkdir(parents=True, exist_ok=True)
    for style in STYLES:
        render_style(style, RENDER_PX)
    _launch("stem", given.build / "stem.safetensors", given.stem_steps, 0)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(_fit, model, seed, given.steps, given.build) for seed, model in product(given.seeds, FILES)]
        runs = sorted((job.result() for job in jobs), key=lambda run: (list(FILES).index(run.model), run.seed))
    shipped = [_ship(runs, model, given.build, given.output) for model in FILES]
    write_readme(given.output / "README.md", runs, shipped, given.stem_steps)


if __name__ == "__main__":
    main()
