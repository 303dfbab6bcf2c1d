"""`mbench ledger`: published numbers against measured ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mbench.core.errors import EXIT_DONE, CheckFailedError, UserError, listed

RESULTS = Path("results")
SUBMISSIONS = Path("submissions")


def ledger_command(
    results: Annotated[
        list[Path] | None,
        typer.Option("--results", metavar="DIR", help="A folder of results; repeatable. Default: results, if there."),
    ] = None,
    submissions: Annotated[
        Path | None,
        typer.Option("--submissions", metavar="DIR", help="A folder of submissions. Default: submissions, if there."),
    ] = None,
    declared: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Names and tolerances, in place of the shipped ledger.yaml.")
    ] = None,
    task_dir: Annotated[list[Path] | None, typer.Option(help="More folders with task files.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a measured number lies outside.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown on standard output.")] = False,
) -> int:
    """Show every published number beside what was measured: difference, interval, and the declared reason."""
    from mbench.cli.sheets import print_sheets
    from mbench.data.catalog import Catalog
    from mbench.publish.collect import collect, sources
    from mbench.publish.ledger import ledger, outside
    from mbench.publish.ledger_spec import read_ledger
    from mbench.publish.ledger_text import as_json as as_values
    from mbench.publish.ledger_text import notes, sheets
    from mbench.publish.plain import markdown

    if as_json and as_markdown:
        raise UserError("--json and --markdown: choose one of them.")
    catalog = Catalog.read(task_dir or [])
    folders = sources(
        results if results else [RESULTS] * RESULTS.is_dir(),
        submissions or (SUBMISSIONS if SUBMISSIONS.is_dir() else None),
    )
    collection = collect(folders)
    for note in collection.broken:
        typer.echo(f"Broken: {note.where}: {note.reason}", err=True)
    lines = ledger(collection, catalog, read_ledger(catalog, declared))
    if as_json:
        typer.echo(json.dumps(as_values(lines), indent=2, ensure_ascii=False, allow_nan=False))
    elif as_markdown:
        typer.echo(markdown(sheets(lines), notes(lines)), nl=False)
    else:
        print_sheets(sheets(lines), notes(lines))
    wrong = [f"{one.task} {one.published.metric} of {one.model}" for one in outside(lines)]
    if strict and (wrong or collection.broken):
        broken = [note.where for note in collection.broken]
        raise CheckFailedError(f"Outside interval and tolerance: {listed(wrong) or 'none'}; broken files: "
                               f"{listed(broken) or 'none'}.")  # fmt: skip
    return EXIT_DONE
