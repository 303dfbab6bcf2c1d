"""`mbench tasks`, `mbench models`, `mbench describe`: what there is."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mbench.core.errors import EXIT_DONE, UnknownNameError

if TYPE_CHECKING:
    from mbench.core.specs import GroupSpec, ModelCard, ReferenceScore
    from mbench.data.catalog import Catalog, Task

PatternArgument = Annotated[str, typer.Argument(help="A name or a pattern such as 'emoji-*'.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
TaskDirOption = Annotated[list[Path] | None, typer.Option(help="More folders with task files.")]


def tasks_command(pattern: PatternArgument = "*", as_json: JsonOption = False, task_dir: TaskDirOption = None) -> int:
    """List the tasks and groups."""
    from mbench.data.catalog import Catalog

    catalog = Catalog.read(task_dir or [])
    rows = [_task_row(task) for task in catalog.tasks([pattern])]
    groups = _groups(catalog, pattern)
    if as_json:
        typer.echo(json.dumps({"tasks": rows, "groups": groups}, indent=2, ensure_ascii=False))
        return EXIT_DONE
    _table("Tasks", ["id", "version", "protocol", "kind", "query", "candidates", "primary"], rows)
    _table("Groups", ["id", "tasks"], [{"id": name, "tasks": ", ".join(ids)} for name, ids in groups.items()])
    return EXIT_DONE


def models_command(pattern: PatternArgument = "*", as_json: JsonOption = False) -> int:
    """List the models."""
    from mbench.models.catalog import model_cards

    cards = model_cards(pattern)
    if as_json:
        typer.echo(json.dumps([card.model_dump(mode="json") for card in cards], indent=2, ensure_ascii=False))
        return EXIT_DONE
    rows = [_card_row(card) for card in cards]
    _table("Models", ["name", "modalities", "instructions", "dimension", "parameters", "license", "about"], rows)
    return EXIT_DONE


def describe_command(
    name: Annotated[str, typer.Argument(help="A task, group or model.")],
    model: Annotated[
        str | None, typer.Option("-m", "--model", help="Say whether this model has seen the data of the task or group.")
    ] = None,
    task_dir: TaskDirOption = None,
) -> int:
    """Show all that is known about a task, a group or a model."""
    from mbench.data.catalog import Catalog
    from mbench.models.catalog import MODELS, model_cards

    catalog = Catalog.read(task_dir or [])
    known = [*catalog.all_tasks, *catalog.all_groups, *MODELS]
    if name not in known:
        raise UnknownNameError("task or model", name, known, "`mbench tasks` and `mbench models` list all.")
    if model is not None:
        _print_contamination(catalog.tasks([name]), model)
    elif name in MODELS:
        _print_fields(model_cards(name)[0].model_dump(mode="json"))
    elif name in catalog.all_groups:
        _print_group(catalog.group(name).spec, catalog.tasks([name]))
    else:
        _print_task(catalog.all_tasks[name])
    return EXIT_DONE


def _print_contamination(tasks: list[Task], model: str) -> None:
    from mbench.models.catalog import model_card
    from mbench.publish.contamination import verdict

    card = model_card(model)
    found = [(task.id, verdict(card, task.spec)) for task in tasks]
    rows = [{"task": name, "data": one.status, "reason": one.reason} for name, one in found]
    _table(f"What {model} has seen of the data", ["task", "data", "reason"], rows)


def _groups(catalog: Catalog, pattern: str) -> dict[str, list[str]]:
    """Return the tasks of every group that the pattern names, by its id or with one of its tasks."""
    named = fnmatch.filter(catalog.all_groups, pattern)
    return {name: [task.id for task in catalog.tasks([name])] for name in named}


def _task_row(task: Task) -> dict[str, Any]:
    spec = task.spec
    return {
        "id": spec.id,
        "version": spec.version,
        "protocol": spec.protocol,
        "kind": spec.kind,
        "query": ", ".join(spec.query.modality),
        "candidates": ", ".join(spec.candidates.modality),
        "primary": spec.primary,
        "metrics": spec.keys,
        "license": spec.license,
        "fingerprint": task.fingerprint,
        "description": spec.description.strip(),
    }


def _card_row(card: ModelCard) -> dict[str, Any]:
    return {
        "name": card.id,
        "modalities": ", ".join(card.modalities),
        "instructions": "yes" if card.uses_instructions else "no",
        "dimension": card.dimension or "",
        "parameters": f"{card.parameters / 1e6:,.1f} M" if card.parameters else "",
        "license": card.license,
        "about": card.title,
    }


def _table(title: str, columns: list[str], rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from mbench.cli.console import print_table

    if not rows:
        return
    table = Table(title=f"{title} ({len(rows)})", title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    print_table(table)


def _print_task(task: Task) -> None:
    spec = task.spec
    fields = spec.model_dump(mode="json", exclude={"source", "metrics", "averages", "slice_metric"})
    sizes = spec.sizes.model_dump(include={"queries", "candidates"}) if spec.sizes else {}
    fields |= {"sizes": ", ".join(f"{count:,} {what}" for what, count in sizes.items())}
    fields |= {"metrics": ", ".join(spec.keys), "slices": ", ".join(f"{s} in {spec.sliced}" for s in spec.slices)}
    fields["query"] = _side(fields["query"])
    fields["candidates"] = _side(fields["candidates"])
    fields["reference_scores"] = _published(spec.reference_scores)
    fields |= {"data": _origin(task), "fingerprint": task.fingerprint, "file": str(task.path)}
    _print_fields(fields)


def _print_group(group: GroupSpec, tasks: list[Task]) -> None:
    means = [f"{one.name}: mean of {one.metric}" + (f" over {', '.join(one.members)}" if one.members else "")
             for one in group.aggregates]  # fmt: skip
    fields: dict[str, Any] = {
        "id": group.id,
        "title": group.title,
        "description": group.description,
        "citation": group.citation,
    }
    fields |= {"reference_scores": _published(group.reference_scores)}
    _print_fields({**fields, "tasks": [t.spec.id for t in tasks], "aggregates": means})


def _published(scores: list[ReferenceScore]) -> list[str]:
    return [f"{100 * one.value:.2f} {one.metric}: {one.model} ({one.source})" for one in scores]


def _side(side: dict[str, Any]) -> str:
    instruction = f"; instruction: {side['instruction']}" if side["instruction"] else ""
    pool = f"; ranked in: {side['pool']}" if "pool" in side else ""
    return ", ".join(side["modality"]) + pool + instruction


def _origin(task: Task) -> list[str]:
    source = task.spec.source
    where = [f"shipped with mbench, read by the loader {source.loader!r}"] if source.shipped else []
    where += [f"Hugging Face Hub {source.hub.repo} at {source.hub.revision}"] if source.hub else []
    where += [f"{file.path}" + (f" from {file.url}" if file.url else "") for file in source.files]
    return where + ([source.instructions.strip()] if source.instructions else [])


def _print_fields(fields: dict[str, Any]) -> None:
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        if value in (None, "", [], {}):
            continue
        lines = value if isinstance(value, list) else str(value).strip().splitlines()
        for i, line in enumerate(lines):
            typer.echo(f"{(name if i == 0 else ''):<{width}}  {line}")
