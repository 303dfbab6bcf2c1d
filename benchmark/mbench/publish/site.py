"""The leaderboard as a folder of static pages: self-contained, and the same bytes for the same results."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mbench.core import resources
from mbench.core.errors import OutputError
from mbench.data.catalog import Catalog
from mbench.publish.aligned import QueryColumns
from mbench.publish.board import Board
from mbench.publish.bulk import many_records
from mbench.publish.collect import Collection, Note
from mbench.publish.columns import read_columns
from mbench.publish.fragments import score_rows, svg_marks, table_rows
from mbench.publish.ledger import Line
from mbench.publish.ledgerview import LedgerView, ledger_view
from mbench.publish.openings import Openings
from mbench.publish.pages import MorePages, more_pages
from mbench.publish.scripts import SiteFile
from mbench.publish.text import LONGEST, clean, prose, safe_url
from mbench.publish.view import SiteView, site_view

MARKER = ".mbench-site"
"""An empty file that says: this folder was built by mbench, so the next build may replace it."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site: its address from the root and its text."""

    path: str
    html: str

    @property
    def content(self) -> bytes:
        """The bytes of its file."""
        return self.html.encode()


@dataclass(frozen=True, slots=True)
class Report:
    """What a build did."""

    folder: Path
    pages: int
    models: int
    tasks: int
    results: int
    broken: tuple[Note, ...]
    left_out: tuple[Note, ...]


@many_records()
def build_site(
    collection: Collection,
    catalog: Catalog,
    output: Path,
    openings: Openings | None = None,
    ledger: Sequence[Line] | None = None,
) -> Report:
    """Render all pages and put them in place of `output`, which stays as it was when anything fails.

    `openings` says which tasks' data the query explorer may show: without, those whose pictures may be published.
    `ledger` makes a page of published and measured numbers.
    Raises OutputError when `output` holds something else than an earlier site, or cannot be written.
    """
    shipped = resources.folder("leaderboard")
    board = Board(collection, catalog)
    openings = openings or Openings(catalog)
    queries = QueryColumns(board, openings)
    view = site_view(board, read_columns(shipped / "columns.yaml"), queries)
    more = more_pages(board, openings, queries)
    damaged = (Note(where, reason) for where, reason in sorted(board.evidence.wrong.items()))
    view = replace(view, broken=(*view.broken, *damaged))
    _check_replaceable(output)
    pages = list(_pages(view, more, shipped / "templates", None if ledger is None else ledger_view(ledger, board)))
    _replace(output, [*pages, *more.files], shipped / "assets")
    measured = {(e.result.task.id, e.result.task.protocol) for e in collection.entries}
    return Report(
        output, len(pages), len(view.models), len(measured), len(collection.entries), view.broken, view.left_out
    )


def _pages(view: SiteView, more: MorePages, templates: Path, ledger: LedgerView | None) -> Iterator[Page]:
    environment = _environment(templates)
    environment.globals["with_ledger"] = ledger is not None

    def render(template: str, path: str, **values: Any) -> Page:
        root = "../" * path.count("/")
        return Page(path, environment.get_template(template).render(site=view, root=root, **values))

    yield render("index.html.j2", "index.html")
    for task in view.tasks:
        explored = next((one.page for one in more.explorers if one.task_page == task.page), "")
        yield render("task.html.j2", task.page, task=task, standings=more.standings.get(task.page), explored=explored)
    for model in view.models:
        yield render("model.html.j2", model.page, model=model)
    yield render("figures.html.j2", "figures.html", figures=more.figures)
    yield render("compare.html.j2", "compare.html", compare=more.compare)
    yield render("explorers.html.j2", "explorer.html", explorers=more.explorers)
    if ledger is not None:
        yield render("ledger.html.j2", "ledger.html", ledger=ledger)
    for explorer in more.explorers:
        yield render("explorer.html.j2", explorer.page, explorer=explorer)


def _environment(templates: Path) -> Any:
    import jinja2

    import mbench

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"safe_url": safe_url, "prose": prose}
    environment.filters |= {"table_rows": table_rows, "score_rows": score_rows, "svg_marks": svg_marks}
    environment.globals["version"] = mbench.__version__
    return environment


def _finalize(value: object) -> object:
    """Clean every string on its way into a page; what templates themselves produced is left alone."""
    if type(value) is not str or (len(value) <= LONGEST and value.isprintable()):
        return value
    return clean(value)


def _check_replaceable(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file; choose a folder for the site with -o.")
    if output.is_dir() and any(output.iterdir()) and not (output / MARKER).is_file():
        raise OutputError(f"{output}: holds files that are no site of mbench; choose another folder with -o.")


def _replace(output: Path, files: Sequence[Page | SiteFile], assets: Path) -> None:
    place = output.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as scratch:
            _write(Path(scratch, "new"), files, assets)
            _swap(Path(scratch, "new"), place, Path(scratch, "old"))
    except OSError as error:
        raise OutputError(f"{output}: cannot be written ({error.strerror or error}).") from None


def _write(folder: Path, files: Sequence[Page | SiteFile], assets: Path) -> None:
    shutil.copytree(assets, folder / "assets", copy_function=shutil.copyfile)
    (folder / MARKER).touch()
    for file in files:
        path = folder / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(file.content)


def _swap(new: Path, place: Path, old: Path) -> None:
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
