"""`mbench check-model`: the conformance suite for adapters."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mbench.cli import parse
from mbench.core.errors import EXIT_CHECK_FAILED, EXIT_DONE

if TYPE_CHECKING:
    from rich.table import Table

    from mbench.core.specs import ModelCard
    from mbench.models.conformance import Row

COLOURS = {"pass": "green", "fail": "bold red", "skip": "dim", "info": "cyan"}
MODEL_HELP = "A name of `mbench models`, or path/to/adapter.py:Class, which executes that file."


def check_model_command(  # noqa: PLR0913, PLR0917
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    model_args: Annotated[list[str] | None, typer.Option("--model-args", help="key=value, comma-separated.")] = None,
    model_revision: Annotated[str | None, typer.Option(help="Commit of the model's repository.")] = None,
    batch_size: Annotated[str, typer.Option(help="Items a batch, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code of the model's repo.")
    ] = False,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Do not load the model a second time, in another process.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON on standard output.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors and the table.")] = False,
) -> int:
    """Check that an adapter does what mbench relies on; exit code 1 if it does not."""
    from mbench.cli.console import ConsoleReporter, print_table
    from mbench.core.types import LoadOptions
    from mbench.models.conformance import checks, examine, subject_of

    options = LoadOptions(
        args=parse.pairs(model_args or [], "--model-args"),
        revision=model_revision,
        device=parse.device(device),
        dtype=parse.dtype(dtype),
        offline=offline,
        trust_remote_code=trust_remote_code,
    )
    size = parse.batch_size(batch_size)
    rows = []
    with redirect_stdout(sys.stderr), ConsoleReporter(quiet) as reporter:
        subject = subject_of(model, options, size)
        asked = checks(subject, worker=not no_worker)
        reporter.begin(model, "conformance")
        reporter.start("checks", len(asked))
        for row in examine(subject, asked):
            rows.append(row)
            reporter.advance(1)
    if as_json:
        typer.echo(json.dumps(_as_json(model, subject.card, rows), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_table(_table(model, rows))
    return EXIT_CHECK_FAILED if _counts(rows)["fail"] else EXIT_DONE


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    found = Counter(row.finding.state for row in rows)
    return {"pass": found["pass"], "fail": found["fail"], "skip": found["skip"], "info": found["info"]}


def _as_json(model: str, card: ModelCard, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "model": model,
        "id": card.id,
        "revision": card.revision,
        "counts": _counts(rows),
        "checks": [_row_as_json(row) for row in rows],
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    found = row.finding
    # An infinite gap (to a zero vector) has no number in JSON.
    measured = {name: value if abs(value) < float("inf") else None for name, value in found.measured.items()}
    return {
        "group": row.group,
        "check": row.check,
        "result": found.state,
        "detail": found.detail,
        "measured": measured,
    }


def _table(model: str, rows: Sequence[Row]) -> Table:
    """Return one row a check, grouped; texts of adapters are shown as they are, never as markup."""
    from rich.table import Table
    from rich.text import Text

    counts = ", ".join(f"{count} {state}" for state, count in _counts(rows).items())
    table = Table(title=Text(f"{model}: {counts}"), title_justify="left")
    for name in ("group", "check", "result"):
        table.add_column(name, no_wrap=True)
    table.add_column("detail", overflow="fold")
    previous = ""
    for row in rows:
        if previous and row.group != previous:
            table.add_section()
        group = "" if row.group == previous else row.group
        previous = row.group
        result = Text(row.finding.state, style=COLOURS[row.finding.state])
        table.add_row(Text(group), Text(row.check), result, Text(row.finding.detail))
    return table
