"""A site whose first page has all that its table can show: groups, protocols, marks, ties, published numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.browser.visiting import HOSTILE
from tests.publish.sample import card, result, task, write

from mbench.core.results import Value
from mbench.core.specs import GroupSpec
from mbench.data.catalog import Catalog, Group
from mbench.publish.collect import collect, sources
from mbench.publish.site import build_site

PUBLISHED = [{"model": "Paper model", "metric": "recall@1", "value": 0.999, "source": "https://example.org/paper"}]
ONE = task("one", title="Suite one", citation="@misc{one,\n  title = {One}\n}")
TWO = task("two", title="Suite two", datasets=["COCO"])
FAR = task("far", title="Far away", protocol="p2", reference_scores=PUBLISHED)
MODELS: dict[str, dict[str, Any]] = {
    "alpha": {"parameters": 50_000_000, "license": "MIT"},
    "beta": {"parameters": 400_000_000, "license": "Apache-2.0", "open_weights": False},
    "gamma": {"parameters": 7_000_000_000, "license": "MIT", "training_datasets": ["COCO"]},
    "delta": {"parameters": None, "license": "MIT", "modalities": ["text", "image", "image+text"]},
    HOSTILE: {"parameters": 1, "license": "=1+1", "training_datasets": []},
}
SCORES = {"alpha": (0.5, 0.2, 0.7), "beta": (0.49, 0.6, 0.3), "gamma": (0.3, 0.9, None), "delta": (0.1, None, 0.65)}


def group(name: str, title: str, *members: str) -> Group:
    told = {"id": name, "title": title, "description": f"What {title} asks.", "members": list(members)}
    return Group(GroupSpec.model_validate(told | {"aggregates": [{"name": "mean"}]}), Path(f"{name}.yaml"))


def make_board(folder: Path) -> Path:
    """Build the site: five models, three tasks in two groups; delta's run of the second task was limited."""
    for place, (name, keys) in enumerate(MODELS.items()):
        for of, value in zip((ONE, TWO, FAR), SCORES.get(name, (0.05, 0.05, 0.05)), strict=True):
            date = {"date": f"2025-0{place + 1}-01T00:00:00+00:00"}
            if value is not None:
                write(folder / "results", result(of, card(name, **keys), value, run=date))
    score = Value(value=0.95, n=10, low=0.9, high=1.0)
    limited = result(TWO, card("delta", **MODELS["delta"]), 0.9, metrics={"recall@1": score}, partial=True)
    write(folder / "results", limited)
    tasks = {one.id: one for one in (ONE, TWO, FAR)}
    groups = {one.id: one for one in (group("emoji", "Suite", "one", "two"), group("far-off", "Far", "far"))}
    found = collect(sources([folder / "results"], None))
    states = {"alpha": "recomputed", "beta": "server", "gamma": "not recomputed"}
    entries = tuple(replace(one, status=states.get(one.result.model.id, "")) for one in found.entries)
    build_site(replace(found, entries=entries), Catalog(tasks, groups), folder / "site")
    return folder / "site"
