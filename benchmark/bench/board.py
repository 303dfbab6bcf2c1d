"""How large and how fast the leaderboard is with many models and tasks: one JSON line a figure.

python benchmark/bench/board.py make DIR [MODELS TASKS]    a site of made-up results below DIR (default 100 x 60)
python benchmark/bench/board.py measure DIR                weight, and times in Chromium (needs Playwright)
python benchmark/bench/board.py                            both, for 100 x 60 and 500 x 100
"""

from __future__ import annotations

import gzip
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mbench.core.files import write_json
from mbench.core.results import Counts, ModelRef, TaskRef, TaskResult, Value, result_folder
from mbench.core.specs import ModelCard
from mbench.data.catalog import Catalog, Task, task_fingerprint
from mbench.publish.bulk import many_records
from mbench.publish.collect import collect, sources
from mbench.publish.site import build_site

CHROMIUM = "/usr/bin/chromium"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
WORDS = ("lynx", "heron", "osprey", "marten", "plover", "ibex", "tern", "vole", "kite", "dunlin", "stoat", "wren")
LICENCES = ("Apache-2.0", "MIT", "CC-BY-NC-4.0", "BSD-3-Clause")
TRIALS = 7


def made_catalog(n_tasks: int) -> Catalog:
    """Return the shipped catalogue cut to `n_tasks`, or grown by copies of its tasks under other names."""
    shipped = Catalog.read()
    tasks = dict(list(shipped.all_tasks.items())[:n_tasks])
    for n, task in enumerate(list(shipped.all_tasks.values())[: max(0, n_tasks - len(tasks))]):
        spec = task.spec.model_copy(update={"id": f"more-{n}", "title": f"More {n}"})
        tasks[spec.id] = Task(spec, task.path, task_fingerprint(spec))
    kept = set(tasks)
    groups = {
        name: group for name, group in shipped.all_groups.items() if {task.id for task in shipped.tasks([name])} <= kept
    }
    return Catalog(tasks, groups)


def made_card(n: int, rng: np.random.Generator) -> ModelCard:
    """Return the card of a model that nobody has."""
    name = f"{WORDS[n % len(WORDS)]}-{WORDS[(n // len(WORDS) + 3) % len(WORDS)]}-{n}"
    return ModelCard(
        id=f"lab-{n % 17}/{name}",
        modalities=["text", "image", "image+text"] if n % 3 else ["text", "image"],
        uses_instructions=bool(n % 2),
        dimension=int(2 ** rng.integers(8, 13)),
        parameters=int(10 ** rng.uniform(7, 10)),
        license=LICENCES[n % len(LICENCES)],
        open_weights=n % 5 > 0,
        revision=f"{rng.integers(2**60):016x}",
        training_datasets=None if n % 4 == 0 else ["COCO"] if n % 4 == 1 else [],
    )


def made_results(catalog: Catalog, n_models: int) -> Iterator[TaskResult]:
    """Yield results: a model has an ability, a task a difficulty; one in ten is missing."""
    rng = np.random.default_rng(0)
    for n in range(n_models):
        card = made_card(n, rng)
        model = ModelRef(id=card.id, revision=card.revision, fingerprint="0" * 16, card=card)
        ability = rng.normal(0.0, 0.8)
        for place, task in enumerate(catalog.all_tasks.values()):
            if rng.random() < 0.1:
                continue
            share = float(1 / (1 + np.exp(-(ability + np.sin(place) + rng.normal(0, 0.3)))))
            wide = float(np.sqrt(share * (1 - share) / 1000))
            score = Value(value=share, n=1000, low=max(0.0, share - 2 * wide), high=min(1.0, share + 2 * wide))
            spec = task.spec
            yield TaskResult(
                task=TaskRef(id=spec.id, version=spec.version, protocol=spec.protocol, fingerprint=task.fingerprint),
                model=model,
                metrics=dict.fromkeys(spec.keys, score),
                counts=Counts(queries=1000, candidates=5000, judged=1000, skipped=0),
                run={"date": f"2025-{1 + n % 12:02}-11T10:00:00+00:00", "device": "cpu", "dtype": "float32"},
            )


def make(folder: Path, n_models: int, n_tasks: int) -> None:
    """Build the site of `n_models` x `n_tasks` made-up results as `folder`/site; print how long it took."""
    catalog = made_catalog(n_tasks)
    for one in made_results(catalog, n_models):
        write_json(result_folder(folder / "results", one.model) / f"{one.task.id}.json", one.model_dump(mode="json"))
    start = time.perf_counter()
    with many_records():
        build_site(collect(sources([folder / "results"], None)), catalog, folder / "site")
    tell(f"build of {n_models} x {n_tasks}", time.perf_counter() - start, "s")


def measure(folder: Path) -> None:
    """Print the weight of the first page with all that it loads, and times of a visit."""
    from playwright.sync_api import sync_playwright

    site = folder / "site"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(f"{(site / 'index.html').as_uri()}#view=all")
        files = {Path(url.removeprefix("file://").partition("#")[0]) for url in loaded if url.startswith("file:")}
        tell("weight, gzipped", sum(len(gzip.compress(one.read_bytes(), 9)) for one in files) / 1000, "kB")
        tell("weight", sum(one.stat().st_size for one in files) / 1000, "kB")
        tell("until usable", visits(page), "ms")
        for name in ("card.parameters", "name"):
            tell(f"sort by {name}, until drawn", sorting(page, name), "ms")
        tell("filter by text, until drawn", statistics.median(page.evaluate(FILTER) for _ in range(TRIALS)), "ms")
        browser.close()


DRAWN = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
"""A frame has been laid out and painted."""
SORT = f"""async (id) => {{
  const start = performance.now();
  document.querySelector(`[data-sort="${{id}}"]`).click();
  {DRAWN}
  return performance.now() - start;
}}"""
FILTER = f"""async () => {{
  const input = document.querySelector("input[name=q]");
  input.value = input.value ? "" : "heron";
  const start = performance.now();
  input.dispatchEvent(new Event("input", {{ bubbles: true }}));
  {DRAWN}
  return performance.now() - start;
}}"""


def visits(page: Any) -> float:
    """Return the milliseconds from asking for the page until its table is drawn; the median of some visits."""
    times = []
    for _ in range(TRIALS):
        page.reload()
        page.wait_for_function("document.querySelector('#board tbody tr')")
        times.append(float(page.evaluate(f"(async () => {{ {DRAWN} return performance.now(); }})()")))
    return statistics.median(times)


def sorting(page: Any, name: str) -> float:
    """Return the milliseconds of a sort, layout and paint included; the median of some."""
    return statistics.median(float(page.evaluate(SORT, name)) for _ in range(TRIALS))


def tell(what: str, value: float, unit: str) -> None:
    """Print a figure."""
    print(json.dumps({"figure": f"leaderboard: {what}", "value": round(value, 1), "unit": unit}), flush=True)


def main(arguments: list[str]) -> None:
    """Run what the command line asks for; see the head of this file."""
    if arguments:
        folder, sizes = Path(arguments[1]), [int(one) for one in arguments[2:]] or [100, 60]
        make(folder, *sizes) if arguments[0] == "make" else measure(folder)
        return
    for n_models, n_tasks in ((100, 60), (500, 100)):
        with tempfile.TemporaryDirectory() as made:
            make(Path(made), n_models, n_tasks)
            measure(Path(made))


if __name__ == "__main__":
    main(sys.argv[1:])
