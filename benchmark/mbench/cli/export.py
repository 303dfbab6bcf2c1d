"""`mbench export`: results and rankings in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mbench.core.errors import EXIT_DONE


def export_command(
    result: Annotated[
        Path, typer.Argument(help="A result JSON, a model's folder of them, or (with -t) a ranking made elsewhere.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the files.")],
    name: Annotated[str, typer.Option("--format", help="trec, csv, cirr, circo, mteb, hf or mmeb.")],
    task: Annotated[str | None, typer.Option("-t", "--task", help="The task of a ranking made elsewhere.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data sets. Default: $MBENCH_DATA.")] = None,
    task_dir: Annotated[list[Path] | None, typer.Option(help="More folders with task files.")] = None,
) -> int:
    """Write results in another tool's format; files for test servers are checked as the server would."""
    from mbench.data.catalog import Catalog
    from mbench.publish.export import export, unwritten
    from mbench.publish.exported import ranking_at, results_at

    catalog = Catalog.read(task_dir or [])
    found = [ranking_at(result, catalog.task(task), data_root)] if task else results_at(result, catalog)
    for path in export(found, name, output):
        typer.echo(path)
    for note in unwritten(found, name):
        typer.echo(f"Note: not written: {note}", err=True)
    return EXIT_DONE
