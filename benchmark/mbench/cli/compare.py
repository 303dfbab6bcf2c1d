"""`mbench compare`: how far apart results are, and whether that could be chance."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mbench.core.errors import EXIT_DONE, UserError


class Interval(StrEnum):
    """Kinds of bootstrap intervals."""

    percentile = "percentile"
    bca = "bca"


def compare_command(  # noqa: PLR0913, PLR0917
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT RESULT...", help="Result JSONs or models' folders of results.")
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Metrics to show, comma-separated; all for every one. Default: each task's primary one."),
    ] = None,
    interval: Annotated[Interval, typer.Option(help="Kind of bootstrap interval.")] = Interval.percentile,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data sets. Default: $MBENCH_DATA.")] = None,
    task_dir: Annotated[list[Path] | None, typer.Option(help="More folders with task files.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of intervals and tests.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all metrics, on standard output.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown on standard output.")] = False,
) -> int:
    """Compare results query by query: the difference A - B with its interval, a paired test, and where it comes from.

    With more than two results each is compared with the first. p-values are those of the sign-flip test, and after
    Holm over all tasks and pairs.
    """
    from mbench.cli import parse
    from mbench.cli.sheets import print_sheets
    from mbench.data.catalog import Catalog
    from mbench.publish.comparison.compare import compare_results
    from mbench.publish.comparison.operands import operands_at
    from mbench.publish.comparison.records import PRIMARY, Asked
    from mbench.publish.comparison.written import as_json as as_values
    from mbench.publish.comparison.written import notes, sheets
    from mbench.publish.plain import markdown

    if as_json and as_markdown:
        raise UserError("--json and --markdown: choose one of them.")
    asked = Asked(tuple(parse.names(metric, "--metric")) if metric else (PRIMARY,), seed, interval.value)
    found = compare_results(operands_at(results), Catalog.read(task_dir or []), data_root, asked)
    if as_json:
        typer.echo(json.dumps(as_values(found), indent=2, ensure_ascii=False, allow_nan=False))
    elif as_markdown:
        typer.echo(markdown(sheets(found), notes(found)), nl=False)
    else:
        print_sheets(sheets(found), notes(found))
    return EXIT_DONE
