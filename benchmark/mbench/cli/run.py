"""`mbench run`: evaluate models on tasks."""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mbench.cli import parse
from mbench.core.errors import EXIT_DONE, MbenchError, UserError

if TYPE_CHECKING:
    from mbench.core.types import LoadOptions
    from mbench.data.catalog import Catalog, Group, Task
    from mbench.run.settings import RunSettings
    from mbench.run.suite import Outcome


class Instructions(StrEnum):
    """Which instruction a query gets: its own, none, another query's, another wording of its own, the opposite."""

    default = "default"
    none = "none"
    shuffled = "shuffled"
    paraphrased = "paraphrased"
    opposite = "opposite"


MODEL_HELP = "Model names, comma-separated; `mbench models` lists them. path/to/adapter.py:Class executes that file."
TASKS_HELP = "Task ids, group ids or patterns such as 'emoji-*', comma-separated."
ABLATE_HELP = "Scores without a part of composed queries: text-only, image-only, no-reference; comma-separated."
REPORT_HELP = "control: what instructions do. stability: whether the machine moves the scores. Comma-separated."
DIMS_HELP = "Scores of embeddings cut to so many dimensions, such as 64,128."
QUANTIZE_HELP = "Scores of embeddings stored as int8 or binary; comma-separated."
ARGS_HELP = "What the model needs, such as checkpoint=DIR or path=FILE.npz; key=value, comma-separated."


def run_command(  # noqa: PLR0913, PLR0917
    model: Annotated[list[str], typer.Option("-m", "--model", help=MODEL_HELP)],
    tasks: Annotated[list[str], typer.Option("-t", "--tasks", help=TASKS_HELP)],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")] = Path("results"),
    model_args: Annotated[list[str] | None, typer.Option("--model-args", help=ARGS_HELP)] = None,
    model_revision: Annotated[str | None, typer.Option(help="Commit of the model's repository.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data sets. Default: $MBENCH_DATA.")] = None,
    task_dir: Annotated[list[Path] | None, typer.Option(help="More folders with task files.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for embeddings. Default: $MBENCH_CACHE.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep embeddings for this run only.")] = False,
    batch_size: Annotated[str, typer.Option(help="Items a batch, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    limit: Annotated[int | None, typer.Option(help="Only the first N queries; the result is marked partial.")] = None,
    instructions: Annotated[
        Instructions, typer.Option(help="Change the queries' instructions.")
    ] = Instructions.default,
    ablate: Annotated[list[str] | None, typer.Option(help=ABLATE_HELP)] = None,
    report: Annotated[list[str] | None, typer.Option(help=REPORT_HELP)] = None,
    dims: Annotated[list[str] | None, typer.Option(help=DIMS_HELP)] = None,
    quantize: Annotated[list[str] | None, typer.Option(help=QUANTIZE_HELP)] = None,
    memory: Annotated[str | None, typer.Option(help="Bound on embeddings and search, such as 500MB.")] = None,
    search_device: Annotated[
        str, typer.Option(help="Where large pools are searched, cpu or cuda; never changes a result.")
    ] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Seed of intervals, shuffling and random models.")] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON on standard output.")] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code of the model's repo.")
    ] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the cause of errors.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors and the table.")] = False,
) -> int:
    """Evaluate models on tasks: scores, rankings and every query's scores go to the output folder."""
    from mbench.core.types import LoadOptions
    from mbench.data.catalog import Catalog
    from mbench.run.extras import extras_of
    from mbench.run.settings import RunSettings, default_cache

    if limit is not None and limit < 1:
        raise UserError(f"--limit: expected a positive number, found {limit}")
    if no_cache and cache is not None:
        raise UserError("--cache and --no-cache exclude each other; give one of them")
    catalog = Catalog.read(task_dir or [])
    wanted = parse.names(tasks, "--tasks")
    settings = RunSettings(
        output=output,
        data_root=data_root,
        cache=None if no_cache else cache or default_cache(),
        batch_size=parse.batch_size(batch_size),
        limit=limit,
        instructions=instructions.value,
        memory=parse.size(memory, "--memory"),
        search_device=parse.search_device(search_device),
        seed=seed,
        overwrite=overwrite,
        offline=offline,
        extras=extras_of(
            parse.some_names(ablate, "--ablate"),
            parse.some_names(report, "--report"),
            parse.some_names(dims, "--dims"),
            parse.some_names(quantize, "--quantize"),
        ),
    )
    options = LoadOptions(
        args=parse.pairs(model_args or [], "--model-args"),
        revision=model_revision,
        device=parse.device(device),
        dtype=parse.dtype(dtype),
        seed=seed,
        offline=offline,
        trust_remote_code=trust_remote_code,
    )
    job = Job(parse.names(model, "--model"), catalog.tasks(wanted), catalog.groups_of(wanted), options, settings)
    return _dry(job, as_json, quiet) if dry_run else _run(job, catalog, as_json, quiet, verbose)


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asked for, with every name resolved."""

    models: list[str]
    tasks: list[Task]
    groups: list[Group]
    options: LoadOptions
    settings: RunSettings


def _run(job: Job, catalog: Catalog, as_json: bool, quiet: bool, verbose: bool) -> int:
    from mbench.cli.console import ConsoleReporter, print_table, results_table
    from mbench.cli.extras import extras_notes, extras_tables
    from mbench.run.suite import run

    with redirect_stdout(sys.stderr), ConsoleReporter(quiet) as reporter:
        outcomes = run(job.models, job.tasks, job.groups, catalog, job.options, job.settings, reporter)
    for outcome in outcomes:
        _write_for_server(outcome, catalog, quiet)
    for note in () if quiet else extras_notes(outcomes):
        typer.echo(f"Note: {note}", err=True)
    if as_json:
        typer.echo(json.dumps(_as_json(outcomes), indent=2, ensure_ascii=False, allow_nan=False))
    elif any(outcome.result for outcome in outcomes):
        primary = {task.spec.id: task.spec.primary for task in job.tasks}
        for table in (results_table(outcomes), *extras_tables(outcomes, primary)):
            print_table(table)
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    for error in errors if verbose else ():
        if error.__cause__ is not None:
            typer.echo("".join(traceback.format_exception(error.__cause__)), err=True)
    return errors[0].exit_code if errors else EXIT_DONE


def _write_for_server(outcome: Outcome, catalog: Catalog, quiet: bool) -> None:
    """Put the files for the benchmark's server beside a result whose labels are withheld."""
    from mbench.core.results import TaskResult
    from mbench.publish.export import export
    from mbench.publish.exported import results_at

    result, path = outcome.result, outcome.path
    if not isinstance(result, TaskResult) or result.labels_public or path is None:
        return
    try:
        server = catalog.task(result.task.id).spec.source.loader
        files = export(results_at(path, catalog), server, path.parent)
        for file in () if quiet else files:
            typer.echo(f"For the server of {server}: {file}", err=True)
    except MbenchError as error:
        typer.echo(f"Note: no file for the server: {error}", err=True)


def _as_json(outcomes: list[Outcome]) -> dict[str, Any]:
    from mbench.core.results import GroupResult, TaskResult

    results = [o.result.model_dump(mode="json") for o in outcomes if isinstance(o.result, TaskResult)]
    groups = [o.result.model_dump(mode="json") for o in outcomes if isinstance(o.result, GroupResult)]
    failures = [
        {"model": o.model, "task": o.task, "error": type(o.error).__name__, "message": str(o.error)}
        for o in outcomes
        if o.error is not None
    ]
    return {"results": results, "groups": groups, "failures": failures}


def _dry(job: Job, as_json: bool, quiet: bool) -> int:
    from mbench.cli.console import ConsoleReporter, estimates_table, print_table
    from mbench.run.dry import estimate
    from mbench.run.model import loaded

    estimates = []
    for name in job.models:
        with redirect_stdout(sys.stderr):
            model = loaded(name, job.options, job.settings, ConsoleReporter(quiet).note)
            estimates += [estimate(model, task, job.settings) for task in job.tasks]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in estimates], indent=2))
    else:
        print_table(estimates_table(estimates))
    if job.settings.extras.flags():
        typer.echo(f"Note: what {job.settings.extras.flags()} would encode is not in the estimate.", err=True)
    return EXIT_DONE
