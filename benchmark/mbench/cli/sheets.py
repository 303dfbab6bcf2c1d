"""How tables of text look on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mbench.publish.plain import Sheet


def print_sheets(sheets: Sequence[Sheet], notes: Sequence[str] = ()) -> None:
    """Print the tables that have rows on standard output, and the notes on standard error."""
    from rich.markup import escape
    from rich.table import Table

    from mbench.cli.console import print_table

    for sheet in sheets:
        if not sheet.rows:
            continue
        table = Table(title=escape(sheet.title), title_justify="left")
        for head in sheet.heads:
            numeric = head in sheet.numeric
            table.add_column(escape(head), justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
        for row in sheet.rows:
            table.add_row(*(escape(cell) for cell in row))
        print_table(table)
    for note in notes:
        typer.echo(f"Note: {note}.", err=True)
