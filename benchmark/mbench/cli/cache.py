"""`mbench cache`: look at stored embeddings, verify them, remove them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mbench.cli import parse
from mbench.core.errors import EXIT_CHECK_FAILED, EXIT_DONE, UserError

if TYPE_CHECKING:
    from rich.table import Table

    from mbench.retrieval.upkeep import Damage, Kept, Removal

app = typer.Typer(no_args_is_help=True)

Cache = Annotated[Path | None, typer.Option(help="Folder of embeddings. Default: $MBENCH_CACHE.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[str | None, typer.Option("-m", "--model", help="Only of this model, by id or fingerprint.")]


@app.command("ls")
def ls_command(cache: Cache = None, model: Model = None, as_json: Json = False) -> int:
    """List the stored embeddings by model and role, the least recently used first."""
    from mbench.cli.console import print_table
    from mbench.retrieval.upkeep import listing

    found = listing(_folder(cache), model)
    if as_json:
        typer.echo(json.dumps([_kept(one) for one in found], indent=2))
    else:
        print_table(_table(found))
    return EXIT_DONE


@app.command("verify")
def verify_command(cache: Cache = None, model: Model = None, as_json: Json = False) -> int:
    """Read all stored embeddings and name the damaged shards; exit code 1 when there are any."""
    from mbench.retrieval.upkeep import damages, listing

    found = list(damages(_folder(cache), model))
    shards = sum(one.shards for one in listing(_folder(cache), model))
    if as_json:
        typer.echo(json.dumps({"shards": shards, "damaged": [_damage(one) for one in found]}, indent=2))
    else:
        for one in found:
            typer.echo(f"{one.path}: {one.reason}")
        advice = " The next run encodes their items again; `mbench cache gc` removes them." if found else ""
        typer.echo(f"{shards} shards, {len(found)} damaged.{advice}")
    return EXIT_CHECK_FAILED if found else EXIT_DONE


@app.command("gc")
def gc_command(
    cache: Cache = None,
    older_than: Annotated[str | None, typer.Option(help="What was not used for so long, such as 30d or 12h.")] = None,
    max_size: Annotated[str | None, typer.Option(help="The least recently used beyond this size, as 10GB.")] = None,
    model: Model = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; remove nothing.")] = False,
    as_json: Json = False,
) -> int:
    """Remove damaged shards and what was left half written, and embeddings by age, size or model.

    With --model alone, all embeddings of that model go. Every shard is read, to know whether it is whole.
    """
    from mbench.retrieval.upkeep import removals, remove

    age, size = parse.duration(older_than, "--older-than"), parse.size(max_size, "--max-size")
    found = removals(_folder(cache), age, size, model)
    if not dry_run:
        remove(found)
    if as_json:
        typer.echo(json.dumps({"removed": not dry_run, "files": [_removal(one) for one in found]}, indent=2))
    else:
        for one in found:
            typer.echo(f"{one.path}: {one.reason}")
        verb = "would be removed" if dry_run else "removed"
        typer.echo(f"{len(found)} files, {sum(one.bytes for one in found) / 1e6:,.1f} MB {verb}.")
    return EXIT_DONE


def _folder(cache: Path | None) -> Path:
    from mbench.core.resources import user_cache

    if cache is not None and not cache.is_dir():
        raise UserError(f"--cache: there is no folder {cache}; name the one that was given to `mbench run`.")
    return cache or user_cache()


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _kept(one: Kept) -> dict[str, object]:
    return {
        "model": one.model,
        "fingerprint": one.fingerprint,
        "role": one.role,
        "vectors": one.vectors,
        "dimension": one.dimension,
        "shards": one.shards,
        "bytes": one.bytes,
        "last_used": _when(one.used),
        "folder": str(one.folder),
    }


def _damage(one: Damage) -> dict[str, str]:
    return {"path": str(one.path), "reason": one.reason}


def _removal(one: Removal) -> dict[str, object]:
    return {"path": str(one.path), "bytes": one.bytes, "reason": one.reason}


def _table(found: list[Kept]) -> Table:
    from rich.table import Table

    table = Table(title="Stored embeddings", title_justify="left")
    for name in ("model", "fingerprint", "role"):
        table.add_column(name, overflow="fold")
    for name in ("vectors", "dimension", "MB", "last used (UTC)"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        numbers = (f"{one.vectors:,}", str(one.dimension or ""), f"{one.bytes / 1e6:,.1f}")
        table.add_row(one.model or "?", one.fingerprint, one.role, *numbers, _when(one.used)[:16].replace("T", " "))
    return table
