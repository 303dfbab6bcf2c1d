"""Results, cards and a catalogue in memory, as small as a site needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mbench.core.files import write_json
from mbench.core.results import Counts, ModelRef, TaskRef, TaskResult, Value, result_folder
from mbench.core.specs import GroupSpec, ModelCard, TaskSpec
from mbench.data.catalog import Catalog, Group, Task, task_fingerprint
from mbench.publish.collect import collect, sources
from mbench.publish.site import Report, build_site


def task(name: str, **keys: Any) -> Task:
    spec = TaskSpec.model_validate(
        {
            "id": name,
            "version": 1,
            "protocol": "p1",
            "title": f"Small {name}",
            "description": f"What {name} asks.",
            "kind": "control",
            "source": {"loader": "emoji"},
            "query": {"modality": "image"},
            "candidates": {"modality": "text"},
            "metrics": ["recall@1", "recall@5", "recall@10"],
            "primary": "recall@1",
            "slices": ["kind"],
            "license": "MIT",
            "citation": "Somebody, 2025.",
            "traps": ["Mind the `kind`."],
        }
        | keys
    )
    return Task(spec, Path(f"{name}.yaml"), task_fingerprint(spec))


def catalog(*tasks: Task, group: str = "emoji") -> Catalog:
    named = {one.id: one for one in tasks or (task("one"), task("two"))}
    spec = GroupSpec.model_validate(
        {
            "id": group,
            "title": "Small suite",
            "description": "All.",
            "members": list(named),
            "aggregates": [{"name": "mean"}],
        }
    )
    return Catalog(named, {group: Group(spec, Path("group.yaml"))})


def card(name: str, **keys: Any) -> ModelCard:
    known = {"id": name, "modalities": ["text", "image"], "uses_instructions": True, "license": "MIT"}
    return ModelCard.model_validate(known | {"parameters": 2_840_000, "dimension": 128} | keys)


def result(of: Task, model: ModelCard, value: float, **keys: Any) -> TaskResult:
    score = Value(value=value, n=100, low=max(0.0, value - 0.02), high=min(1.0, value + 0.03))
    return TaskResult.model_validate(
        {
            "task": TaskRef(id=of.id, version=of.spec.version, protocol=of.spec.protocol, fingerprint=of.fingerprint),
            "model": ModelRef(id=model.id, revision=model.revision, fingerprint="0" * 16, card=model),
            "metrics": dict.fromkeys(of.spec.keys, score),
            "slices": {"kind": {"place": {"recall@1": score}}},
            "counts": Counts(queries=100, candidates=50, judged=100, skipped=0),
            "diagnostics": {"tied_at_cut@1": 0.125},
            "run": {
                "date": "2025-03-01T10:00:00+00:00",
                "seed": 7,
                "device": "cpu",
                "dtype": "float32",
                "batch_size": 64,
            }
            | {"seconds": {"search": 0.5, "queries": 2.0}, "versions": {"torch": "2.13.0"}, "limit": None},
        }
        | keys
    )


def write(folder: Path, *results: TaskResult) -> None:
    for one in results:
        write_json(result_folder(folder, one.model) / f"{one.task.id}.json", one.model_dump(mode="json"))


def build(output: Path, declared: Catalog, results: Sequence[Path] = (), submissions: Path | None = None) -> Report:
    return build_site(collect(sources(results, submissions)), declared, output)


ONE, TWO = task("one"), task("two")


def small(folder: Path) -> Path:
    """Three models: one on both tasks, one on an older version of a task, one on a single task."""
    write(folder, result(ONE, card("alpha"), 0.25), result(TWO, card("alpha"), 0.5))
    stale = result(TWO, card("beta", parameters=10), 0.9)
    write(
        folder,
        result(ONE, card("beta", parameters=10), 0.75),
        stale.model_copy(update={"task": stale.task.model_copy(update={"fingerprint": "f" * 16})}),
    )
    write(
        folder,
        result(ONE, card("org/gamma", revision="0123456789abcdef0123456789", paper="https://example.org/p"), 0.5),
    )
    return folder


class Html(HTMLParser):
    """The elements of a page: (tag, attributes) in their order, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str]]] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[Mapping[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


class Cells(HTMLParser):
    """The text of the cells of a table, row by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and data.strip():
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()


def rows(page: Path, nth_table: int = 0) -> list[list[str]]:
    """The cells of a page's table, its head first."""
    html = page.read_text(encoding="utf-8")
    return Cells("<table" + html.split("<table")[nth_table + 1].split("</table>")[0]).rows
