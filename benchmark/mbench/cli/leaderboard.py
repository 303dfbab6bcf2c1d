"""`mbench leaderboard`: results and submissions made into a static site, and a look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mbench.core.errors import CheckFailedError, listed

if TYPE_CHECKING:
    from mbench.publish.site import Report

SITE = Path("leaderboard/site")
RESULTS = Path("results")
SUBMISSIONS = Path("submissions")

app = typer.Typer(no_args_is_help=True, help="Build and look at the leaderboard.")


@app.command()
def build(
    results: Annotated[
        list[Path] | None,
        typer.Option("--results", metavar="DIR", help="A folder of results; repeatable. Default: results, if there."),
    ] = None,
    submissions: Annotated[
        Path | None,
        typer.Option("--submissions", metavar="DIR", help="A folder of submissions. Default: submissions, if there."),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where the site goes; replaced as a whole.")
    ] = SITE,
    task_dir: Annotated[
        list[Path] | None, typer.Option("--task-dir", metavar="DIR", help="A folder of more tasks; repeatable.")
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", metavar="DIR", help="Folder of the data sets. Default: $MBENCH_DATA.")
    ] = None,
    private_pictures: Annotated[
        bool,
        typer.Option("--private-pictures", help="Show pictures that may not be published: for your own eyes only."),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a file is broken.")] = False,
) -> None:
    """Build the static site from all results."""
    from mbench.data.catalog import Catalog
    from mbench.publish.bulk import many_records
    from mbench.publish.collect import collect, sources
    from mbench.publish.ledger import ledger
    from mbench.publish.ledger_spec import read_ledger
    from mbench.publish.openings import Openings
    from mbench.publish.site import build_site
    from mbench.publish.submission import Judge

    folders = sources(
        results if results else [RESULTS] * RESULTS.is_dir(),
        submissions or (SUBMISSIONS if SUBMISSIONS.is_dir() else None),
    )
    catalog = Catalog.read(task_dir or [])
    with many_records():
        collection = collect(folders, Judge(catalog, data_root, lenient=True))
        lines = ledger(collection, catalog, read_ledger(catalog))
        report = build_site(collection, catalog, output, Openings(catalog, data_root, private_pictures), lines)
    _tell(report)
    if strict and report.broken:
        raise CheckFailedError(f"Broken files: {listed(_one_line(note.where) for note in report.broken)}.")


def _tell(report: Report) -> None:
    for note in report.broken:
        hides = " (hides the whole submission)" if note.hidden else ""
        typer.echo(_one_line(f"Broken: {note.where}: {note.reason}{hides}"), err=True)
    for note in report.left_out:
        typer.echo(_one_line(f"Left out: {note.where}: {note.reason}"), err=True)
    typer.echo(
        f"{report.folder / 'index.html'}: {_count(report.results, 'result')} of {_count(report.models, 'model')} on "
        f"{_count(report.tasks, 'task')}, {_count(report.pages, 'page')}."
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _one_line(text: str) -> str:
    """Return words with others' file names in them so that a name cannot begin a line, or colour it."""
    from mbench.publish.text import clean

    return " ".join(clean(text).splitlines())


@app.command()
def serve(
    site: Annotated[Path, typer.Argument(metavar="DIR", help="The built site.")] = SITE,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8000,
) -> None:
    """Show a built site at an address of this machine."""
    from mbench.publish.serve import serve_site

    serve_site(site, port, lambda address: typer.echo(f"{address} (Ctrl-C ends)"))
