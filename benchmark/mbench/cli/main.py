"""The `mbench` command: puts the command groups together and turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys

import typer

from mbench.cli import (
    cache,
    catalogue,
    check_model,
    compare,
    encode,
    export,
    fetch,
    leaderboard,
    ledger,
    run,
    score,
    submit,
)
from mbench.core.errors import EXIT_INTERRUPTED, EXIT_USER, MbenchError

app = typer.Typer(
    name="mbench",
    help="Evaluate instruction-aware multimodal embedding models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run_command)
app.command("fetch")(fetch.fetch_command)
app.command("encode")(encode.encode_command)
app.command("check-model")(check_model.check_model_command)
app.command("score")(score.score_command)
app.command("export")(export.export_command)
app.command("compare")(compare.compare_command)
app.command("ledger")(ledger.ledger_command)
app.command("tasks")(catalogue.tasks_command)
app.command("models")(catalogue.models_command)
app.command("describe")(catalogue.describe_command)
app.add_typer(submit.app, name="submit", help="Begin, fill and check a submission to the leaderboard.")
app.add_typer(cache.app, name="cache", help="Look at stored embeddings, verify them, remove them.")
app.add_typer(leaderboard.app, name="leaderboard", help="Build and look at the leaderboard.")


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and leave.")
) -> None:
    if version:
        from mbench import __version__

        typer.echo(f"mbench {__version__}")
        raise typer.Exit(0)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(EXIT_USER)


def main() -> None:
    """Run the command line: one message and the right exit code for every error, a traceback only for our own bugs."""
    try:
        code = app(standalone_mode=False)
        if code == EXIT_INTERRUPTED:  # typer's own answer to Ctrl-C
            raise KeyboardInterrupt
    except MbenchError as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Interrupted; what was finished is kept.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        _usage_error_or_bug(error)
    sys.exit(code if isinstance(code, int) else 0)


def _usage_error_or_bug(error: Exception) -> None:
    show = getattr(error, "show", None)
    if show is None:
        raise error
    show()
    sys.exit(getattr(error, "exit_code", EXIT_USER))
