"""`mbench submit`: begin a submission, collect results into it, check it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mbench.cli import parse
from mbench.core.errors import EXIT_CHECK_FAILED, EXIT_DONE, UserError

if TYPE_CHECKING:
    from mbench.publish.submission.records import Finding, Report

SUBMISSIONS = Path("submissions")
LISTS = ("modalities", "training_datasets")
QUESTIONS = (
    ("title", "Title, as tables show it"),
    ("description", "What is it, in a sentence or two"),
    ("modalities", "What it embeds, of text, image, image+text (comma-separated)"),
    ("uses_instructions", "Does it read instructions (true or false)"),
    ("dimension", "Dimensions of an embedding"),
    ("parameters", "Parameters, all weights counted"),
    ("license", "Licence of the weights"),
    ("revision", "Commit or hash of the weights"),
    ("training_datasets", "Data sets it was trained on (comma-separated; - for none)"),
)
"""What a complete card needs, and how a terminal asks for it."""
NEEDED = ("modalities", "uses_instructions", "license")
"""What no card can begin without; `pack` fills in from a run what else is open."""

app = typer.Typer(no_args_is_help=True, help="Begin, fill and check a submission to the leaderboard.")

NameArgument = Annotated[str, typer.Argument(help="The model's name, as `mbench run -m` takes it.")]
FolderOption = Annotated[Path, typer.Option("--submissions", metavar="DIR", help="The folder of all submissions.")]
TaskDirOption = Annotated[list[Path] | None, typer.Option(help="More folders with task files.")]
DataOption = Annotated[Path | None, typer.Option(help="Folder of the data sets. Default: $MBENCH_DATA.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON on standard output.")]


@app.command()
def new(  # noqa: PLR0913, PLR0917
    name: NameArgument,
    base: Annotated[str | None, typer.Option("--from", metavar="MODEL", help="Take the card of this model.")] = None,
    title: Annotated[str | None, typer.Option(help="As tables show it.")] = None,
    description: Annotated[str | None, typer.Option(help="A sentence or two.")] = None,
    modalities: Annotated[str | None, typer.Option(help="Of text, image, image+text; comma-separated.")] = None,
    uses_instructions: Annotated[str | None, typer.Option(help="true or false.")] = None,
    dimension: Annotated[str | None, typer.Option(help="Of an embedding.")] = None,
    parameters: Annotated[str | None, typer.Option(help="All weights counted.")] = None,
    license: Annotated[str | None, typer.Option(help="Of the weights.")] = None,
    revision: Annotated[str | None, typer.Option(help="Commit or hash of the weights.")] = None,
    training_datasets: Annotated[str | None, typer.Option(help="Comma-separated; - for none.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Where the weights are: owner/name or an address.")] = None,
    base_model: Annotated[str | None, typer.Option(help="What it was made from.")] = None,
    paper: Annotated[str | None, typer.Option(help="Address of the paper.")] = None,
    submissions: FolderOption = SUBMISSIONS,
) -> int:
    """Write the card of a new submission. What no flag tells is asked for on a terminal."""
    from mbench.publish.submission.writing import new_submission

    told: dict[str, str | None] = {
        "title": title,
        "description": description,
        "modalities": modalities,
        "uses_instructions": uses_instructions,
        "dimension": dimension,
        "parameters": parameters,
        "license": license,
        "revision": revision,
        "training_datasets": training_datasets,
        "checkpoint": checkpoint,
        "base_model": base_model,
        "paper": paper,
    }
    card = _card(base) if base else None
    if card is None and sys.stdin.isatty():
        told |= {key: typer.prompt(question) for key, question in QUESTIONS if told[key] is None}
    values = {key: _value(key, text) for key, text in told.items() if text is not None}
    asked = [f"--{key.replace('_', '-')}" for key in NEEDED if key not in values] if card is None else []
    if asked:
        raise UserError(f"A card needs {', '.join(asked)}; --from MODEL takes those of a model that mbench can load.")
    path = new_submission(submissions, {"id": name} | values, card)
    typer.echo(f"{path}: written. Look it over, then:")
    typer.echo(f"  mbench run -m {base or name} -t TASKS -o results && mbench submit pack {name} --results results")
    return EXIT_DONE


@app.command()
def pack(
    name: NameArgument,
    results: Annotated[Path, typer.Option("--results", metavar="DIR", help="What `mbench run -o` wrote to.")],
    submissions: FolderOption = SUBMISSIONS,
    task_dir: TaskDirOption = None,
) -> int:
    """Collect a model's complete official results into its submission, evidence made small."""
    from mbench.data.catalog import Catalog
    from mbench.publish.submission.packing import pack as packed

    done = packed(name, results, submissions, Catalog.read(task_dir or []))
    for note in done.notes:
        typer.echo(f"Note: {note}", err=True)
    typer.echo(f"{done.folder}: {len(done.written)} results, {done.size / 2**20:.2f} MiB")
    typer.echo(f"Next: mbench submit check {done.folder}")
    return EXIT_DONE


@app.command()
def check(
    path: Annotated[list[Path], typer.Argument(help="Submissions, or the folder that holds them all.")],
    base: Annotated[
        str | None, typer.Option("--base", metavar="COMMIT", help="Of a folder, only what differs from this commit.")
    ] = None,
    data_root: DataOption = None,
    task_dir: TaskDirOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check submissions: schema, names, evidence, and every number recomputed that the data at hand allow.

    Reads data only; nothing of a submission is executed. Exits with 1 when anything is refused.
    """
    from mbench.data.catalog import Catalog
    from mbench.models.catalog import MODELS
    from mbench.publish.submission import Judge
    from mbench.publish.submission.changed import changes

    judge = Judge(Catalog.read(task_dir or []), data_root, known=list(MODELS))
    strays: list[str] = []
    removed: list[str] = []
    reports: list[Report] = []
    for one in path:
        if base is not None:
            found = changes(one, base)
            reports += [judge.check(folder) for folder in found.folders]
            strays += found.strays
            removed += found.removed
        else:
            reports += judge.check_all(one) if _holds_submissions(one) else [judge.check(one)]
    good = not strays and all(report.good for report in reports)
    if as_json:
        value = {
            "good": good,
            "strays": strays,
            "removed": removed,
            "submissions": [_as_json(report) for report in reports],
        }
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        _print_all(reports, strays, removed)
    return EXIT_DONE if good else EXIT_CHECK_FAILED


def _card(name: str) -> Any:
    from mbench.models.catalog import model_card

    return model_card(name)


def _value(key: str, text: str) -> Any:
    """Read a flag or an answer as the type that its key of the card has."""
    if key in LISTS:
        return [] if text.strip() in ("", "-") else parse.names([text], f"--{key.replace('_', '-')}")
    if key == "uses_instructions":
        if text.casefold() not in ("true", "false", "yes", "no"):
            raise UserError(f"--uses-instructions: expected true or false, found {text!r}")
        return text.casefold() in ("true", "yes")
    if key in ("dimension", "parameters"):
        digits = text.replace(",", "").replace("_", "")
        if not digits.isdecimal():
            raise UserError(f"--{key}: expected a whole number, found {text!r}")
        return int(digits)
    return text


def _holds_submissions(path: Path) -> bool:
    from mbench.publish.submission.folder import CARD, RESULTS

    return path.is_dir() and not path.is_symlink() and not any((path / name).exists() for name in (CARD, RESULTS))


def _print_all(reports: list[Report], strays: list[str], removed: list[str]) -> None:
    from mbench.publish.text import clean

    for report in reports:
        _print(report)
    for name in strays:
        typer.echo(f"Refused: {clean(name)}: belongs to no submission [unexpected-file]", err=True)
    for name in removed:
        typer.echo(f"Warning: {clean(name)}: the whole submission is removed", err=True)
    if not reports and not strays and not removed:
        typer.echo("No submission was added or changed.")


def _print(report: Report) -> None:
    from rich.table import Table

    from mbench.cli.console import print_table
    from mbench.publish.text import clean

    table = Table(title=f"{report.name}: {'good' if report.good else 'refused'}", title_justify="left")
    for column in ("task", "revision", "state", "training data", "reason"):
        table.add_column(column, overflow="fold")
    for one in report.tasks:
        table.add_row(clean(one.task), clean(one.revision), one.status, one.contamination, clean(one.reason))
    print_table(table)
    for finding in report.findings:
        typer.echo(_line(report, finding), err=finding.severity == "error")


def _line(report: Report, finding: Finding) -> str:
    from mbench.publish.text import clean

    said = {"error": "Refused", "warning": "Warning", "info": "Note"}[finding.severity]
    where = " ".join(clean(f"{report.name}/{finding.file}").split())
    message = " ".join(clean(finding.message).split())
    return f"{said}: {where}: {message} [{finding.code}]"


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "name": report.name,
        "good": report.good,
        "tasks": [asdict(one) for one in report.tasks],
        "findings": [asdict(one) for one in report.findings],
    }
