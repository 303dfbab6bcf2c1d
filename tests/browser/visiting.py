"""A built site opened in Chromium from file://, as a reader would: what it says on the console, what it asks for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.data import small
from tests.publish.evidence import write_evidence
from tests.publish.sample import build, card, catalog, result

from mbench.data.catalog import Task

REPOSITORY = Path(__file__).resolve().parents[2]
AXE = REPOSITORY / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = Path(os.environ.get("MBENCH_CHROMIUM", "/usr/bin/chromium"))
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
FLAGS += ("--disable-component-update", "--disable-sync")
QUERIES = 40
PICTURES = [{"id": name, "text": None, "tiles": [name], "modality": "image"} for name in ("red", "blue", "white")]
HOSTILE = '"><script>document.title = "broken"</script><img src=x onerror=alert(1)>'


@dataclass
class Visit:
    """A page of the site in a browser, and what it did that it should not do."""

    page: Any
    site: Path
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, path: str) -> Any:
        """Open a page of the site and wait until it has loaded what it needs."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.site.as_uri()}/{path}")
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until nothing is being tested or loaded."""
        self.page.wait_for_load_state("load")
        self.page.locator("[aria-busy]").wait_for(state="detached")

    def strangers(self) -> list[str]:
        """What was asked for outside of the site."""
        return [url for url in self.asked if not url.startswith((self.site.as_uri(), "data:", "about:"))]


def declared(folder: Path) -> tuple[Task, Task]:
    """A task with pictures, a slice and 40 queries, and one with words alone whose pictures are not shown."""
    tasks = []
    for name, keys in (("small", {"pictures_public": True}), ("other", {"title": "Other task"})):
        place = folder / name
        place.mkdir(parents=True)
        queries = [
            small.query(f"q{n:02}", relevant=["red"], target=["red"], tag_kind=["even" if n % 2 == 0 else "odd"])
            for n in range(QUERIES)
        ]
        small.write(place, queries, PICTURES)
        told = {"id": name, "slices": ["kind"], "candidates": {"modality": "image"}}
        tasks.append(small.task(place, **told | keys))
    return tasks[0], tasks[1]


def answers(model: int, n: int) -> list[str]:
    """What a model ranks first for query n: model 0 is right on 3 of 4, model 1 on every second, others never."""
    right = (n % 4 != 3, n % 2 == 0, False)[min(model, 2)]
    return ["red", "blue", "white"] if right else ["blue", "red", "white"]


def make_site(folder: Path) -> Path:
    """Build a site of two tasks and four models, one of which has a hostile name, with the evidence of their runs."""
    tasks = declared(folder / "tasks")
    for place, name in enumerate(("alpha", "beta", "gamma", HOSTILE)):
        for task in tasks:
            tops = {f"q{n:02}": answers(place, n) for n in range(QUERIES)}
            values = {query: float(found[0] == "red") for query, found in tops.items()}
            one = result(task, card(name, parameters=10 ** (6 + place), training_datasets=[]), 0.5)
            write_evidence(folder / "results", one, values, tops)
    build(folder / "site", catalog(*tasks, group="emoji"), [folder / "results"])
    return folder / "site"


def chromium() -> Iterator[Any]:
    """Start Chromium. Without it or Playwright tests fail in CI and are skipped, with the reason, elsewhere."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _lacking("Playwright is not installed: pip install -e '.[browser]'")
    if not CHROMIUM.exists():
        _lacking(f"{CHROMIUM} is not there: install Debian's chromium, or name another by MBENCH_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


def _lacking(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def visit(browser: Any, site: Path, **options: Any) -> Visit:
    """Open a tab; `options` are Playwright's: viewport, color_scheme, java_script_enabled."""
    page = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options).new_page()
    page.set_default_timeout(15_000)
    found = Visit(page, site)
    page.on("console", lambda message: found.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("requestfailed", lambda request: found.complaints.append(f"failed: {request.url}"))
    page.on("request", lambda request: found.asked.append(request.url))
    return found


def violations(page: Any) -> list[str]:
    """What axe-core finds wrong with the page, seriously or worse."""
    if not AXE.is_file():
        _lacking(f"{AXE} is not there: npm install --prefix build/browser axe-core")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then((r) => JSON.stringify(r.violations))")
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in json.loads(found)
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
