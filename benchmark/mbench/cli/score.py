"""`mbench score`: metrics for a ranking that was made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mbench.core.errors import EXIT_DONE


def score_command(
    task: Annotated[str, typer.Option("-t", "--task", help="The task's id.")],
    predictions: Annotated[
        Path, typer.Option("--predictions", help="TREC run, CIRR or CIRCO server JSON, or our ranking Parquet.")
    ],
    data_root: Annotated[Path | None, typer.Option(help="Folder of the data sets. Default: $MBENCH_DATA.")] = None,
    task_dir: Annotated[list[Path] | None, typer.Option(help="More folders with task files.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")] = False,
) -> int:
    """Score a ranking with a task's judgments: the same numbers that `mbench run` would give for it.

    A JSON file for a test split, whose labels only the benchmark's server has, is checked as that server would.
    """
    from mbench.cli.console import print_table, results_table
    from mbench.data.catalog import Catalog
    from mbench.publish.exported import check_for_server
    from mbench.run.predictions import score_predictions
    from mbench.run.suite import Outcome

    declared = Catalog.read(task_dir or []).task(task)
    if not declared.spec.labels_public and predictions.suffix == ".json":
        name = check_for_server(predictions, declared, data_root)
        typer.echo(f"{predictions}: valid as the file {name!r} for the server of {task}.", err=True)
    result = score_predictions(declared, predictions, data_root, seed)
    left_out = result.run.get("left_out")
    if isinstance(left_out, list) and left_out:
        names = ", ".join(str(key) for key in left_out)
        typer.echo(f"Note: {predictions} ranks no pool for {names}; these metrics are left out.", err=True)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        print_table(results_table([Outcome(result.model.id, result.task.id, result)]))
    return EXIT_DONE
