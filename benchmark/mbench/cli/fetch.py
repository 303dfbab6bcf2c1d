"""`mbench fetch`: get the data of tasks, and verify what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mbench.cli import parse
from mbench.core.errors import EXIT_DONE, MbenchError

if TYPE_CHECKING:
    from mbench.data.catalog import Task
    from mbench.data.download import Fetched, Wishes

TASKS_HELP = "Task ids, group ids or patterns such as 'fashioniq*'; several, or comma-separated."
ROOT_HELP = "Folder of the data sets. Default: $MBENCH_DATA, else data in the user's cache of mbench."


def fetch_command(
    tasks: Annotated[list[str], typer.Argument(help=TASKS_HELP)],
    data_root: Annotated[Path | None, typer.Option(help=ROOT_HELP)] = None,
    task_dir: Annotated[list[Path] | None, typer.Option(help="More folders with task files.")] = None,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Pictures too; embeddings made elsewhere need none.")
    ] = True,
    offline: Annotated[bool, typer.Option("--offline", help="Only verify what is on disk.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
) -> int:
    """Get the data of tasks into the data folder and verify them; what is there and right is not fetched again."""
    from mbench.data.catalog import Catalog
    from mbench.data.download import Wishes
    from mbench.data.hub import is_offline
    from mbench.data.loading import data_root_of

    chosen = Catalog.read(task_dir or []).tasks(parse.names(tasks, "TASKS"))
    if not quiet:
        typer.echo(f"Data folder: {data_root_of(data_root)}", err=True)
    wishes = Wishes(offline=offline or is_offline(), with_pictures=pictures)
    codes = [_fetch(task, data_root, wishes, quiet) for task in chosen]
    return next((code for code in codes if code != EXIT_DONE), EXIT_DONE)


def _fetch(task: Task, data_root: Path | None, wishes: Wishes, quiet: bool) -> int:
    """Fetch one task and say what became of it; the others go on when it fails."""
    from mbench.data.download import fetch

    def tell(message: str) -> None:
        if not quiet:
            typer.echo(message, err=True)

    try:
        done = fetch(task, data_root, tell, wishes)
    except MbenchError as error:
        typer.echo(f"Error: {task.id}: {error}", err=True)
        return error.exit_code
    if not quiet:
        typer.echo(_summary(task, done))
    return EXIT_DONE


def _summary(task: Task, done: Fetched) -> str:
    from mbench.data.download import readable

    parts = [f"{done.there} verified on disk"] if done.there else []
    parts += [f"{done.fetched} fetched ({readable(done.bytes)})"] if done.fetched else []
    parts += [f"{done.unpacked} unpacked"] if done.unpacked else []
    return f"{task.id}: {', '.join(parts) or 'nothing to fetch'}: {done.folder}"
