"""`mbench encode`: embeddings of given items."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mbench.cli import parse
from mbench.core.errors import EXIT_DONE

MODEL_HELP = "A name of `mbench models`, or path/to/adapter.py:Class, which executes that file."


class RoleName(StrEnum):
    """Whether the items are encoded as queries or as candidates."""

    query = "query"
    candidate = "candidate"


def encode_command(  # noqa: PLR0913, PLR0917
    model: Annotated[str, typer.Option("-m", "--model", help=MODEL_HELP)],
    items: Annotated[Path, typer.Option(help="JSON lines: id, text, image (path relative to the file), instruction.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The npz file to write: ids, embeddings.")],
    role: Annotated[RoleName, typer.Option(help="Encode as queries or as candidates.")] = RoleName.query,
    model_args: Annotated[list[str] | None, typer.Option("--model-args", help="key=value, comma-separated.")] = None,
    model_revision: Annotated[str | None, typer.Option(help="Commit of the model's repository.")] = None,
    batch_size: Annotated[str, typer.Option(help="Items a batch, or auto.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0 or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Seed of random models.")] = 0,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code of the model's repo.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
) -> int:
    """Embed the items of a file and write the vectors: unit length for a cosine model, in the items' order."""
    from mbench.cli.console import ConsoleReporter
    from mbench.core.types import LoadOptions
    from mbench.models.catalog import load_model
    from mbench.run.items import encode_items, read_items, write_embeddings

    listed = read_items(items)
    options = LoadOptions(
        args=parse.pairs(model_args or [], "--model-args"),
        revision=model_revision,
        device=parse.device(device),
        dtype=parse.dtype(dtype),
        seed=seed,
        offline=offline,
        trust_remote_code=trust_remote_code,
    )
    size = parse.batch_size(batch_size)
    encoder = load_model(model, options)
    with ConsoleReporter(quiet) as reporter:
        reporter.begin(model, items.name)
        vectors = encode_items(encoder, listed, role.value, size, reporter)
    write_embeddings(output, listed, vectors)
    if not quiet:
        typer.echo(f"{output}: {len(listed)} embeddings of {vectors.shape[1]} numbers")
    return EXIT_DONE
