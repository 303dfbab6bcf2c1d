"""What `--help` says of options."""

from __future__ import annotations

from collections.abc import Iterator

import click
import typer

from mbench.cli.main import app


def commands(one: click.Command, path: str = "mbench") -> Iterator[tuple[str, click.Command]]:
    yield path, one
    for name, below in getattr(one, "commands", {}).items():
        yield from commands(below, f"{path} {name}")


def test_no_help_holds_brackets_that_the_console_takes_for_markup() -> None:
    told = [
        f"{path} {option.name}: {option.help}"
        for path, command in commands(typer.main.get_command(app))
        for option in command.params
        if "[" in (getattr(option, "help", None) or "")
    ]
    assert told == []
